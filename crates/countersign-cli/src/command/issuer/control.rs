//! Control of a running service: on loopback, with a secret in a file that only its owner can read.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use countersign_issuer::{Issuer, IssuerConfig, KeyState};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::exit::Failure;
use crate::server::{Limits, serve};
use crate::tools::{keyring, secret};

/// The header that carries the secret.
pub(super) const SECRET_HEADER: &str = "x-countersign-control";

/// The largest request body, in bytes.
const MAX_BODY_BYTES: usize = 4096;

/// The contents of the control file: the control endpoint and its secret.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct ControlFile {
    pub(super) url: String,
    pub(super) secret: String,
}

/// The path of the control file of the service that `file` configures: beside its store, otherwise beside `file`.
///
/// A service with a database has none: all instances follow the database.
pub(super) fn path(config: &IssuerConfig, file: &Path) -> Option<PathBuf> {
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
}

/// Executes the request and returns the resulting keys.
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
pub(super) struct ControlFileGuard(PathBuf);

impl Drop for ControlFileGuard {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Starts the control endpoint of a service, on its own loopback port, and writes the control file.
pub(super) async fn start(issuer: Issuer, path: &Path) -> Result<ControlFileGuard, Failure> {
    let unusable = |error: std::io::Error| Failure::usage(format!("{}: {error}", path.display()));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(unusable)?;
    let url = format!("http://{}/", listener.local_addr().map_err(unusable)?);
    let control = ControlFile { url, secret: secret::random() };
    let _ = std::fs::remove_file(path); // left by a service that was killed; the store's lock shows a running one
    let text = serde_json::to_string(&control).unwrap_or_default();
    keyring::write_private(path, text.as_bytes())?;
    let respond = |State((issuer, expected)): State<(Issuer, String)>,
                   headers: HeaderMap,
                   Json(request): Json<ControlRequest>| async move {
        let mut given = headers.get_all(SECRET_HEADER).iter();
        let given = given.next().filter(|_| given.next().is_none()).and_then(|value| value.to_str().ok());
        if !given.is_some_and(|given| secret::is_same(given, &expected)) {
            return (StatusCode::FORBIDDEN, Json(json!({ "error": "wrong secret" })));
        }
        // Key generation and store writes block.
        let done = tokio::task::spawn_blocking(move || execute(&issuer, &request)).await;
        match done.unwrap_or_else(|_| Err("the task ended unexpectedly".to_owned())) {
            Ok(keys) => (StatusCode::OK, Json(keys)),
            Err(problem) => (StatusCode::CONFLICT, Json(json!({ "error": problem }))),
        }
    };
    let router = Router::new().route("/", post(respond)).with_state((issuer, control.secret));
    tokio::spawn(serve(listener, router, Limits::new(MAX_BODY_BYTES), std::future::pending()));
    Ok(ControlFileGuard(path.to_owned()))
}
