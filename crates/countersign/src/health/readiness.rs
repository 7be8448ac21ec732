//! The readiness of a service, as an HTTP response.

use std::time::Duration;

use bytes::Bytes;
use countersign_core::key::KeyHealth;
use http::{Response, StatusCode, header};
use serde_json::json;

use super::Health;
use crate::revocation::RevocationProblem;
use crate::rt;
#[cfg(feature = "status-list")]
use crate::status::{IssuerStatusLists, StatusListFailure};

/// The longest wait of a readiness request for keys that were never fetched.
const READY_WAIT: Duration = Duration::from_secs(1);

impl Health {
    /// A route that reports whether the service can verify tokens: 200 if every issuer has keys, otherwise 503.
    ///
    /// If an issuer has no keys yet, they are fetched, within the limits of their source. The JSON states the issuers and the
    /// fingerprint of the policy in force, and no reason: those are in the log.
    ///
    /// ```json
    /// { "status": "ready",
    ///   "policy": { "fingerprint": "7ad7…", "is_latest": true },
    ///   "issuers": [{ "issuer": "https://id.example.com", "keys": "ready" }] }
    /// ```
    ///
    /// `status` is `ready` or `not_ready`; `keys` is `ready`, `degraded` (usable, but newer ones cannot be fetched) or `not_ready`.
    /// `is_latest` is false if a newer policy was refused. With a [list of revocations](Self::revocations) there is a member of
    /// that name too: `{ "is_complete": true, "entries": 12, "refused": 0, "age_seconds": 1, "problem": null }`. `problem` is
    /// `not_confirmed` if a feed was not confirmed in time, and `no_room` if a notice found none. With
    /// [status lists](Self::status_lists) there is `status_lists`, which has for each issuer
    /// `{ "issuer": "https://id.example.com", "lists": 2, "too_old": 0, "age_seconds": 3, "last_failure": null }`. `last_failure` is
    /// `unreachable`, `unusable` or `refused` while the last fetch of a list has failed.
    ///
    /// Add it after the layer, so that it needs no token.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use countersign::health::Health;
    /// use countersign::prelude::*;
    ///
    /// let verifier = Verifier::new(oidc("https://id.example.com").audience("orders"))?;
    /// let ready = Health::new(&verifier).route();
    /// let app = Router::new().route("/orders", get(|| async { "orders" })).layer(AuthenticateLayer::new(verifier));
    /// let app: Router = app.route("/ready", ready);
    /// # let _ = app;
    /// # Ok::<(), countersign::error::ConfigError>(())
    /// ```
    #[cfg(feature = "axum")]
    pub fn route<S: Clone + Send + Sync + 'static>(&self) -> axum::routing::MethodRouter<S> {
        let health = self.clone();
        axum::routing::get(move || async move { health.respond().await.map(axum::body::Body::from) })
    }

    /// The response of [`route`](Self::route), for services without axum.
    ///
    /// ```
    /// # async fn example(health: countersign::health::Health) {
    /// let response = health.respond().await;
    /// assert!([200, 503].contains(&response.status().as_u16()));
    /// # }
    /// ```
    pub async fn respond(&self) -> Response<Bytes> {
        if !self.is_ready() {
            let _ = rt::within(READY_WAIT, self.refresh_once()).await;
        }
        let report = self.report();
        let is_ready = report.iter().all(|(_, health)| health.is_ready());
        let issuers: Vec<_> =
            report.iter().map(|(issuer, health)| json!({ "issuer": issuer, "keys": name(health) })).collect();
        let mut body = json!({
            "status": if is_ready { "ready" } else { "not_ready" },
            "policy": { "fingerprint": self.verifier.fingerprint().to_string(), "is_latest": self.policy_error().is_none() },
            "issuers": issuers,
        });
        if let Some(stats) = self.revocations.as_ref().map(|list| list.stats()) {
            body["revocations"] = json!({
                "is_complete": stats.is_complete,
                "entries": stats.entries,
                "refused": stats.refused,
                "age_seconds": stats.age.map(|age| age.as_secs()),
                "problem": stats.problem.map(RevocationProblem::code),
            });
        }
        #[cfg(feature = "status-list")]
        if let Some(lists) = &self.status_lists {
            let state = |state: IssuerStatusLists| {
                json!({
                    "issuer": state.issuer,
                    "lists": state.lists,
                    "too_old": state.too_old,
                    "age_seconds": state.age.map(|age| age.as_secs()),
                    "last_failure": state.last_failure.map(StatusListFailure::code),
                })
            };
            body["status_lists"] = lists.report().into_iter().map(state).collect();
        }
        let mut response = Response::new(Bytes::from(body.to_string()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
        if !is_ready {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        response
    }
}

fn name(health: &KeyHealth) -> &'static str {
    match health {
        KeyHealth::Ready => "ready",
        KeyHealth::Degraded { .. } => "degraded",
        _ => "not_ready",
    }
}
