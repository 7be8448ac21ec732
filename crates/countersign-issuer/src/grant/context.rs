//! The context of a transaction: JSON objects of the request, read within bounds.

use countersign_core::integration::has_unique_names;
use serde_json::{Map, Value};

use super::GrantError;
use crate::oauth::Form;

/// The largest object, in bytes of JSON: both together leave room in a header of 8 KiB.
const MAX_CONTEXT_BYTES: usize = 2048;

/// The deepest nesting.
const MAX_CONTEXT_DEPTH: usize = 8;

const TOO_LARGE: GrantError =
    GrantError::InvalidRequest("request_context or request_details is longer than 2048 bytes, or nested deeper than 8");

/// The object of a parameter; empty if the parameter is absent.
///
/// No part of it may contain the subject token: whoever reads the transaction token could use that one (draft §11.4).
pub(super) fn context(form: &Form, name: &str, subject_token: &str) -> Result<Map<String, Value>, GrantError> {
    let Some(json) = form.one(name) else { return Ok(Map::new()) };
    if json.len() > MAX_CONTEXT_BYTES {
        return Err(TOO_LARGE);
    }
    let object = serde_json::from_str(json).ok().filter(|_| has_unique_names(json));
    let Some(Value::Object(object)) = object else {
        return Err(GrantError::InvalidRequest(
            "request_context or request_details is not a JSON object whose names are unique",
        ));
    };
    if object.values().any(has_inexact) {
        return Err(GrantError::InvalidRequest(
            "request_context or request_details has a number that would be rounded; write it as a string",
        ));
    }
    let is_deep = object.values().any(|value| !is_within(value, MAX_CONTEXT_DEPTH - 1));
    if is_deep {
        return Err(TOO_LARGE);
    }
    let is_token = |text: &str| text.contains(subject_token);
    match object.iter().any(|(name, value)| is_token(name) || has_text(value, &is_token)) {
        true => Err(GrantError::InvalidRequest("request_context or request_details contains the subject token")),
        false => Ok(object),
    }
}

/// The members of a replaced token and those that are added. None is changed or removed.
pub(super) fn added(before: Option<&Value>, new: Map<String, Value>) -> Result<Map<String, Value>, GrantError> {
    let mut merged = before.and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, value) in new {
        if merged.get(&name).is_some_and(|known| *known != value) {
            return Err(GrantError::InvalidRequest("a replacement changes a member of the transaction's context"));
        }
        merged.insert(name, value);
    }
    let length = serde_json::to_string(&merged).map_or(usize::MAX, |json| json.len());
    if length > MAX_CONTEXT_BYTES { Err(TOO_LARGE) } else { Ok(merged) }
}

/// Returns whether `value` is nested at most `depth` levels deep.
fn is_within(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(items) => depth > 0 && items.iter().all(|item| is_within(item, depth - 1)),
        Value::Object(members) => depth > 0 && members.values().all(|member| is_within(member, depth - 1)),
        _ => true,
    }
}

/// Returns whether a number in `value` is one that readers round: it has a fraction or an exponent, and is beyond 2^53.
fn has_inexact(value: &Value) -> bool {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) => number.is_f64() && number.as_f64().is_none_or(|number| number.abs() >= EXACT),
        Value::Array(items) => items.iter().any(has_inexact),
        Value::Object(members) => members.values().any(has_inexact),
        _ => false,
    }
}

/// Returns whether a text in `value` is one that `is_wanted` accepts.
fn has_text(value: &Value, is_wanted: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is_wanted(text),
        Value::Array(items) => items.iter().any(|item| has_text(item, is_wanted)),
        Value::Object(members) => members.iter().any(|(name, member)| is_wanted(name) || has_text(member, is_wanted)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
