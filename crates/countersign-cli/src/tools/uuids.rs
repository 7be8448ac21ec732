//! Generates and parses UUIDs of versions 4 and 7 (RFC 9562).

use serde_json::{Value, json};
use uuid::Uuid;

use crate::exit::Failure;
use crate::times;

/// A random UUID (version 4).
pub(crate) fn v4() -> String {
    Uuid::new_v4().to_string()
}

/// A UUID that begins with the time in milliseconds, so that it sorts (version 7).
pub(crate) fn v7() -> String {
    Uuid::now_v7().to_string()
}

/// The fields of a UUID.
pub(crate) fn parse(text: &str) -> Result<Value, Failure> {
    let uuid = Uuid::try_parse(text.trim()).map_err(|_| Failure::usage("not a UUID: 32 hex digits, 8-4-4-4-12"))?;
    let made = uuid.get_timestamp().map(|at| i64::try_from(at.to_unix().0).unwrap_or(i64::MAX));
    Ok(json!({
        "uuid": uuid.to_string(),
        "version": uuid.get_version_num(),
        "variant": format!("{:?}", uuid.get_variant()),
        "made_at": made,
        "made_at_utc": made.map(times::utc),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 9562, appendix A.
    #[test]
    fn published_examples_are_read() {
        let seven = parse("017F22E2-79B0-7CC3-98C4-DC0C0C07398F").expect("a UUID");
        assert_eq!((&seven["version"], &seven["made_at"]), (&json!(7), &json!(1_645_557_742)));
        let four = parse("919108f7-52d1-4320-9bac-f847db4148a8").expect("a UUID");
        assert_eq!((&four["version"], &four["made_at"]), (&json!(4), &Value::Null));
        assert!(parse("919108f7").is_err());
        assert_eq!(parse(&v7()).expect("a UUID")["version"], 7);
        assert_eq!(parse(&v4()).expect("a UUID")["version"], 4);
    }
}
