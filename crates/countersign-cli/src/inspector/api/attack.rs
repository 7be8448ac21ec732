//! The attack list against a local service: every forgery of the test kit, and which got through.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use countersign_test::Attack;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Answer;
use super::attempt::send;
use super::mint::{draft, object};
use crate::inspector::bench::Bench;

#[derive(Deserialize)]
pub(super) struct Ask {
    url: String,
    method: String,
    claims: String,
}

/// Sends the honest token first: only where it gets in do refusals prove anything.
pub(super) async fn answer(State(bench): State<Arc<Bench>>, Json(ask): Json<Ask>) -> Answer {
    let url = bench.local(&ask.url)?;
    let claims = object("claims", &ask.claims)?;
    let name = claims.get("iss").and_then(Value::as_str).unwrap_or(&bench.address).to_owned();
    let issuer = bench.kit.clone().with_name(name);
    let honest = draft(&issuer, &claims, "")?;
    let bare = send(&bench, &url, &ask.method, None).await?.status;
    let baseline = send(&bench, &url, &ask.method, Some(&honest.sign())).await?.status;
    if !(200..300).contains(&baseline) {
        return Ok(Json(json!({
            "baseline": baseline,
            "without_token": bare,
            "message": format!(
                "The honest token was answered with {baseline}, so that refusals would prove nothing. Let the service \
                 trust the issuer {} with the keys at {}/.well-known/jwks.json, and mend the claims above.",
                issuer.name(), bench.address
            ),
            "rows": [],
        })));
    }
    let mut rows = Vec::new();
    for attack in Attack::ALL {
        let forged = honest.clone().hostile(*attack).sign();
        let (status, outcome) = match send(&bench, &url, &ask.method, Some(&forged)).await {
            Ok(said) => (Some(said.status), outcome(said.status)),
            Err(_) => (None, "not answered"),
        };
        rows.push(json!({
            "name": attack.name(),
            "status": status,
            "expected": attack.expected_status(),
            "outcome": outcome,
        }));
    }
    let through = rows.iter().filter(|row| row["outcome"] == "got through").count();
    let message = match (bare, through) {
        (200..300, _) => "The service answers without any token: is the route guarded?".to_owned(),
        (_, 0) => format!("None of {} attacks got through.", rows.len()),
        (_, through) => format!("{through} of {} attacks got through.", rows.len()),
    };
    Ok(Json(json!({
        "baseline": baseline,
        "without_token": bare,
        "message": message,
        "through": through,
        "rows": rows,
    })))
}

/// 403 is no refusal of a forgery: the service believed who is asking.
fn outcome(status: u16) -> &'static str {
    match status {
        400 | 401 | 413 | 414 | 431 => "refused",
        200..400 | 403 => "got through",
        _ => "odd answer",
    }
}
