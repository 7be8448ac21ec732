//! Control of a running service: on loopback, with a secret in a file that only its owner can read.
//!
//! The secret is never sent. Service and command prove to each other that they have it, because after the end of a service
//! anybody on the machine can listen on its port.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use countersign_core::clock::UnixTime;
use countersign_core::revocation::RevocationNotice;
use countersign_issuer::{Issuer, IssuerConfig, KeyState};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::exit::Failure;
use crate::server::{Limits, serve};
use crate::tools::{keyring, secret};

/// The largest request body, in bytes.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// The time that a nonce can be used for a request.
const NONCE_LIFETIME: Duration = Duration::from_secs(60);

/// The contents of the control file: the control endpoint and its secret.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct ControlFile {
    pub(super) url: String,
    pub(super) secret: String,
}

/// The path of the control file of the service that `file` configures: beside its store, otherwise beside `file`.
///
/// A service with a database has none: all instances follow the database.
pub(in crate::command) fn path(config: &IssuerConfig, file: &Path) -> Option<PathBuf> {
    match &config.store {
        None => Some(file.with_extension("control")),
        Some(store) => {
            let folder = file.parent().unwrap_or(Path::new(""));
            Some(folder.join(store.file.as_ref()?).with_extension("control"))
        }
    }
}

/// A request to the control endpoint.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ControlRequest {
    /// Publish a new key; it signs once verifiers have it.
    Rotate,
    /// Sign with a new key from now on.
    RotateNow,
    /// Remove the key with this ID.
    Revoke(String),
    /// Only list the keys.
    Keys,
    /// Revoke the tokens that this notice means.
    RevokeTokens(Revoked),
}

/// The tokens to revoke.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Revoked {
    /// The notice in its JSON form.
    pub(super) notice: String,
    /// The index of the only token, counted through all status lists.
    #[serde(default)]
    pub(super) index: Option<u64>,
    /// The place that the only token names: `uri` and `idx`.
    #[serde(default)]
    pub(super) place: Option<(String, u64)>,
}

/// The first message: the command asks for a nonce, and for a proof that the service has the secret.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Hello {
    pub(super) nonce: String,
}

/// The answer to [`Hello`].
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Welcome {
    pub(super) nonce: String,
    pub(super) proof: String,
}

/// A request, with the proof that its sender has the secret.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Order {
    pub(super) nonce: String,
    /// A [`ControlRequest`].
    pub(super) request: String,
    pub(super) proof: String,
}

/// The answer to [`Order`], with the proof that the service wrote it.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Answer {
    pub(super) answer: String,
    pub(super) proof: String,
}

/// Proves knowledge of `secret` for one message: `parts` are its kind, the nonces and the text.
pub(super) fn proof(secret: &str, parts: [&str; 3]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let text = serde_json::to_vec(&parts).unwrap_or_default(); // an unambiguous form
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(hmac::sign(&key, &text))
}

/// The state of the control endpoint.
struct Endpoint {
    issuer: Issuer,
    secret: String,
    nonces: Nonces,
}

impl Endpoint {
    fn welcome(&self, hello: &Hello) -> Welcome {
        let nonce = self.nonces.issue(&self.secret);
        Welcome { proof: proof(&self.secret, ["welcome", &hello.nonce, &nonce]), nonce }
    }

    /// The request, if its sender has the secret and its nonce was not used before.
    fn request(&self, order: &Order) -> Option<ControlRequest> {
        let expected = proof(&self.secret, ["request", &order.nonce, &order.request]);
        if !secret::is_same(&order.proof, &expected) || !self.nonces.take(&self.secret, &order.nonce) {
            return None;
        }
        serde_json::from_str(&order.request).ok()
    }
}

/// Nonces that are good for one request. Anybody on the machine can ask for one, so the service remembers only those that a
/// proven request has used.
struct Nonces {
    began: Instant,
    /// Used ones, with the end of their lifetime.
    used: Mutex<HashMap<String, Duration>>,
}

impl Nonces {
    fn new() -> Self {
        Nonces { began: Instant::now(), used: Mutex::default() }
    }

    /// A nonce with the millisecond of its issue, which its proof protects.
    fn issue(&self, secret: &str) -> String {
        let (issued_at, random) = (self.began.elapsed().as_millis().to_string(), secret::random());
        let proof = proof(secret, ["nonce", &issued_at, &random]);
        format!("{issued_at}.{random}.{proof}")
    }

    /// Uses up a nonce of this service. Only for requests whose sender has the secret.
    fn take(&self, secret: &str, nonce: &str) -> bool {
        self.take_at(secret, nonce, self.began.elapsed())
    }

    fn take_at(&self, secret: &str, nonce: &str, now: Duration) -> bool {
        let mut parts = nonce.split('.');
        let (Some(issued_at), Some(random), Some(own), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return false;
        };
        if !secret::is_same(own, &proof(secret, ["nonce", issued_at, random])) {
            return false;
        }
        let Ok(issued_at) = issued_at.parse().map(Duration::from_millis) else { return false };
        let ends_at = issued_at.saturating_add(NONCE_LIFETIME);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, ends_at| now < *ends_at);
        now < ends_at && used.insert(nonce.to_owned(), ends_at).is_none()
    }
}

