//! Comparison of two tokens, claim by claim.

use std::collections::BTreeSet;

use axum::Json;
use serde::Deserialize;
use serde_json::{Value, json};

use super::response::Answer;
use crate::token_view::TokenView;
use crate::{claim_text, input, times};

#[derive(Deserialize)]
pub(super) struct Pair {
    left: String,
    right: String,
}

/// Lists every header member and claim of both tokens, and whether they are equal.
pub(super) async fn answer(Json(pair): Json<Pair>) -> Answer {
    let now = times::now();
    let [left, right] = [&pair.left, &pair.right].map(|token| TokenView::new(&input::unwrapped(token), None, now));
    let rows = [rows("header", &left.header, &right.header, now), rows("claims", &left.payload, &right.payload, now)];
    let rows = rows.concat();
    let differing = rows.iter().filter(|row| row["state"] != "same").count();
    Ok(Json(json!({ "rows": rows, "differing": differing, "faults": [left.faults, right.faults] })))
}

fn rows(part: &str, left: &Value, right: &Value, now: i64) -> Vec<Value> {
    let names = |value: &Value| -> BTreeSet<String> {
        value.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    names(left)
        .union(&names(right))
        .map(|name| {
            let (of_left, of_right) = (left.get(name), right.get(name));
            let state = match (of_left, of_right) {
                (Some(one), Some(other)) if one == other => "same",
                (Some(_), Some(_)) => "differs",
                (Some(_), None) => "left only",
                _ => "right only",
            };
            let shown = |value: Option<&Value>| {
                value.map(|value| match claim_text::in_words(name, value, now) {
                    Some(words) => format!("{} ({words})", claim_text::short(value)),
                    None => claim_text::short(value),
                })
            };
            json!({ "part": part, "name": name, "left": shown(of_left), "right": shown(of_right), "state": state })
        })
        .collect()
}
