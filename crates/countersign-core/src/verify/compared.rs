//! The values that a check compares, as text for reports.

use crate::clock::UnixTime;
use crate::redact::safe_text;
use crate::token::{ListClaim, Payload, Text};

/// The expected and the actual value, each if it fits on one line.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    pub(crate) expected: Option<String>,
    pub(crate) found: Option<String>,
}

impl Compared {
    pub(crate) fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Compared { expected: Some(expected.into()), found: Some(found.into()) }
    }
}

/// The number of list items shown.
const SHOWN: usize = 4;

/// The word for an absent value.
const NOTHING: &str = "nothing";

pub(crate) fn time(time: Option<UnixTime>) -> String {
    time.map_or(NOTHING.to_owned(), |time| time.as_secs().to_string())
}

pub(crate) fn text(payload: &Payload, claim: Option<Text>) -> String {
    claim.map_or(NOTHING.to_owned(), |text| quoted(payload.text(text)))
}

pub(crate) fn list(payload: &Payload, claim: &ListClaim) -> String {
    match claim {
        ListClaim::Absent => NOTHING.to_owned(),
        ListClaim::Wrong => "neither a string nor a list of strings".to_owned(),
        found => some_of(payload.texts(found).map(quoted)),
    }
}

/// The first few items, and the number of further ones.
pub(crate) fn some_of(mut items: impl Iterator<Item = String>) -> String {
    let first: Vec<String> = items.by_ref().take(SHOWN).collect();
    match (first.is_empty(), items.count()) {
        (true, _) => "none".to_owned(),
        (false, 0) => first.join(", "),
        (false, more) => format!("{} and {more} more", first.join(", ")),
    }
}

/// Untrusted text in quotes, safe to log.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", safe_text(text))
}
