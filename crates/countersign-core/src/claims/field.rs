//! The field of the claims that does not have the requested type, without any content of the claims.

use serde::de::DeserializeOwned;

use crate::redact::safe_text;

/// The field that does not decode into `C`, and the reason: `tenant: expected u32, found a string`.
///
/// Decodes a second time, which finds the path.
pub(super) fn faulty_field<C: DeserializeOwned>(json: &str) -> Option<String> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let error = serde_path_to_error::deserialize::<_, C>(&mut deserializer).err()?;
    let path = error.path().to_string();
    describe(if path == "." { "" } else { &path }, error.inner())
}

/// The field at `path`, and the reason; the path is empty for the claims themselves, and for a field of a type that is
/// flattened or untagged.
pub(super) fn describe(path: &str, error: &serde_json::Error) -> Option<String> {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(&*text, |(text, _)| text);
    let path = safe_text(path);
    // The type's own text comes last; the text before it quotes the claims.
    let expected = || text.rsplit_once(", expected ").map(|(_, expected)| safe_text(expected));
    if let Some(name) = text.strip_prefix("missing field `").and_then(|name| name.strip_suffix('`')) {
        let dot = if path.is_empty() { "" } else { "." };
        return Some(format!("{path}{dot}{}: missing", safe_text(name)));
    }
    let reason = if let Some(found) = text.strip_prefix("invalid type: ") {
        format!("expected {}, found {}", expected()?, kind_of(found)?)
    } else if let Some(found) = text.strip_prefix("invalid value: ") {
        format!("expected {}, found {} that does not fit", expected()?, kind_of(found)?)
    } else if text.starts_with("invalid length ") {
        format!("expected {}, found another length", expected()?)
    } else if text.starts_with("unknown variant `") {
        format!("expected {}, found another word", expected()?)
    } else if text.starts_with("unknown field `") {
        "it has a field that the type does not know".to_owned()
    } else if text.starts_with("duplicate field `") {
        "one of its fields is there twice".to_owned()
    } else {
        "it does not have the form that the type requires".to_owned()
    };
    let colon = if path.is_empty() { "" } else { ": " };
    Some(format!("{path}{colon}{reason}"))
}

/// The kind of the value that serde found, from a closed set.
fn kind_of(found: &str) -> Option<&'static str> {
    const KINDS: [(&str, &str); 8] = [
        ("string", "a string"),
        ("character", "a string"),
        ("integer", "a whole number"),
        ("floating point", "a fraction"),
        ("boolean", "a boolean"),
        ("null", "null"),
        ("map", "an object"),
        ("sequence", "a list"),
    ];
    KINDS.into_iter().find(|(serde, _)| found.starts_with(serde)).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use crate::claims::{ClaimsErrorKind, FromClaims};

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only decoded")]
    struct Mine {
        tenant: u32,
        #[serde(default)]
        access: BTreeMap<String, Access>,
        #[serde(default)]
        plan: Option<Plan>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only decoded")]
    struct Access {
        roles: Vec<String>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Plan {
        Gold,
        Silver,
    }

    fn text(json: &str) -> String {
        let error = Mine::from_claims(json).expect_err(json);
        assert_eq!(error.kind(), ClaimsErrorKind::Form);
        let text = error.to_string();
        text.strip_prefix("the claims do not decode into the requested type: ").expect("the beginning").to_owned()
    }

    #[test]
    fn the_field_and_the_types_are_named_and_no_value() {
        for (json, expected) in [
            (r#"{"tenant":"secret"}"#, "tenant: expected u32, found a string"),
            (r#"{"tenant":"secret, expected secret at line 1"}"#, "tenant: expected u32, found a string"),
            (r#"{"tenant":7.5}"#, "tenant: expected u32, found a fraction"),
            (r#"{"tenant":-77}"#, "tenant: expected u32, found a whole number that does not fit"),
            (r#"{"tenant":null}"#, "tenant: expected u32, found null"),
            (r#"{"tenant":[1]}"#, "tenant: expected u32, found a list"),
            (r#"{"tenant":{"a":1}}"#, "tenant: expected u32, found an object"),
            (r#"{"sub":"secret"}"#, "tenant: missing"),
            (
                r#"{"tenant":1,"access":{"orders":{"roles":["a",true]}}}"#,
                "access.orders.roles[1]: expected a string, found a boolean",
            ),
            (r#"{"tenant":1,"access":{"orders":{}}}"#, "access.orders.roles: missing"),
            (r#"{"tenant":1,"plan":"secret"}"#, "plan: expected `gold` or `silver`, found another word"),
        ] {
            assert_eq!(text(json), expected, "{json}");
        }
        let unknown = text(r#"{"tenant":1,"access":{"orders":{"roles":[],"secret":1}}}"#);
        assert!(unknown.ends_with("it has a field that the type does not know"), "{unknown}");
        let hostile = text(&format!(r#"{{"tenant":1,"access":{{"a\n\u001b{}":1}}}}"#, "k".repeat(200)));
        assert!(hostile.len() < 200 && hostile.chars().all(|c| matches!(c, ' '..='~' | '…')), "{hostile}");
        assert!(text("{").starts_with("not valid JSON at line 1"));
    }
}
