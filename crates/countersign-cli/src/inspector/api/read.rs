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
    Ok(Json(json!({ "token": format!("{}.{}.{}", part(&write.header), part(&write.claims), write.signature) })))
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
