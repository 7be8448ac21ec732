//! The transactions with refusals.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::line::Event;
use super::read;
use super::show;
use crate::exit::{Exit, Outcome};
use crate::output;

/// The most transactions of a list.
const MAX_LISTED: usize = 10_000;

/// One transaction.
struct Listed {
    id: String,
    refusals: u64,
    /// The first one.
    first: Event,
}

pub(super) fn run(files: &[String], by_trace: bool, as_json: bool) -> Outcome {
    let mut listed: Vec<Listed> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut left_out = 0_u64;
    let counts = read::each(files, |_, event, _| {
        let id = if by_trace { event.trace_id.clone() } else { event.txn.clone() };
        let Some(id) = id.filter(|_| !event.is_allowed()) else { return };
        let is_full = listed.len() == MAX_LISTED;
        match places.get(&id).and_then(|place| listed.get_mut(*place)) {
            Some(known) => known.refusals += 1,
            None if is_full => left_out += 1,
            None => {
                places.insert(id.clone(), listed.len());
                listed.push(Listed { id, refusals: 1, first: event });
            }
        }
    })?;
    if as_json {
        let rows: Vec<Value> = listed.iter().map(as_value).collect();
        output::json(&json!({
            "transactions": rows,
            "refusals_left_out": left_out,
            "lines": counts.lines,
            "unreadable_lines": counts.unreadable,
        }))?;
    } else {
        for Listed { id, refusals, first } in &listed {
            let (service, code) = (output::word(&first.service), output::word(&first.code));
            output::line(&format!("{}  {refusals} not allowed, first by {service}: {code}", output::word(id)))?;
        }
        show::notes(&counts).iter().for_each(|note| output::warn(note));
        if left_out > 0 {
            output::warn(&format!("{left_out} decisions of further transactions are left out"));
        }
        if listed.is_empty() {
            let what = if by_trace { "trace id" } else { "txn" };
            output::warn(&format!("of {} audit events, none that refused has a {what}", counts.events));
        }
    }
    Ok(if listed.is_empty() { Exit::Done } else { Exit::Rejected })
}

fn as_value(listed: &Listed) -> Value {
    let Listed { id, refusals, first } = listed;
    json!({ "id": id, "refusals": refusals, "first_service": first.service, "first_code": first.code })
}
