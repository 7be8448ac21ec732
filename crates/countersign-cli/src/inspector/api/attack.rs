//! Runs every attack of the test kit against a local service.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use countersign_test::Attack;
use serde::Deserialize;
use serde_json::{Value, json};

use super::mint::{draft, object};
use super::response::Answer;
use super::try_service::send;
use crate::inspector::state::Inspector;
use crate::tools::attacks::outcome;

#[derive(Deserialize)]
pub(super) struct Request {
    url: String,
    method: String,
    claims: String,
}

/// Sends a valid token first: refusals prove nothing unless it is accepted.
pub(super) async fn answer(State(state): State<Arc<Inspector>>, Json(request): Json<Request>) -> Answer {
    let url = state.local(&request.url)?;
    let claims = object("claims", &request.claims)?;
    let name = claims.get("iss").and_then(Value::as_str).unwrap_or(&state.address).to_owned();
    let issuer = state.kit.clone().with_name(name);
    let valid = draft(&issuer, &claims, "")?;
    let bare = send(&state, &url, &request.method, None).await?.status;
    let baseline = send(&state, &url, &request.method, Some(&valid.sign())).await?.status;
    if !(200..300).contains(&baseline) {
        return Ok(Json(json!({
            "baseline": baseline,
            "without_token": bare,
            "message": format!(
                "The valid token was answered with {baseline}, so refusals would prove nothing. Let the service \
                 trust the issuer {} with the keys at {}/.well-known/jwks.json, and correct the claims above.",
                issuer.name(), state.address
            ),
            "rows": [],
        })));
    }
    let mut rows = Vec::new();
    for attack in Attack::ALL {
        let forged = valid.clone().hostile(*attack).sign();
        let (status, outcome) = match send(&state, &url, &request.method, Some(&forged)).await {
            Ok(response) => (Some(response.status), outcome(response.status)),
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
        (200..300, _) => "The service answers without a token: is the route guarded?".to_owned(),
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
