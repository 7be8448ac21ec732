//! Values at the JSON pointers of a mapping (RFC 6901).

use std::borrow::Cow;

use serde_json::Value;

use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::token::Payload;

/// Splits a JSON pointer into its first name and the rest.
pub(super) fn head_and_tail(pointer: &str) -> Option<(&str, &str)> {
    let rest = pointer.strip_prefix('/')?;
    let (head, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (!head.is_empty() && !head.contains('~')).then_some((head, tail))
}

/// The value at `pointer`; `None` if it is absent or `null`. `claim_names` are the members that `payload` captured.
pub(super) fn value_at(
    payload: &Payload,
    claim_names: &[Box<str>],
    pointer: &str,
) -> Result<Option<Value>, VerifyError> {
    let Some((head, tail)) = head_and_tail(pointer) else { return Ok(None) };
    let Some(json) = payload.captured(claim_names, head) else { return Ok(None) };
    let mut value: Value = serde_json::from_str(json).map_err(|_| wrong_type("a mapped claim is not JSON"))?;
    for step in tail.split('/').skip(1) {
        match step_into(value, step).map_err(|found| mismatch(pointer, "an object on the way", found))? {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    Ok(Some(value).filter(|value| !value.is_null()))
}

/// Follows one step of a pointer.
///
/// A step into a value without members is a wrong type, not an absent claim.
fn step_into(value: Value, step: &str) -> Result<Option<Value>, &'static str> {
    match value {
        Value::Null => Ok(None),
        Value::Object(mut members) => Ok(members.remove(&step.replace("~1", "/").replace("~0", "~"))),
        Value::Array(mut items) => match step.parse::<usize>() {
            Ok(index) if index < items.len() => Ok(Some(items.swap_remove(index))),
            _ => Err("a list"),
        },
        other => Err(type_of(&other)),
    }
}

/// The strings at `pointer`: those of a list, or a single one, which issuers write for a list of one.
pub(super) fn strings_at(
    payload: &Payload,
    claim_names: &[Box<str>],
    pointer: &str,
) -> Result<Vec<String>, VerifyError> {
    match value_at(payload, claim_names, pointer)? {
        None => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(items)) => items
            .into_iter()
            .map(|item| match item {
                Value::String(text) => Ok(text),
                other => Err(mismatch(pointer, "a list of strings only", &format!("{} in it", type_of(&other)))),
            })
            .collect(),
        Some(other) => Err(mismatch(pointer, "a list of strings", type_of(&other))),
    }
}

pub(super) fn wrong_type(detail: impl Into<Cow<'static, str>>) -> VerifyError {
    VerifyError::new(Kind::InvalidClaim, detail)
}

/// The error for a value of another type than the mapping expects.
pub(super) fn mismatch(pointer: &str, expected: &str, found: &str) -> VerifyError {
    wrong_type(format!("{pointer}: expected {expected}, found {found}"))
}

pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
