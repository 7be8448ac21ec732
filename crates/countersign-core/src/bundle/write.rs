//! Bundles before they are signed.

use std::time::Duration;

use serde_json::{Value, json};

use super::document::{MAX_BUNDLE_BYTES, MAX_BUNDLE_VALIDITY, MAX_REVISION};
use super::verifier::{BUNDLE_TYPE, BundleVerifier, SHADOW_TYPE, fleet_fault};
use crate::clock::UnixTime;
use crate::error::{ConfigError, Fault};
use crate::key::KeySet;
use crate::mint::Signer;
use crate::policy::Policy;

/// The time from the creation of a bundle to its expiry, by default.
const VALIDITY: Duration = Duration::from_secs(30 * 24 * 3600);

/// A policy to sign for a fleet, under a number that is higher than that of the last one. No time comes from a clock.
///
/// ```
/// use std::time::Duration;
/// use countersign_core::bundle::BundleDraft;
/// use countersign_core::clock::UnixTime;
/// use countersign_core::key::Algorithm;
/// use countersign_core::mint::Signer;
/// use countersign_core::policy::Policy;
///
/// let signer = Signer::generate(Algorithm::ES256)?;
/// let policy = Policy::access_token("https://id.example.com", "orders");
/// let text = BundleDraft::new("orders-production", 7, policy)
///     .created_at(UnixTime::from_secs(1_800_000_000))
///     .validity(Duration::from_secs(7 * 24 * 3600))
///     .sign(&signer)?;
/// assert_eq!(text.matches('.').count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a draft is not a bundle until it is signed"]
pub struct BundleDraft {
    fleet: String,
    revision: u64,
    policy: Policy,
    created_at: Option<UnixTime>,
    validity: Duration,
}

impl BundleDraft {
    /// A policy for this fleet, under this revision: 1 or higher.
    pub fn new(fleet: impl Into<String>, revision: u64, policy: Policy) -> Self {
        BundleDraft { fleet: fleet.into(), revision, policy, created_at: None, validity: VALIDITY }
    }

    /// The time of its creation, in whole seconds. Required.
    pub fn created_at(self, created_at: UnixTime) -> Self {
        BundleDraft { created_at: Some(created_at), ..self }
    }

    /// The time from its creation to its expiry. Default 30 days, at least 1 s and at most 366 days.
    pub fn validity(self, validity: Duration) -> Self {
        BundleDraft { validity, ..self }
    }

    /// Signs the bundle and verifies it once, so that nothing is published that services refuse.
    ///
    /// # Errors
    /// `ConfigError` on fields `fleet`, `revision`, `created_at`, `validity`, `policy`, `bundle_keys` if the key is a shared
    /// secret, and `policy_bundle` if the whole would be longer than [`MAX_BUNDLE_BYTES`].
    pub fn sign(&self, signer: &Signer) -> Result<String, ConfigError> {
        self.sign_as(BUNDLE_TYPE, signer)
    }

    /// Signs the bundle as a [`ShadowBundle`](super::ShadowBundle), and verifies it once. No service puts it in force.
    ///
    /// # Errors
    /// As [`sign`](Self::sign).
    pub fn sign_shadow(&self, signer: &Signer) -> Result<String, ConfigError> {
        self.sign_as(SHADOW_TYPE, signer)
    }

    fn sign_as(&self, kind: &'static str, signer: &Signer) -> Result<String, ConfigError> {
        let mut faults: Vec<Fault> = fleet_fault(&self.fleet).into_iter().collect();
        if !(1..=MAX_REVISION).contains(&self.revision) {
            faults.push(Fault::new("revision", "not between 1 and 2^53 - 1"));
        }
        if self.validity < Duration::from_secs(1) || self.validity > MAX_BUNDLE_VALIDITY {
            faults.push(Fault::new("validity", "not between 1 s and 366 days"));
        }
        if self.created_at.is_none() {
            faults.push(Fault::new("created_at", "not set; state the time"));
        }
        ConfigError::check(faults)?;
        let created_at = self.created_at.unwrap_or_default();
        let policy: Value = serde_json::from_str(&self.policy.to_json())
            .map_err(|_| ConfigError::new("policy", "cannot be written as JSON"))?;
        let header = json!({ "alg": signer.algorithm().name(), "kid": signer.key_id(), "typ": kind });
        let payload = json!({
            "aud": self.fleet,
            "revision": self.revision,
            "iat": created_at.as_secs(),
            "exp": created_at.saturating_add(self.validity).as_secs(),
            "policy": policy,
        });
        let fault = |problem: String| ConfigError::new("policy_bundle", problem);
        let text = signer
            .sign_compact(header.to_string().as_bytes(), payload.to_string().as_bytes())
            .ok_or_else(|| fault("the key could not sign".to_owned()))?;
        if text.len() > MAX_BUNDLE_BYTES {
            return Err(fault(format!("would have {} bytes, at most {MAX_BUNDLE_BYTES} are permitted", text.len())));
        }
        let key = signer.verifying_key().map_err(|rejected| ConfigError::new("bundle_keys", rejected.to_string()))?;
        let bundles = BundleVerifier::new(self.fleet.clone(), KeySet::new([key]))?;
        match kind {
            SHADOW_TYPE => drop(bundles.verify_shadow(&text, created_at)?),
            _ => drop(bundles.verify(&text, created_at)?),
        }
        Ok(text)
    }
}
