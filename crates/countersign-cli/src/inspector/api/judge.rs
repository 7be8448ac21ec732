//! The verdict: the very code of `countersign verify`, asked with what the page names.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use countersign::key::{Algorithm, KeySet, VerifyingKey};
use countersign::token::inspect;
use countersign::verify::{Check, Outcome, Report, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};

use super::read::brought;
use super::{Answer, Refusal};
use crate::command::verify::{Asked, Judge, KeyPlace, Question, mend, read_policy};
use crate::exit::Failure;
use crate::inspector::bench::Bench;
use crate::{encoding, input, keyfile, words};

#[derive(Deserialize)]
pub(super) struct Ask {
    token: String,
    #[serde(default)]
    trust: Trust,
}

/// What the page was told to judge by.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Trust {
    issuer: String,
    /// Several, separated by blanks or commas.
    audience: String,
    place: Place,
    /// Keys, a secret, an address or a policy, as the place has it.
    keys: String,
    algorithms: String,
    #[serde(rename = "typ")]
    token_type: String,
    leeway: String,
    now: String,
}

/// Where the keys are.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Place {
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

/// Judges a token.
pub(super) async fn answer(State(bench): State<Arc<Bench>>, Json(ask): Json<Ask>) -> Answer {
    let token = input::unwrapped(&ask.token);
    Ok(Json(judge(bench, token, ask.trust).await?))
}

/// One of four states, why, where the key came from, and every check.
pub(super) async fn judge(bench: Arc<Bench>, token: String, trust: Trust) -> Result<Value, Refusal> {
    // The verifier may wait for keys; it has a thread and a runtime of its own, as in `verify`.
    let judged = tokio::task::spawn_blocking(move || judged(&bench, &token, &trust)).await;
    judged.map_err(|_| Refusal("the judge was lost".to_owned()))
}

fn judged(bench: &Bench, token: &str, trust: &Trust) -> Value {
    let header = inspect(token).header().cloned().unwrap_or_default();
    let mut state = decide(bench, token, trust, &header)
        .unwrap_or_else(|failure| state("unable", "Could not check", failure.to_string(), "none"));
    state["brings"] = json!(brought(&header));
    state
}

fn decide(bench: &Bench, token: &str, trust: &Trust, header: &Value) -> Result<Value, Failure> {
    if token.is_empty() {
        return Ok(unchecked("there is no token", "none"));
    }
    let place = match trust.place {
        Place::None => return Ok(unchecked("no keys are named, so that nothing was checked", "none")),
        Place::Token => return Ok(by_its_own_key(token, header)),
        place => place,
    };
    let asked = trust.asked(place)?;
    let keys = trust.key_place(bench, place, header)?;
    if place != Place::Policy && (asked.issuer.is_none() || asked.audience.is_empty()) {
        let origin = keys.as_ref().map_or_else(|| "none".to_owned(), |keys| keys.origin("the issuer"));
        let (signature, words) = signature_alone(token, keys.as_ref(), &asked)?;
        let mut answer = unchecked(&format!("issuer and audience are needed for a verdict. {words}"), &origin);
        answer["signature"] = json!(signature);
        return Ok(answer);
    }
    let policy = match place {
        Place::Policy => read_policy(&trust.keys)?,
        _ => Default::default(),
    };
    let mut judge = Judge::new(Question::over(policy, &asked, keys)?)?;
    let report = judge.report(token);
    Ok(reported(&report, &judge.origin(&report), header, judge.now()))
}

impl Trust {
    fn asked(&self, place: Place) -> Result<Asked, Failure> {
        let text = |text: &str| Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
        let number = |name: &str, value: &str| {
            let wrong = |_| Failure::question(format!("{name} is no whole number of seconds"));
            text(value).map(|value| value.parse::<u64>().map_err(wrong)).transpose()
        };
        let list = |text: &str| -> Vec<String> {
            text.split([',', ' ', '\n']).map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
        };
        let mut algorithms = list(&self.algorithms);
        if place == Place::Secret && algorithms.is_empty() {
            algorithms = ["HS256", "HS384", "HS512"].map(str::to_owned).to_vec();
        }
        Ok(Asked {
            issuer: text(&self.issuer),
            audience: list(&self.audience),
            alg: algorithms,
            typ: text(&self.token_type),
            leeway: number("leeway", &self.leeway)?,
            now: number("the time to judge at", &self.now)?,
            ..Asked::default()
        })
    }

