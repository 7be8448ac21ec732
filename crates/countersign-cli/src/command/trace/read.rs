//! Reading the lines of all files, of which only the decisions that are shown are kept.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::line::{Event, Form, Line};
use crate::exit::Failure;
use crate::input;

/// The most decisions of one transaction.
const MAX_DECISIONS: usize = 10_000;

/// The most decisions of all transactions together.
const MAX_ALL_DECISIONS: usize = 100_000;

/// The identifier of a transaction, or of a trace.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    Txn(String),
    TraceId(String),
}

impl Wanted {
    pub(super) fn id(&self) -> &str {
        match self {
            Wanted::Txn(id) | Wanted::TraceId(id) => id,
        }
    }

    fn is_of(&self, event: &Event) -> bool {
        match self {
            Wanted::Txn(txn) => event.txn.as_ref() == Some(txn),
            Wanted::TraceId(id) => event.trace_id.as_ref() == Some(id),
        }
    }
}

/// The numbers of lines beside the decisions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) lines: u64,
    /// Audit events, of any transaction.
    pub(super) events: u64,
    /// Audit events without a transaction.
    pub(super) without_txn: u64,
    pub(super) other: u64,
    pub(super) unreadable: u64,
    /// Events that the writers of the services dropped.
    pub(super) dropped: u64,
    /// Decisions beyond the most that are kept.
    pub(super) left_out: u64,
}

/// Calls `take` with each event of the files; none are standard input.
pub(super) fn each(files: &[String], mut take: impl FnMut(usize, Event, Form)) -> Result<Counts, Failure> {
    let mut counts = Counts::default();
    let standard_input = ["-".to_owned()];
    let files = if files.is_empty() { &standard_input } else { files };
    for (number, file) in files.iter().enumerate() {
        let mut reader = input::lines(Some(file))?;
        while let Some(line) = input::next_line(&mut *reader)? {
            if line.is_empty() {
                continue;
            }
            counts.lines += 1;
            match Line::read(&line) {
                Line::Event(event, form) => {
                    counts.events += 1;
                    counts.without_txn += u64::from(event.txn.is_none());
                    take(number, *event, form);
                }
                Line::Dropped(events) => counts.dropped = counts.dropped.saturating_add(events),
                Line::Other => counts.other += 1,
                Line::Unreadable => counts.unreadable += 1,
            }
        }
    }
    Ok(counts)
}

/// The decisions of one transaction, in the order of the input.
pub(super) fn decisions(wanted: &Wanted, files: &[String]) -> Result<(Vec<Event>, Counts), Failure> {
    let mut kept = Kept::new(MAX_DECISIONS);
    let counts = each(files, |file, event, form| {
        if wanted.is_of(&event) {
            kept.add(file, event, form);
        }
    })?;
    let (events, left_out) = kept.into_events();
    Ok((events, Counts { left_out, ..counts }))
}

/// The decisions of one transaction.
pub(super) type Transaction = (Wanted, Vec<Event>);

/// The decisions of every transaction, or of every trace, in the order in which their first ones are in the input.
pub(super) fn all(files: &[String], by_trace: bool) -> Result<(Vec<Transaction>, Counts), Failure> {
    let id_of = |event: &Event| if by_trace { event.trace_id.clone() } else { event.txn.clone() };
    let mut kept = Kept::new(MAX_ALL_DECISIONS);
    let counts = each(files, |file, event, form| {
        if id_of(&event).is_some() {
            kept.add(file, event, form);
        }
    })?;
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut transactions: Vec<Transaction> = Vec::new();
    let (events, left_out) = kept.into_events();
    for event in events {
        let Some(id) = id_of(&event) else { continue };
        match places.get(&id).and_then(|place| transactions.get_mut(*place)) {
            Some((_, events)) => events.push(event),
            None => {
                places.insert(id.clone(), transactions.len());
                let wanted = if by_trace { Wanted::TraceId(id) } else { Wanted::Txn(id) };
                transactions.push((wanted, vec![event]));
            }
        }
    }
    Ok((transactions, Counts { left_out, ..counts }))
}

/// The events that are kept.
///
/// A service may write an event as a JSON line and through `tracing`, and a file may be named twice: an event counts as
/// often as in the one place that has it most often.
struct Kept {
    events: Vec<Rc<Event>>,
    seen: HashMap<(usize, Form, Rc<Event>), usize>,
    numbered: HashSet<(Rc<Event>, usize)>,
    max: usize,
    left_out: u64,
}

impl Kept {
    fn new(max: usize) -> Self {
        Kept { events: Vec::new(), seen: HashMap::new(), numbered: HashSet::new(), max, left_out: 0 }
    }

    fn add(&mut self, file: usize, event: Event, form: Form) {
        let event = Rc::new(event);
        if self.events.len() == self.max {
            self.left_out += u64::from(!self.numbered.contains(&(event, 1)));
            return;
        }
        let number = self.seen.entry((file, form, Rc::clone(&event))).or_default();
        *number += 1;
        if self.numbered.insert((Rc::clone(&event), *number)) {
            self.events.push(event);
        }
    }

    fn into_events(self) -> (Vec<Event>, u64) {
        let Kept { events, seen, numbered, left_out, .. } = self;
        drop((seen, numbered));
        (events.into_iter().map(Rc::unwrap_or_clone).collect(), left_out)
    }
}
