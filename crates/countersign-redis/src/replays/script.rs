//! The one step that compares and records.

use redis::Value;

use crate::link::ServerScript;

pub(super) static INSERT: ServerScript = ServerScript::new(include_str!("insert.lua"));

/// The parameters of a call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) keys: Vec<String>,
    pub(super) arguments: Vec<u64>,
}

/// The answers of the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    New,
    Used,
    Forgotten,
    ShareUsedUp,
    Recovering,
    Clocks,
}

impl Answer {
    pub(super) fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Int(0) => Answer::New,
            Value::Int(1) => Answer::Used,
            Value::Int(2) => Answer::Forgotten,
            Value::Int(3) => Answer::ShareUsedUp,
            Value::Int(4) => Answer::Recovering,
            Value::Int(5) => Answer::Clocks,
            _ => return None,
        })
    }
}
