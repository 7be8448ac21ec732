//! Opaque tokens of a provider, and its introspection endpoint (RFC 7662).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use base64_simd::URL_SAFE_NO_PAD;
use countersign_core::clock::Clock;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::{Provider, Serving};
use crate::draft::TokenDraft;

/// The tokens that the provider gave, with their claims.
#[derive(Debug)]
pub(super) struct OpaqueTokens {
    active: Mutex<HashMap<String, Map<String, Value>>>,
    pub(super) requests: watch::Sender<u64>,
}

impl Default for OpaqueTokens {
    fn default() -> Self {
        OpaqueTokens { active: Mutex::default(), requests: watch::Sender::new(0) }
    }
}

impl OpaqueTokens {
    fn active(&self) -> MutexGuard<'_, HashMap<String, Map<String, Value>>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Provider {
    /// An opaque token with the claims of `draft`. The provider calls it active until it expires or is
    /// [revoked](Self::revoke_opaque). Its introspection endpoint takes any client.
    ///
    /// ```
    /// use countersign_test::{Provider, TestIssuer};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let provider = Provider::start(&TestIssuer::new()).await.unwrap();
    /// let token = provider.opaque(&provider.token().subject("ann").audience("orders"));
    /// assert!(!token.contains('.'));
    /// # });
    /// ```
    #[must_use]
    pub fn opaque(&self, draft: &TokenDraft) -> String {
        let mut random = [0; 32];
        rand::fill(&mut random).expect("random numbers");
        let token = format!("opaque_{}", URL_SAFE_NO_PAD.encode_to_string(random));
        self.site.opaque.active().insert(token.clone(), draft.claims().clone());
        token
    }

    /// Revokes an opaque token: the provider no longer calls it active.
    pub fn revoke_opaque(&self, token: &str) {
        self.site.opaque.active().remove(token);
    }

    /// The number of requests to the introspection endpoint.
    #[must_use]
    pub fn introspection_requests(&self) -> u64 {
        *self.site.opaque.requests.borrow()
    }
}

pub(super) async fn introspect(State(serving): State<Serving>, headers: HeaderMap, form: String) -> Response {
    let faults = serving.faults(&serving.site.opaque.requests, &headers).await;
    faults.answer(None, || {
        // Tokens of this provider have no character that a form encodes.
        let token = form.split('&').find_map(|pair| pair.strip_prefix("token=")).unwrap_or_default();
        let now = serving.site.issuer.clock().now().as_secs();
        let claims = serving.site.opaque.active().get(token).cloned();
        let is_active =
            |claims: &Map<String, Value>| claims.get("exp").and_then(Value::as_f64).is_some_and(|exp| exp > now as f64);
        match claims.filter(is_active) {
            Some(mut claims) => {
                claims.insert("active".to_owned(), json!(true));
                claims.insert("token_type".to_owned(), json!("Bearer"));
                Value::Object(claims).to_string()
            }
            None => json!({ "active": false }).to_string(),
        }
    })
}