/// Executes the request and returns the resulting keys, or the revocation. Within a runtime, on a thread that may block.
pub(super) fn execute(issuer: &Issuer, request: &ControlRequest) -> Result<Value, String> {
    match request {
        ControlRequest::Rotate => drop(issuer.rotate().map_err(|error| error.to_string())?),
        ControlRequest::RotateNow => drop(issuer.rotate_now().map_err(|error| error.to_string())?),
        ControlRequest::Revoke(key_id) => {
            if !issuer.revoke_key(key_id).map_err(|error| error.to_string())? {
                return Err(format!("no key has the ID {}", crate::output::safe(key_id)));
            }
        }
        ControlRequest::Keys => {}
        ControlRequest::RevokeTokens(revoked) => return revoke(issuer, revoked),
    }
    let keys: Vec<Value> = issuer
        .keys()
        .into_iter()
        .map(|key| {
            let (state, changes_at) = state(key.state);
            json!({ "kid": key.key_id, "state": state, "changes_at": changes_at })
        })
        .collect();
    Ok(json!({ "issuer": issuer.name(), "keys": keys }))
}

/// Revokes tokens, and returns what is revoked until when.
fn revoke(issuer: &Issuer, Revoked { notice, index, place }: &Revoked) -> Result<Value, String> {
    let notice = RevocationNotice::from_json(notice).map_err(|error| error.to_string())?;
    let kind = notice.tokens().kind();
    let before = notice.issued_before().map(UnixTime::as_secs);
    let of_place = place.as_ref().and_then(|(uri, idx)| issuer.status_index(uri, *idx));
    let revoked = tokio::runtime::Handle::current().block_on(async {
        match index.or(of_place) {
            Some(index) => issuer.revoke_at(notice, index).await,
            None => issuer.revoke(notice).await,
        }
    });
    revoked.map_err(|error| error.to_string())?;
    Ok(json!({ "issuer": issuer.name(), "revoked": kind, "before": before }))
}

/// A key's state and the time of its next scheduled change.
fn state(state: KeyState) -> (&'static str, Option<u64>) {
    match state {
        KeyState::Pending { signs_from } => ("pending", Some(signs_from.as_secs())),
        KeyState::Active => ("active", None),
        KeyState::Retiring { until } => ("retiring", Some(until.as_secs())),
        _ => ("other", None),
    }
}

/// Removes the control file when the service ends.
#[derive(Debug)]
pub(in crate::command) struct ControlFileGuard(PathBuf);

impl Drop for ControlFileGuard {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Starts the control endpoint of a service, on its own loopback port, and writes the control file.
pub(in crate::command) async fn start(issuer: Issuer, path: &Path) -> Result<ControlFileGuard, Failure> {
    let unusable = |error: std::io::Error| Failure::usage(format!("{}: {error}", path.display()));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(unusable)?;
    let url = format!("http://{}/", listener.local_addr().map_err(unusable)?);
    let control = ControlFile { url, secret: secret::random() };
    let _ = std::fs::remove_file(path); // left by a service that was killed; the store's lock shows a running one
    let text = serde_json::to_string(&control).unwrap_or_default();
    keyring::write_private(path, text.as_bytes())?;
    let endpoint = Endpoint { issuer, secret: control.secret, nonces: Nonces::new() };
    let welcome =
        |State(endpoint): State<Arc<Endpoint>>, Json(hello): Json<Hello>| async move { Json(endpoint.welcome(&hello)) };
    let router = Router::new().route("/hello", post(welcome)).route("/", post(respond)).with_state(Arc::new(endpoint));
    tokio::spawn(serve(listener, router, Limits::new(MAX_BODY_BYTES), std::future::pending()));
    Ok(ControlFileGuard(path.to_owned()))
}

async fn respond(State(endpoint): State<Arc<Endpoint>>, Json(order): Json<Order>) -> Result<Json<Answer>, StatusCode> {
    let request = endpoint.request(&order).ok_or(StatusCode::FORBIDDEN)?;
    let issuer = endpoint.issuer.clone();
    // Key generation and store writes block.
    let done = tokio::task::spawn_blocking(move || execute(&issuer, &request)).await;
    let answer = match done.unwrap_or_else(|_| Err("the task ended unexpectedly".to_owned())) {
        Ok(keys) => keys.to_string(),
        Err(problem) => json!({ "error": problem }).to_string(),
    };
    let proof = proof(&endpoint.secret, ["answer", &order.nonce, &answer]);
    Ok(Json(Answer { answer, proof }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "of this run";

    #[test]
    fn s15_01_nonces_of_others_do_not_displace_that_of_a_request() {
        let nonces = Nonces::new();
        let own = nonces.issue(SECRET);
        for _ in 0..1_000 {
            nonces.issue(SECRET);
            nonces.take(SECRET, "1.invented.nonce");
        }
        assert!(nonces.take(SECRET, &own));
        assert!(!nonces.take(SECRET, &own), "only once");
    }

    #[test]
    fn a_nonce_is_of_this_service_and_of_this_minute() {
        let nonces = Nonces::new();
        let own = nonces.issue(SECRET);
        let [issued_at, random, proof] = [0, 1, 2].map(|part| own.split('.').nth(part).expect("three parts"));
        let later = format!("{}.{random}.{proof}", issued_at.parse::<u64>().expect("a number") + 60_000);
        for forged in [&later, &format!("{own}."), &format!("{issued_at}.{random}"), "", "..", ".x."] {
            assert!(!nonces.take(SECRET, forged), "{forged}");
        }
        assert!(!nonces.take("of another run", &own));
        assert!(!nonces.take_at(SECRET, &own, NONCE_LIFETIME * 2), "too late");
        assert!(nonces.take_at(SECRET, &own, NONCE_LIFETIME / 2));
        let other = nonces.issue(SECRET);
        assert!(nonces.take_at(SECRET, &other, Duration::ZERO));
        assert!(!nonces.take_at(SECRET, &own, Duration::ZERO), "used");
        let last = nonces.issue(SECRET);
        assert!(nonces.take_at(SECRET, &last, NONCE_LIFETIME - Duration::from_secs(5)));
        assert_eq!(nonces.used.lock().expect("sound").len(), 3);
    }
}
