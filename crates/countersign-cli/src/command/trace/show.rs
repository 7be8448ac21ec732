//! The tree for people, and the JSON for programs.

use serde_json::{Value, json};

use super::graph::Parent;
use super::line::Event;
use super::read::{Counts, Wanted};
use crate::exit::Failure;
use crate::output::{self, Tone};

/// Prints the calls as a tree, callers first.
pub(super) fn tree(wanted: &Wanted, events: &[Event], parents: &[Parent]) -> Result<(), Failure> {
    let services: std::collections::BTreeSet<&str> = events.iter().map(|event| event.service.as_str()).collect();
    let refused = events.iter().filter(|event| !event.is_allowed()).count();
    let what = match wanted {
        Wanted::Txn(_) => "transaction",
        Wanted::TraceId(_) => "trace",
    };
    output::line(&format!(
        "{what} {}: {} by {}, {refused} not allowed",
        output::word(wanted.id()),
        plural(events.len(), "decision"),
        plural(services.len(), "service"),
    ))?;
    let calls = Calls::new(events, parents);
    let mut stack: Vec<(usize, String, bool)> = Vec::new();
    let push = |stack: &mut Vec<_>, numbers: &[usize], prefix: &str| {
        for (place, number) in numbers.iter().enumerate().rev() {
            stack.push((*number, prefix.to_owned(), place + 1 == numbers.len()));
        }
    };
    for root in calls.of(None) {
        stack.push((*root, String::new(), true));
        let mut is_root = true;
        while let Some((number, prefix, is_last)) = stack.pop() {
            let (branch, below) = match (is_root, is_last) {
                (true, _) => ("", ""),
                (false, true) => ("└─ ", "   "),
                (false, false) => ("├─ ", "│  "),
            };
            is_root = false;
            let Some(event) = events.get(number) else { continue };
            output::line(&format!("{prefix}{branch}{}", decision(number, event, parents.get(number), calls.begin)))?;
            let prefix = format!("{prefix}{below}");
            if let Some(reason) = reason(event) {
                let bar = if calls.of(Some(number)).is_empty() { "    " } else { "│   " };
                output::line(&format!("{prefix}{bar}{reason}"))?;
            }
            push(&mut stack, calls.of(Some(number)), &prefix);
        }
    }
    Ok(())
}

/// One line: the service, what was asked of it and by whom, and what it decided.
fn decision(number: usize, event: &Event, parent: Option<&Parent>, begin: i64) -> String {
    let route = event.route.as_deref().map_or_else(|| "(no route)".to_owned(), output::word);
    let status = event.status.map_or_else(String::new, |status| format!(" {status}"));
    let grpc = event.grpc_status.map_or_else(String::new, |status| format!(" grpc-status {status}"));
    let code = if event.is_allowed() { String::new() } else { format!(" {}", output::word(&event.code)) };
    let tone = if event.is_allowed() { Tone::Good } else { Tone::Bad };
    let outcome = output::toned(tone, &format!("{}{code}{status}{grpc}", output::word(&event.outcome)));
    let caller = match event.caller() {
        Some(caller) => output::word(caller),
        None if event.subject.is_some() || event.issuer.is_some() => "a caller without client".to_owned(),
        None if event.is_allowed() => "an anonymous caller".to_owned(),
        None => "an unknown caller".to_owned(),
    };
    let by = match parent {
        Some(Parent::Ambiguous(candidates)) => {
            let names: Vec<String> = candidates.iter().map(|candidate| format!("#{}", candidate + 1)).collect();
            output::toned(Tone::Doubt, &format!("  (called by one of {}; nothing tells which)", names.join(", ")))
        }
        Some(Parent::Unknown) => output::toned(Tone::Doubt, "  (called by one of more than 100 requests)"),
        Some(Parent::Known(_, super::graph::Evidence::Time)) => output::toned(Tone::Quiet, "  (caller by time)"),
        Some(Parent::Known(..) | Parent::None) | None => String::new(),
    };
    let offset = milliseconds(event.time_us.saturating_sub(begin));
    format!(
        "#{} {}  {} {route}  {outcome}  from {caller}  {offset}{by}",
        number + 1,
        output::toned(Tone::Strong, &output::word(&event.service)),
        output::word(&event.method),
    )
}

fn reason(event: &Event) -> Option<String> {
    let unmet = event.unmet.as_ref().filter(|unmet| !unmet.is_empty());
    match (&event.requirement, unmet) {
        _ if event.is_allowed() => None,
        (Some(requirement), Some(unmet)) if requirement != unmet => {
            Some(format!("requires {}; unmet: {}", output::safe(requirement), output::safe(unmet)))
        }
        (Some(requirement), _) => Some(format!("requires {}", output::safe(requirement))),
        (None, _) => None,
    }
}