    fn key_place(&self, bench: &Bench, place: Place, header: &Value) -> Result<Option<KeyPlace>, Failure> {
        let text = self.keys.trim().to_owned();
        if text.is_empty() && !matches!(place, Place::Discovery | Place::Local) {
            return Err(Failure::question("the field for the keys is empty"));
        }
        Ok(match place {
            Place::None | Place::Token | Place::Policy => None,
            Place::Jwks => Some(KeyPlace::Set { text, origin: "the key set pasted on this page".to_owned() }),
            Place::Pem => Some(KeyPlace::Pem { text, origin: "the PEM pasted on this page".to_owned() }),
            Place::Secret => Some(KeyPlace::Set {
                // A secret that was typed has no name: it answers to the token's, as a PEM does in `verify`.
                text: json!({ "kty": "oct", "k": encoding::encode(text.as_bytes()), "kid": header.get("kid") })
                    .to_string(),
                origin: "the secret typed on this page; whoever holds it can forge tokens".to_owned(),
            }),
            Place::Url => Some(KeyPlace::Address(text)),
            Place::Discovery => Some(KeyPlace::Discovery),
            Place::Local => Some(KeyPlace::Set {
                text: bench.jwks().to_string(),
                origin: "the test keys of this inspector; no production service takes them".to_owned(),
            }),
        })
    }
}

fn state(state: &str, title: &str, message: impl Into<String>, origin: &str) -> Value {
    json!({ "state": state, "title": title, "message": message.into(), "origin": origin, "checks": [] })
}

fn unchecked(message: &str, origin: &str) -> Value {
    state("unchecked", "Not checked", message, origin)
}

/// A key that the token brought along: it may fit, and proves nothing.
fn by_its_own_key(token: &str, header: &Value) -> Value {
    const ORIGIN: &str = "the token's own header: proves nothing";
    let Some(jwk) = header.get("jwk") else {
        return unchecked("the token brings no key (jwk) along; addresses in a token are never fetched", ORIGIN);
    };
    let keys = VerifyingKey::from_jwk(&jwk.to_string()).map(|key| KeySet::new([key]));
    let words = match keys.as_ref().map(|keys| inspect(token).signature(Some(keys)).name()) {
        Ok("valid") => "the signature fits the key that the token brought along; anyone can make such a token",
        Ok(_) => "the signature does not even fit the key that the token brought along",
        Err(_) => "the key that the token brought along cannot be used",
    };
    unchecked(words, ORIGIN)
}

/// What can be said of the signature where the rest of the question is missing.
fn signature_alone(token: &str, keys: Option<&KeyPlace>, asked: &Asked) -> Result<(&'static str, String), Failure> {
    let allowed = crate::command::verify::algorithms(&asked.alg)?;
    let keys = match keys {
        Some(KeyPlace::Set { text, .. }) => keyfile::from_jwks(text, &allowed)?.keys,
        Some(KeyPlace::Pem { text, .. }) => keyfile::from_pem(text, &allowed, None)?,
        _ => return Ok(("unchecked", String::new())),
    };
    let name = inspect(token).signature(Some(&KeySet::new(keys))).name();
    let words = match name {
        "valid" => "The signature matches these keys; that alone does not make the token good.",
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
    let mut answer = state(name, title, message, origin);
    answer["code"] = json!(report.verdict.code());
    answer["mend"] = json!(report.verdict.code().and_then(mend));
    answer["checks"] = report.checks.iter().map(|check| row(check, now)).collect();
    if is_brought_along(report, header) {
        answer["warning"] =
            json!("the token carries this very key in its header; trust it only for where you have it from");
    }
    answer
}

/// Whether the key that was used also stands in the token.
fn is_brought_along(report: &Report, header: &Value) -> bool {
    let brought = header.get("jwk").and_then(|jwk| VerifyingKey::from_jwk(&jwk.to_string()).ok());
    let used = report.check("key").and_then(|check| check.found.as_deref());
    brought.zip(used).is_some_and(|(brought, used)| used.contains(brought.thumbprint()))
}

fn row(check: &Check, now: i64) -> Value {
    let (code, message) = match &check.outcome {
        Outcome::Failed { code, message } => (Some(*code), Some(message.as_str())),
        _ => (None, None),
    };
    let found = check.found.as_deref().unwrap_or_default();
    let is_time = matches!(check.name, "expiry" | "not before" | "issued at");
    let in_words = found.parse().ok().filter(|_| is_time).map(|at| words::time(at, now));
    json!({
        "name": check.name,
        "outcome": check.outcome.name(),
        "expected": check.expected,
        "found": check.found,
        "found_in_words": in_words,
        "code": code,
        "message": message,
        "mend": code.and_then(mend),
    })
}

/// The algorithms by name, for lists on the page.
pub(super) fn algorithm(name: &str) -> Result<Algorithm, Failure> {
    Algorithm::from_name(name).ok_or_else(|| Failure::question(format!("{}: no algorithm", crate::output::safe(name))))
}
