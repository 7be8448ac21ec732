//! Values at the JSON pointers of a mapping (RFC 6901).

use std::borrow::Cow;

use serde_json::Value;

use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::redact::safe_text;
use crate::token::Payload;

/// A path as a JSON pointer: a bare name is that of a top-level claim.
pub(super) fn normalized(path: String) -> String {
    match path.is_empty() || path.starts_with('/') {
        true => path,
        false => format!("/{}", path.replace('~', "~0").replace('/', "~1")),
    }
}

/// Splits a JSON pointer into its first name, unescaped, and the rest.
pub(crate) fn head_and_tail(pointer: &str) -> Option<(Cow<'_, str>, &str)> {
    let rest = pointer.strip_prefix('/')?;
    let (head, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let has_good_escapes = || pointer.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    let is_good = !head.is_empty() && (!pointer.contains('~') || has_good_escapes());
    is_good.then(|| (unescaped(head), tail))
}

/// The fault of a pointer.
pub(super) fn fault(pointer: &str) -> Option<String> {
    if let Some(name) =
        pointer.strip_prefix('/').filter(|name| name.starts_with("http:/") || name.starts_with("https:/"))
    {
        let name = safe_text(name);
        return Some(format!("a claim named like an address is written without the slash before it: {name}"));
    }
    match head_and_tail(pointer) {
        None => Some("a path is not a JSON pointer; write it like /realm_access/roles, or name a claim".to_owned()),
        Some(_) => None,
    }
}

fn unescaped(step: &str) -> Cow<'_, str> {
    if step.contains('~') { Cow::Owned(step.replace("~1", "/").replace("~0", "~")) } else { Cow::Borrowed(step) }
}

/// The value at `pointer`; `None` if it is absent or `null`. `claim_names` are the members that `payload` captured.
pub(super) fn value_at(
    payload: &Payload,
    claim_names: &[Box<str>],
    pointer: &str,
) -> Result<Option<Value>, VerifyError> {
    let Some((head, tail)) = head_and_tail(pointer) else { return Ok(None) };
    let Some(json) = payload.captured(claim_names, &head) else { return Ok(None) };
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
        Value::Object(mut members) => Ok(members.remove(&*unescaped(step))),
        Value::Array(mut items) => match step.parse::<usize>() {
            Ok(index) if index < items.len() => Ok(Some(items.swap_remove(index))),
            _ => Err("a list"),
        },
        other => Err(type_of(&other)),
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
