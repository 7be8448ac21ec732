//! The names of services in a token, wherever it can name one.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::token::Payload;

/// The members by which tokens name who calls (`sub_id`: RFC 9493).
pub(super) const NAMING_MEMBERS: [&str; 18] = [
    "sub",
    "sub_id",
    "act",
    "may_act",
    "client_id",
    "azp",
    "cid",
    "appid",
    "clientId",
    "preferred_username",
    "username",
    "user_name",
    "cognito:username",
    "unique_name",
    "upn",
    "oid",
    "uid",
    "user_id",
];

/// The first member that holds a name for which `is_refused` is true, at any depth.
pub(super) fn refused_member(payload: &Payload, is_refused: &dyn Fn(&str) -> bool) -> Option<&'static str> {
    let mut json = serde_json::Deserializer::from_str(&payload.json);
    Refused(is_refused).deserialize(&mut json).unwrap_or(Some("a claim"))
}

/// Reads the values of the members; all others are skipped.
struct Refused<'r>(&'r dyn Fn(&str) -> bool);

impl<'de> DeserializeSeed<'de> for Refused<'_> {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Refused<'_> {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut first = None;
        while let Some(name) = members.next_key::<String>()? {
            match NAMING_MEMBERS.into_iter().find(|member| *member == name) {
                Some(member) => {
                    let value: Value = members.next_value()?;
                    first = first.or_else(|| holds(&value, self.0).then_some(member));
                }
                None => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(first)
    }
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
