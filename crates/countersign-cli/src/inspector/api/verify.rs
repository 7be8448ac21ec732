//! The verdict, by the same code as `countersign verify`, with the settings of the page.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use countersign::authz::Grants;
use countersign::claims::TenantId;
use countersign::inspect::inspect;
use countersign::key::{Algorithm, KeySet, VerifyingKey};
use countersign::verify::{Check, Outcome, Report, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};

use super::read::brought;
use super::response::{Answer, Refusal};
use crate::exit::Failure;
use crate::inspector::state::Inspector;
use crate::verification::{
    KeyLocation, Session, Settings, VerifyOptions, algorithms, authority_lists, found_in_words, read_policy, remedy,
};
use crate::{encoding, input, keyfile};

#[derive(Deserialize)]
pub(super) struct Request {
    token: String,
    #[serde(default)]
    trust: Trust,
}

/// The verification settings of the page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Trust {
    issuer: String,
    /// One or more, separated by spaces or commas.
    audience: String,
    key_choice: KeyChoice,
    /// Keys, a secret, a URL or a policy, depending on `key_choice`.
    keys: String,
    algorithms: String,
    #[serde(rename = "typ")]
    token_type: String,
    leeway: String,
    now: String,
}

/// The location of the keys.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum KeyChoice {
    #[default]
    None,
    Jwks,
    Pem,
    Secret,
    Url,
    Discovery,
    Policy,
    /// The test keys of this run.
    Local,
    /// The token's own header.
    Token,
}

/// Verifies a token.
pub(super) async fn answer(State(state): State<Arc<Inspector>>, Json(request): Json<Request>) -> Answer {
    let token = input::unwrapped(&request.token);
    Ok(Json(verify(state, token, request.trust).await?))
}

/// Returns one of four states, the reason, the origin of the key, and every check.
pub(super) async fn verify(state: Arc<Inspector>, token: String, trust: Trust) -> Result<Value, Refusal> {
    // The verifier may wait for keys; it runs on its own thread and runtime, as in `verify`.
    let verified = tokio::task::spawn_blocking(move || verify_now(&state, &token, &trust)).await;
    verified.map_err(|_| Refusal("the verification task ended unexpectedly".to_owned()))
}

fn verify_now(state: &Inspector, token: &str, trust: &Trust) -> Value {
    let header = inspect(token).header().cloned().unwrap_or_default();
    let mut answer = decide(state, token, trust, &header)
        .unwrap_or_else(|failure| verdict("unable", "Could not check", failure.to_string(), "none"));
    answer["brings"] = json!(brought(&header));
    answer
}

fn decide(state: &Inspector, token: &str, trust: &Trust, header: &Value) -> Result<Value, Failure> {
    if token.is_empty() {
        return Ok(unchecked("no token given", "none"));
    }
    let choice = match trust.key_choice {
        KeyChoice::None => return Ok(unchecked("no keys are configured, so nothing was checked", "none")),
        KeyChoice::Token => return Ok(by_its_own_key(token, header)),
        choice => choice,
    };
    let options = trust.to_options(choice)?;
    let keys = trust.key_location(state, choice, header)?;
    if choice != KeyChoice::Policy && (options.issuer.is_none() || options.audience.is_empty()) {
        let origin = keys.as_ref().map_or_else(|| "none".to_owned(), |keys| keys.origin("the issuer"));
        let (signature, words) = signature_only(token, keys.as_ref(), &options)?;
        let mut answer = unchecked(&format!("issuer and audience are required for a verdict. {words}"), &origin);
        answer["signature"] = json!(signature);
        return Ok(answer);
    }
    let policy = match choice {
        KeyChoice::Policy => read_policy(&trust.keys, None)?,
        _ => Default::default(),
    };
    let settings = Settings::with_policy(policy, &options, keys)?;
    // With the keys of the last check, if its settings were the same.
    let mut session = match state.take_session(&settings) {
        Some(session) => session,
        None => Session::new(settings.clone())?,
    };
    let report = session.report(token);
    let mut answer = reported(&report, &session.origin(&report), header, session.now());
    if let Some(verified) = session.verified(token).filter(|_| report.is_accepted()) {
        answer["authorities"] = authorities(verified.grants());
    }
    state.keep_session(settings, session);
    Ok(answer)
}

/// Scopes, roles and the other authorities as the policy reads them from the token.
fn authorities(grants: &Grants) -> Value {
    let mut found: Vec<Value> = authority_lists(grants)
        .into_iter()
        .filter(|list| !list.names.is_empty() || matches!(list.title, "scopes" | "roles"))
        .map(|list| json!({ "name": list.title, "values": list.names }))
        .collect();
    let tenant: Vec<&str> = grants.tenant.iter().map(TenantId::as_str).collect();
    found.push(json!({ "name": "tenant", "values": tenant }));
    Value::from(found)
}

impl Trust {
    fn to_options(&self, choice: KeyChoice) -> Result<VerifyOptions, Failure> {
        let text = |text: &str| Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
        let number = |name: &str, value: &str| {
            let wrong = |_| Failure::usage(format!("{name} is not a whole number of seconds"));
            text(value).map(|value| value.parse::<u64>().map_err(wrong)).transpose()
        };
        let list = |text: &str| -> Vec<String> {
            text.split([',', ' ', '\n']).map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
        };
        let mut algorithms = list(&self.algorithms);
        if choice == KeyChoice::Secret && algorithms.is_empty() {
            algorithms = ["HS256", "HS384", "HS512"].map(str::to_owned).to_vec();
        }
        Ok(VerifyOptions {
            issuer: text(&self.issuer),
            audience: list(&self.audience),
            alg: algorithms,
            typ: text(&self.token_type),
            leeway: number("leeway", &self.leeway)?,
            now: number("the verification time", &self.now)?,
            ..VerifyOptions::default()
        })
    }

