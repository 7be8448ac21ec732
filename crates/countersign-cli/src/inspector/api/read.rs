//! Decodes a token as far as possible, and encodes edited parts again.

use axum::Json;
use countersign::inspect::inspect;
use serde::Deserialize;
use serde_json::{Value, json};

use super::response::Answer;
use crate::claim_text;
use crate::encoding::{decode_leniently, encode};
use crate::input;
use crate::output;
use crate::times;
use crate::token_view::TokenView;
use crate::tools::json_layout;

/// Maximum number of parts shown.
const MAX_PARTS: usize = 6;

#[derive(Deserialize)]
pub(super) struct Read {
    token: String,
}

/// Header, claims, faults and explanations of a token. Verifies nothing.
pub(super) async fn answer(Json(read): Json<Read>) -> Answer {
    let token = input::unwrapped(&read.token);
    let now = times::now();
    let view = TokenView::new(&token, None, now);
    let mut start = 0;
    let parts: Vec<Value> = token
        .split('.')
        .take(MAX_PARTS)
        .map(|part| {
            let at = start;
            start += part.len() + 1;
            json!({ "text": part, "start": at })
        })
        .collect();
    let bytes: Vec<usize> = inspect(&token).faults().iter().map(|fault| fault.byte).collect();
    Ok(Json(json!({
        "token": token,
        "parts": parts,
        "header": text_of(&token, 0),
        "claims": text_of(&token, 1),
        "signature": token.split('.').nth(2).unwrap_or_default(),
        "faults": view.faults,
        "fault_bytes": bytes,
        "warnings": view.warnings,
        "words": claims_in_words(&view.header, &view.payload, now),
        "times": times_of(&view.payload, now),
        "now": now,
        "bytes": token.len(),
        "brings": brought(&view.header),
    })))
}

#[derive(Deserialize)]
pub(super) struct Write {
    header: String,
    claims: String,
    signature: String,
}

/// Encodes an edited header and edited claims, with the previous signature.
pub(super) async fn write(Json(write): Json<Write>) -> Answer {
    let part = |text: &str| encode(json_layout::compact(text).as_deref().unwrap_or(text).as_bytes());
    let problems: Vec<Value> = [("header", &write.header), ("claims", &write.claims)]
        .into_iter()
        .filter_map(|(part, text)| Some(json!({ "part": part, "message": problem(text)? })))
        .collect();
    let token = format!("{}.{}.{}", part(&write.header), part(&write.claims), write.signature);
    Ok(Json(json!({ "token": token, "problems": problems })))
}

/// The first fault of edited JSON, with its line.
fn problem(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some("empty; write a JSON object".to_owned());
    }
    let object = match serde_json::from_str::<Value>(text) {
        Ok(value) => return (!value.is_object()).then(|| "not a JSON object: begin with {".to_owned()),
        Err(error) => error,
    };
    let (line, column) = (object.line(), object.column());
    let what = object.to_string();
    let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what);
    let shown = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim();
    Some(format!("line {line}, column {column}: {what}, in: {}", output::safe(&claim_text::short(&shown.into()))))
}

/// The text of a segment, with one member per line if it is JSON.
fn text_of(token: &str, index: usize) -> String {
    let decoded = decode_leniently(token.split('.').nth(index).unwrap_or_default(), 0);
    let text = String::from_utf8_lossy(&decoded.bytes);
    json_layout::pretty(&text).map_or_else(|| output::safe(&text), |json| output::escaped_json(&json))
}

/// Header members that carry or locate a key.
pub(super) fn brought(header: &Value) -> Vec<&'static str> {
    ["jwk", "jku", "x5u", "x5c"].into_iter().filter(|name| header.get(name).is_some()).collect()
}

fn claims_in_words(header: &Value, payload: &Value, now: i64) -> Vec<Value> {
    let of = |part: &'static str, object: &Value| -> Vec<Value> {
        let members = object.as_object().into_iter().flatten();
        members
            .map(|(name, value)| {
                json!({
                    "part": part,
                    "name": name,
                    "value": claim_text::short(value),
                    "meaning": claim_text::meaning(name),
                    "words": claim_text::in_words(name, value, now),
                })
            })
            .collect()
    };
    [of("header", header), of("claims", payload)].concat()
}

fn times_of(payload: &Value, now: i64) -> Vec<Value> {
    ["iat", "nbf", "exp"]
        .into_iter()
        .filter_map(|name| {
            let at = claim_text::seconds(payload.get(name)?)?;
            Some(json!({ "name": name, "at": at, "words": claim_text::time(at, now) }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::problem;

    #[test]
    fn a_fault_of_edited_json_names_its_line() {
        assert_eq!(problem("{\"a\": 1}"), None);
        let fault = problem("{\n  \"a\": 1\n  \"b\": 2\n}").expect("a fault");
        assert!(fault.starts_with("line 3, column 3: expected `,` or `}`") && fault.contains("\"b\": 2"), "{fault}");
        assert_eq!(problem("[1]").as_deref(), Some("not a JSON object: begin with {"));
        assert!(problem(" ").is_some_and(|fault| fault.starts_with("empty")));
    }
}
