//! Runs every attack of the test kit against a local service; those on bound tokens if it takes such tokens.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use countersign_test::{Attack, ProofAttack, TestKey};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};

use super::mint::{draft, object};
use super::response::Answer;
use super::try_service::{method_named, send, send_with};
use crate::inspector::state::Inspector;
use crate::tools::attacks::outcome;
use crate::tools::proof_attacks::{self, BoundAnswer, EXPECTED, SendBound};

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
    let service = Service { state: &state, url: &url, method: &request.method };
    let method = method_named(&request.method)?;
    let key = TestKey::new(issuer.clock());
    let skipped = match proof_attacks::attack(&service, &valid, &key, (method.as_str(), url.as_str())).await {
        Ok(statuses) => {
            rows.extend(statuses.into_iter().map(|(attack, status)| {
                let outcome = status.map_or("not answered", outcome);
                json!({ "name": attack.name(), "status": status, "expected": EXPECTED, "outcome": outcome })
            }));
            None
        }
        Err(reason) => Some(format!("{} attacks on bound tokens were skipped: {reason}.", ProofAttack::ALL.len())),
    };
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
        "skipped": skipped,
        "rows": rows,
    })))
}

/// The local service.
struct Service<'a> {
    state: &'a Inspector,
    url: &'a Url,
    method: &'a str,
}

impl SendBound for Service<'_> {
    async fn send_bound(&self, authorization: &str, proofs: &[String]) -> Result<BoundAnswer, String> {
        let value = |text: &str| HeaderValue::from_str(text).map_err(|_| "the token fits no header".to_owned());
        let mut headers = HeaderMap::from_iter([(header::AUTHORIZATION, value(authorization)?)]);
        for proof in proofs {
            headers.append("dpop", value(proof)?);
        }
        let response = send_with(self.state, self.url, self.method, headers).await.map_err(|why| why.to_string())?;
        Ok(BoundAnswer { status: response.status, challenge: String::new(), nonce: response.nonce })
    }
}