    fn key_location(
        &self,
        state: &Inspector,
        choice: KeyChoice,
        header: &Value,
    ) -> Result<Option<KeyLocation>, Failure> {
        let text = self.keys.trim().to_owned();
        if text.is_empty() && !matches!(choice, KeyChoice::Discovery | KeyChoice::Local) {
            return Err(Failure::usage("the key field is empty"));
        }
        Ok(match choice {
            KeyChoice::None | KeyChoice::Token | KeyChoice::Policy => None,
            KeyChoice::Jwks => Some(KeyLocation::Set { text, origin: "the key set pasted on this page".to_owned() }),
            KeyChoice::Pem => Some(KeyLocation::Pem { text, origin: "the PEM pasted on this page".to_owned() }),
            KeyChoice::Secret => Some(KeyLocation::Set {
                // A typed secret has no key ID: it takes the token's, as a PEM does in `verify`.
                text: json!({ "kty": "oct", "k": encoding::encode(text.as_bytes()), "kid": header.get("kid") })
                    .to_string(),
                origin: "the secret typed on this page; everyone who knows it can forge tokens".to_owned(),
            }),
            KeyChoice::Url => Some(KeyLocation::Address(text)),
            KeyChoice::Discovery => Some(KeyLocation::Discovery),
            KeyChoice::Local => Some(KeyLocation::Set {
                text: state.jwks().to_string(),
                origin: "the test keys of this inspector; no production service accepts them".to_owned(),
            }),
        })
    }
}

fn verdict(state: &str, title: &str, message: impl Into<String>, origin: &str) -> Value {
    json!({ "state": state, "title": title, "message": message.into(), "origin": origin, "checks": [] })
}

fn unchecked(message: &str, origin: &str) -> Value {
    verdict("unchecked", "Not checked", message, origin)
}

/// Checks against a key embedded in the token, which proves nothing.
fn by_its_own_key(token: &str, header: &Value) -> Value {
    const ORIGIN: &str = "the token's own header: proves nothing";
    let Some(jwk) = header.get("jwk") else {
        return unchecked("the token has no embedded key (jwk); URLs in a token are never fetched", ORIGIN);
    };
    let keys = VerifyingKey::from_jwk(&jwk.to_string()).map(|key| KeySet::new([key]));
    let words = match keys.as_ref().map(|keys| inspect(token).signature(Some(keys)).name()) {
        Ok("valid") => "the signature matches the key embedded in the token; anyone can make such a token",
        Ok(_) => "the signature does not match the key embedded in the token",
        Err(_) => "the key embedded in the token cannot be used",
    };
    unchecked(words, ORIGIN)
}

/// Checks only the signature if issuer or audience are missing.
fn signature_only(
    token: &str,
    keys: Option<&KeyLocation>,
    options: &VerifyOptions,
) -> Result<(&'static str, String), Failure> {
    let allowed = algorithms(&options.alg)?;
    let keys = match keys {
        Some(KeyLocation::Set { text, .. }) => keyfile::from_jwks(text, &allowed)?.keys,
        Some(KeyLocation::Pem { text, .. }) => keyfile::from_pem(text, &allowed, None)?,
        _ => return Ok(("unchecked", String::new())),
    };
    let name = inspect(token).signature(Some(&KeySet::new(keys))).name();
    let words = match name {
        "valid" => "The signature matches these keys; this is not sufficient to accept the token.",
        _ => "The signature does not match these keys.",
    };
    Ok((name, words.to_owned()))
}

fn reported(report: &Report, origin: &str, header: &Value, now: i64) -> Value {
    let (name, title, message) = match &report.verdict {
        Verdict::Accepted => ("verified", "Verified", "every check passed".to_owned()),
        Verdict::Rejected { message, .. } => ("refused", "Refused", message.clone()),
        Verdict::Undecided { message, .. } => ("unable", "Could not check", message.clone()),
        other => ("unable", "Could not check", other.name().to_owned()),
    };
    let mut answer = verdict(name, title, message, origin);
    answer["code"] = json!(report.verdict.code());
    answer["remedy"] = json!(report.verdict.code().and_then(remedy));
    answer["checks"] = report.checks.iter().map(|check| row(check, now)).collect();
    if is_brought_along(report, header) {
        answer["warning"] = json!(
            "the token's header contains this same key; trust the key only because of the source you got it from"
        );
    }
    answer
}

/// Returns whether the key that was used is also embedded in the token.
fn is_brought_along(report: &Report, header: &Value) -> bool {
    let brought = header.get("jwk").and_then(|jwk| VerifyingKey::from_jwk(&jwk.to_string()).ok());
    let used = report.check("key").and_then(|check| check.found.as_deref());
    brought.zip(used).is_some_and(|(brought, used)| used.contains(brought.thumbprint()))
}

pub(super) fn row(check: &Check, now: i64) -> Value {
    let (code, message) = match &check.outcome {
        Outcome::Failed { code, message } => (Some(*code), Some(message.as_str())),
        _ => (None, None),
    };
    json!({
        "name": check.name,
        "outcome": check.outcome.name(),
        "expected": check.expected,
        "found": check.found,
        "found_in_words": found_in_words(check, now),
        "code": code,
        "message": message,
        "remedy": code.and_then(remedy),
    })
}

/// The algorithms by name, for lists on the page.
pub(super) fn algorithm(name: &str) -> Result<Algorithm, Failure> {
    Algorithm::from_name(name)
        .ok_or_else(|| Failure::usage(format!("{}: not a known algorithm", crate::output::safe(name))))
}