/// Notes for people about the input.
pub(super) fn notes(counts: &Counts) -> Vec<String> {
    let Counts { unreadable, dropped, left_out, .. } = counts;
    let mut notes = Vec::new();
    if *unreadable > 0 {
        notes.push(format!("{unreadable} of {} lines are not readable", counts.lines));
    }
    if *dropped > 0 {
        notes.push(format!("services dropped {dropped} events, because their logs were slow: calls may be missing"));
    }
    if *left_out > 0 {
        notes.push(format!("{left_out} more decisions are left out"));
    }
    notes
}

/// The transaction as JSON, with what was read beside it.
pub(super) fn json(wanted: &Wanted, events: &[Event], parents: &[Parent], counts: &Counts) -> Value {
    with_counts(transaction(wanted, events, parents), counts)
}

/// Transactions as JSON, with what was read beside them.
pub(super) fn json_of_all(transactions: &[Value], counts: &Counts) -> Value {
    with_counts(json!({ "transactions": transactions }), counts)
}

fn with_counts(mut value: Value, counts: &Counts) -> Value {
    value["lines"] = counts.lines.into();
    value["other_lines"] = counts.other.into();
    value["unreadable_lines"] = counts.unreadable.into();
    value["dropped_events"] = counts.dropped.into();
    value["decisions_left_out"] = counts.left_out.into();
    value
}

/// The decisions of one transaction, each with the number of its parent.
pub(super) fn transaction(wanted: &Wanted, events: &[Event], parents: &[Parent]) -> Value {
    let begin = Calls::new(events, parents).begin;
    let decisions: Vec<Value> = events
        .iter()
        .zip(parents)
        .enumerate()
        .map(|(number, (event, parent))| {
            let (above, evidence, candidates) = match parent {
                Parent::None => (None, None, Vec::new()),
                Parent::Known(above, evidence) => (Some(above + 1), Some(evidence.name()), Vec::new()),
                Parent::Unknown => (None, None, Vec::new()),
                Parent::Ambiguous(found) => (None, None, found.iter().map(|found| found + 1).collect()),
            };
            json!({
                "number": number + 1,
                "parent": above,
                "parent_by": evidence,
                "parent_candidates": candidates,
                "more_candidates": *parent == Parent::Unknown,
                "offset_us": event.time_us.saturating_sub(begin),
                "service": event.service,
                "outcome": event.outcome,
                "code": event.code,
                "status": event.status,
                "grpc_status": event.grpc_status,
                "method": event.method,
                "route": event.route,
                "requirement": event.requirement,
                "unmet": event.unmet,
                "issuer": event.issuer,
                "subject": event.subject,
                "client": event.client,
                "actor": event.actor,
                "txn": event.txn,
                "trace_id": event.trace_id,
                "duration_us": event.duration_us,
            })
        })
        .collect();
    let (txn, trace_id) = match wanted {
        Wanted::Txn(id) => (Some(id), None),
        Wanted::TraceId(id) => (None, Some(id)),
    };
    json!({ "txn": txn, "trace_id": trace_id, "decisions": decisions })
}

/// The calls of each decision's service, in the order of time.
struct Calls {
    /// The first is of those without a known parent.
    calls: Vec<Vec<usize>>,
    begin: i64,
}

impl Calls {
    fn new(events: &[Event], parents: &[Parent]) -> Self {
        let mut calls = vec![Vec::new(); events.len() + 1];
        let mut order: Vec<usize> = (0..events.len()).collect();
        order.sort_by_key(|number| events.get(*number).map(|event| event.time_us));
        for number in order {
            let above = match parents.get(number) {
                Some(Parent::Known(above, _)) => above + 1,
                _ => 0,
            };
            if let Some(list) = calls.get_mut(above) {
                list.push(number);
            }
        }
        let time = |number: &usize| events.get(*number).map_or(0, |event| event.time_us);
        // Clocks differ, so the first decision by time need not be the first call.
        let first = |list: &Vec<usize>| {
            list.iter().find(|number| matches!(parents.get(**number), Some(Parent::None))).map(time)
        };
        let begin = calls.first().and_then(first).or_else(|| events.iter().map(|event| event.time_us).min());
        Calls { begin: begin.unwrap_or_default(), calls }
    }

    fn of(&self, number: Option<usize>) -> &[usize] {
        self.calls.get(number.map_or(0, |number| number + 1)).map_or(&[], Vec::as_slice)
    }
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// `+12.3 ms`
fn milliseconds(micros: i64) -> String {
    let sign = if micros < 0 { '-' } else { '+' };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:03} ms", micros / 1000, micros % 1000)
}
