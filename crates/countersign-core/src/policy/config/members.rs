//! A table of a policy as it is written, before presets are filled in.

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::{Map, Value};

use crate::token::Unique;

/// The members of a table. A name that occurs twice is refused, at every depth.
pub(super) struct Members(pub(super) Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Unique::deserialize(deserializer)?.0 {
            Value::Object(members) => Ok(Members(members)),
            _ => Err(D::Error::custom("expected a table with issuer, audience and rules")),
        }
    }
}
