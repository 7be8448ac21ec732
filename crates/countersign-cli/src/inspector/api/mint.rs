//! Signs header and claims again, with a test key of this run or a pasted key.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use countersign::key::Algorithm;
use countersign::mint::Signer;
use countersign::secret::Secret;
use countersign_test::{TestIssuer, TokenDraft};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::response::Answer;
use super::verify::algorithm;
use crate::claim_text;
use crate::exit::Failure;
use crate::inspector::state::Inspector;
use crate::times;
use crate::tools::json_layout;

/// Lifetime of a renewed token without usable times, in seconds.
const LIFE: i64 = 300;

#[derive(Deserialize)]
pub(super) struct Mint {
    header: String,
    claims: String,
    key: KeyChoice,
    algorithm: String,
    /// A PKCS#8 PEM or a shared secret, if the user supplies the key.
    #[serde(default)]
    pasted: String,
    /// Moves `iat` and `exp` to now, with the same lifetime.
    #[serde(default)]
    renew: bool,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum KeyChoice {
    Fresh,
    Kit,
    Pasted,
}

/// Signs the contents of the page. Invalid claims are signed too, since verifiers are tested with them.
pub(super) async fn answer(State(state): State<Arc<Inspector>>, Json(mint): Json<Mint>) -> Answer {
    let claims = if mint.renew { renewed(&mint.claims)? } else { mint.claims.clone() };
    let (token, key_id) = match mint.key {
        KeyChoice::Kit => {
            let issuer = &state.kit;
            (draft(issuer, &object("claims", &claims)?, &mint.header)?.sign(), issuer.key_id())
        }
        KeyChoice::Fresh => signed(&*state.signer(algorithm(&mint.algorithm)?)?, &mint.header, &claims)?,
        KeyChoice::Pasted => signed(&pasted(&mint)?, &mint.header, &claims)?,
    };
    Ok(Json(json!({ "token": token, "kid": key_id, "jwks": state.jwks() })))
}

/// A draft of the test kit with exactly these claims and header members.
pub(super) fn draft(issuer: &TestIssuer, claims: &Map<String, Value>, header: &str) -> Result<TokenDraft, Failure> {
    let fresh = issuer.token();
    let defaults: Vec<String> = fresh.claims().keys().cloned().collect();
    let bare = defaults.iter().fold(fresh, TokenDraft::without_claim);
    let draft = claims.iter().fold(bare, |draft, (name, value)| draft.claim(name, value.clone()));
    let header = if header.trim().is_empty() { Map::new() } else { object("header", header)? };
    let own = header.into_iter().filter(|(name, _)| !matches!(name.as_str(), "alg" | "kid"));
    Ok(own.fold(draft, |draft, (name, value)| draft.header(&name, value)))
}

pub(super) fn object(what: &str, text: &str) -> Result<Map<String, Value>, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::usage(format!("the {what} are not a JSON object: line {}, column {}", error.line(), error.column()))
    })
}

fn signed(signer: &Signer, header: &str, claims: &str) -> Result<(String, String), Failure> {
    let mut members = if header.trim().is_empty() { Map::new() } else { object("header", header)? };
    members.insert("alg".to_owned(), json!(signer.algorithm().name()));
    members.insert("kid".to_owned(), json!(signer.key_id()));
    let payload = json_layout::compact(claims).unwrap_or_else(|| claims.to_owned());
    let token = signer.sign_compact(Value::Object(members).to_string().as_bytes(), payload.as_bytes());
    Ok((token.ok_or_else(|| Failure::usage("signing failed"))?, signer.key_id().to_owned()))
}

fn pasted(mint: &Mint) -> Result<Signer, Failure> {
    let algorithm = algorithm(&mint.algorithm)?;
    let signer = match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
            Signer::from_secret(Secret::new(mint.pasted.trim().as_bytes().to_vec()), algorithm, "pasted")
        }
        _ => Signer::from_pkcs8_pem(&Secret::from(mint.pasted.as_str()), algorithm),
    };
    signer.map_err(|reason| Failure::usage(reason.to_string()))
}

/// The claims with `iat` now and `exp` as long after it as before.
fn renewed(claims: &str) -> Result<String, Failure> {
    let mut claims = object("claims", claims)?;
    let at = |name: &str| claims.get(name).and_then(claim_text::seconds);
    let life = at("exp").zip(at("iat").or_else(|| at("nbf"))).map_or(LIFE, |(end, start)| end.saturating_sub(start));
    let life = if life > 0 { life } else { LIFE };
    let now = times::now();
    if claims.contains_key("nbf") {
        claims.insert("nbf".to_owned(), json!(now));
    }
    claims.insert("iat".to_owned(), json!(now));
    claims.insert("exp".to_owned(), json!(now.saturating_add(life)));
    Ok(Value::Object(claims).to_string())
}
