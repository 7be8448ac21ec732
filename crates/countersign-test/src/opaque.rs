//! Opaque tokens of a provider, and what it says about them (RFC 7662).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand;
use base64_simd::URL_SAFE_NO_PAD;
use countersign_core::clock::UnixTime;
use serde_json::{Map, Value, json};

use crate::draft::TokenDraft;

/// The tokens that the provider gave, with their claims.
#[derive(Debug, Default)]
pub(crate) struct OpaqueTokens(Mutex<HashMap<String, Map<String, Value>>>);

impl OpaqueTokens {
    /// A new token with the claims of `draft`.
    pub(crate) fn issue(&self, draft: &TokenDraft) -> String {
        let mut random = [0; 32];
        rand::fill(&mut random).expect("random numbers");
        let token = format!("opaque_{}", URL_SAFE_NO_PAD.encode_to_string(random));
        self.active().insert(token.clone(), draft.claims().clone());
        token
    }

    pub(crate) fn revoke(&self, token: &str) {
        self.active().remove(token);
    }

    /// The answer of the introspection endpoint to this form.
    pub(crate) fn answer(&self, form: &str, now: UnixTime) -> String {
        // These tokens have no character that a form encodes.
        let token = form.split('&').find_map(|pair| pair.strip_prefix("token=")).unwrap_or_default();
        let is_active = |claims: &Map<String, Value>| {
            claims.get("exp").and_then(Value::as_u64).is_some_and(|expires| expires > now.as_secs())
        };
        match self.active().get(token).filter(|claims| is_active(claims)).cloned() {
            Some(mut claims) => {
                claims.insert("active".to_owned(), json!(true));
                let is_bound = claims.get("cnf").is_some_and(|cnf| cnf.get("jkt").is_some());
                claims.insert("token_type".to_owned(), json!(if is_bound { "DPoP" } else { "Bearer" }));
                Value::Object(claims).to_string()
            }
            None => json!({ "active": false }).to_string(),
        }
    }

    fn active(&self) -> MutexGuard<'_, HashMap<String, Map<String, Value>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
