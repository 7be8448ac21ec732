//! The names of services in a token, wherever it can name one.

use serde::Deserialize;
use serde_json::Value;

use crate::token::Payload;

/// The members by which tokens name who calls.
pub(super) const NAMING_MEMBERS: [&str; 7] = ["sub", "client_id", "azp", "cid", "appid", "act", "may_act"];

/// Their values; all other members are skipped.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    sub: Value,
    client_id: Value,
    azp: Value,
    cid: Value,
    appid: Value,
    act: Value,
    may_act: Value,
}

/// The first member that holds a name for which `is_refused` is true, at any depth.
pub(super) fn refused_member(payload: &Payload, is_refused: &dyn Fn(&str) -> bool) -> Option<&'static str> {
    let Ok(named) = serde_json::from_str::<Named>(&payload.json) else { return Some("a claim") };
    let Named { sub, client_id, azp, cid, appid, act, may_act } = &named;
    let members = NAMING_MEMBERS.into_iter().zip([sub, client_id, azp, cid, appid, act, may_act]);
    members.into_iter().find(|(_, value)| holds(value, is_refused)).map(|(member, _)| member)
}

/// Returns whether a string in `value` is refused. Claims are at most 32 levels deep.
fn holds(value: &Value, is_refused: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is_refused(text),
        Value::Array(items) => items.iter().any(|item| holds(item, is_refused)),
        Value::Object(members) => members.values().any(|member| holds(member, is_refused)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
