//! Opaque tokens of a provider, and what it says about them (RFC 7662).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand;
use base64_simd::URL_SAFE_NO_PAD;
use countersign_core::clock::UnixTime;
use serde_json::{Map, Value, json};

use crate::draft::TokenDraft;
use crate::hostile::{HostileAnswer, IntrospectionAttack};

/// The tokens that the provider gave.
#[derive(Debug, Default)]
pub(crate) struct OpaqueTokens {
    /// The claims of each.
    honest: Mutex<HashMap<String, Map<String, Value>>>,
    /// Those with hostile answers.
    hostile: Mutex<HashMap<String, (IntrospectionAttack, TokenDraft)>>,
}

impl OpaqueTokens {
    /// A new token with the claims of `draft`.
    pub(crate) fn issue(&self, draft: &TokenDraft) -> String {
        let token = new_token();
        self.active().insert(token.clone(), draft.claims().clone());
        token
    }

    /// A new token about which the answer is this attack.
    pub(crate) fn issue_hostile(&self, attack: IntrospectionAttack, honest: &TokenDraft) -> String {
        let token = new_token();
        self.attacks().insert(token.clone(), (attack, honest.clone()));
        token
    }

    /// The hostile answer to this form, if its token has one.
    pub(crate) fn hostile_answer(&self, form: &str, now: UnixTime) -> Option<HostileAnswer> {
        let (attack, honest) = self.attacks().get(token_in(form))?.clone();
        Some(attack.answer(&honest, now))
    }

    pub(crate) fn revoke(&self, token: &str) {
        self.active().remove(token);
    }

    /// The answer of the introspection endpoint to this form.
    pub(crate) fn answer(&self, form: &str, now: UnixTime) -> String {
        let is_active = |claims: &Map<String, Value>| {
            claims.get("exp").and_then(Value::as_u64).is_some_and(|expires| expires > now.as_secs())
        };
        match self.active().get(token_in(form)).filter(|claims| is_active(claims)).cloned() {
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
        self.honest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attacks(&self) -> MutexGuard<'_, HashMap<String, (IntrospectionAttack, TokenDraft)>> {
        self.hostile.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn new_token() -> String {
    let mut random = [0; 32];
    rand::fill(&mut random).expect("random numbers");
    format!("opaque_{}", URL_SAFE_NO_PAD.encode_to_string(random))
}

/// The token of a form. Tokens of this kit have no character that a form encodes.
fn token_in(form: &str) -> &str {
    form.split('&').find_map(|pair| pair.strip_prefix("token=")).unwrap_or_default()
}
