//! Every transaction.

use serde_json::Value;

use super::line::Event;
use super::{graph, read, show};
use crate::exit::{Exit, Outcome};
use crate::output;

pub(super) fn run(files: &[String], by_trace: bool, as_json: bool) -> Outcome {
    let (transactions, counts) = read::all(files, by_trace)?;
    if as_json {
        let shown: Vec<Value> = transactions
            .iter()
            .map(|(wanted, events)| show::transaction(wanted, events, &graph::parents(events)))
            .collect();
        output::json(&show::json_of_all(&shown, &counts))?;
    } else {
        for (number, (wanted, events)) in transactions.iter().enumerate() {
            if number > 0 {
                output::line("")?;
            }
            show::tree(wanted, events, &graph::parents(events))?;
        }
        show::notes(&counts).iter().for_each(|note| output::note(&format!("countersign: {note}")));
    }
    if transactions.is_empty() {
        let what = if by_trace { "trace id" } else { "txn" };
        output::warn(&format!("none of {} audit events has a {what}", counts.events));
        return Ok(Exit::Undecided);
    }
    let is_allowed = transactions.iter().flat_map(|(_, events)| events).all(Event::is_allowed);
    Ok(if is_allowed { Exit::Done } else { Exit::Rejected })
}
