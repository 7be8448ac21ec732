//! One value of the claims, found in their text without decoding the others.

use std::borrow::Cow;

use serde_json::Value;

use super::decimal::{is_number, is_value};
use super::json::{MAX_CLAIMS_DEPTH, NotJson, Reader};

/// The result of looking up a JSON pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found<'j> {
    /// The claim is absent.
    Absent,
    /// A value on the way has no members.
    Blocked,
    /// The JSON of the claim.
    Json(&'j str),
}

/// Finds the value at `pointer` (RFC 6901) in claims that were read before.
pub(crate) fn find<'j>(json: &'j str, pointer: &str) -> Result<Found<'j>, NotJson> {
    let mut current = json;
    for step in pointer.split('/').skip(1) {
        let mut reader = Reader::new(current);
        let mut found = None;
        match reader.peek() {
            Some(b'{') => {
                let step = unescaped(step);
                reader.object::<NotJson>(|reader, name| {
                    let is_step = reader.text(name) == step;
                    let value = reader.skip(MAX_CLAIMS_DEPTH)?;
                    found = found.or(is_step.then_some(value));
                    Ok(())
                })?;
            }
            Some(b'[') => {
                let Ok(index) = step.parse::<usize>() else { return Ok(Found::Blocked) };
                let mut at = 0;
                reader.list(|reader| {
                    let value = reader.skip(MAX_CLAIMS_DEPTH)?;
                    found = found.or((at == index).then_some(value));
                    at += 1;
                    Ok(())
                })?;
            }
            Some(b'n') => return Ok(Found::Absent),
            _ => return Ok(Found::Blocked),
        }
        match found {
            Some(range) => current = range.of(current, ""),
            None => return Ok(Found::Absent),
        }
    }
    Ok(Found::Json(current))
}

/// A step of a pointer as the name that it stands for.
fn unescaped(step: &str) -> Cow<'_, str> {
    if step.contains('~') { Cow::Owned(step.replace("~1", "/").replace("~0", "~")) } else { Cow::Borrowed(step) }
}

impl Found<'_> {
    /// Returns whether the value is `expected`; `None` if it has another JSON type and cannot be compared. Numbers are equal in
    /// every spelling.
    ///
    /// Only lists, objects and strings with escapes are decoded for it.
    pub(crate) fn compare(self, expected: &Value) -> Option<bool> {
        let json = match self {
            Found::Absent => return Some(false),
            Found::Blocked => return None,
            Found::Json(json) => json,
        };
        let decoded = || serde_json::from_str::<Value>(json).ok();
        match (json.as_bytes().first()?, expected) {
            (b'n', expected) => Some(expected.is_null()),
            (_, Value::Null) => Some(false),
            (b't' | b'f', Value::Bool(expected)) => Some((json == "true") == *expected),
            (b'"', Value::String(text)) => Some(match json.contains('\\') {
                false => json.get(1..json.len() - 1) == Some(text),
                true => decoded()? == *expected,
            }),
            (b'-' | b'0'..=b'9', Value::Number(number)) => is_number(json, number),
            (b'[', Value::Array(_)) | (b'{', Value::Object(_)) => is_value(&decoded()?, expected),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CLAIMS: &str = r#" {"a" : {"b/c": [1, {"d":"x\u0079"}], "~":null}, "t":true, "s":"text", "e":"", "n":7.0 }"#;

    #[test]
    fn a_value_is_found_as_serde_json_finds_it() {
        let decoded: Value = serde_json::from_str(CLAIMS).expect("JSON");
        for pointer in [
            "/a",
            "/a/b~1c",
            "/a/b~1c/0",
            "/a/b~1c/1/d",
            "/a/~0",
            "/t",
            "/s",
            "/e",
            "/n",
            "/none",
            "/a/b~1c/2",
            "/a/none",
        ] {
            let found = find(CLAIMS, pointer).expect("readable");
            match decoded.pointer(pointer) {
                None => assert_eq!(found, Found::Absent, "{pointer}"),
                Some(value) => assert_eq!(found.compare(value), Some(true), "{pointer}"),
            }
        }
        assert_eq!(find(CLAIMS, "/s/x"), Ok(Found::Blocked));
        assert_eq!(find(CLAIMS, "/a/b~1c/x"), Ok(Found::Blocked));
        assert_eq!(find(CLAIMS, "/a/~0/x"), Ok(Found::Absent), "nothing is in null");
    }

    #[test]
    fn values_of_another_type_cannot_be_compared() {
        let compare = |pointer: &str, expected: Value| find(CLAIMS, pointer).expect("readable").compare(&expected);
        assert_eq!(compare("/s", json!("text")), Some(true));
        assert_eq!(compare("/s", json!("other")), Some(false));
        assert_eq!(compare("/t", json!(false)), Some(false));
        assert_eq!(compare("/n", json!(7.5)), Some(false));
        assert_eq!(compare("/s", json!(null)), Some(false));
        assert_eq!(compare("/a/~0", json!("x")), Some(false), "null is absence");
        for (pointer, other) in
            [("/s", json!(7)), ("/t", json!("true")), ("/n", json!("7")), ("/a", json!([])), ("/s/x", json!("x"))]
        {
            assert_eq!(compare(pointer, other), None, "{pointer}");
        }
    }
}
