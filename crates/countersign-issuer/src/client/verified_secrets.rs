//! A cache of successful secret checks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use countersign_core::clock::Clock;
use countersign_core::error::ConfigError;
use countersign_core::secret::Secret;

/// The most successful checks that are cached.
const MAX_CACHED: usize = 1024;

/// Caches successful checks, so that a busy client does not cost one Argon2id hash per token.
///
/// An entry is an HMAC under a key that only this process has. It is worth no more than the memory of the process, which
/// holds every presented secret for a moment anyway.
pub(super) struct VerifiedSecrets {
    key: hmac::Key,
    lifetime: Duration,
    clock: Arc<dyn Clock>,
    valid_until: Mutex<HashMap<[u8; 32], Duration>>,
}

impl VerifiedSecrets {
    pub(super) fn new(lifetime: Duration, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &aws_lc_rs::rand::SystemRandom::new())
            .map_err(|_| ConfigError::new("secret", "the system provides no randomness"))?;
        Ok(VerifiedSecrets { key, lifetime, clock, valid_until: Mutex::default() })
    }

    /// The cache key of a stored hash, whose salt is unique to the client, and a presented secret.
    pub(super) fn cache_key(&self, stored: &str, presented: &Secret<String>) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(stored.as_bytes());
        context.update(&[0]); // occurs in no stored hash
        context.update(presented.expose().as_bytes());
        let mut cache_key = [0; 32];
        cache_key.copy_from_slice(context.sign().as_ref());
        cache_key
    }

    pub(super) fn contains(&self, cache_key: &[u8; 32]) -> bool {
        let now = self.clock.elapsed();
        let valid_until = self.valid_until.lock().unwrap_or_else(PoisonError::into_inner);
        valid_until.get(cache_key).is_some_and(|until| now < *until)
    }

    pub(super) fn insert(&self, cache_key: [u8; 32]) {
        let now = self.clock.elapsed();
        let mut valid_until = self.valid_until.lock().unwrap_or_else(PoisonError::into_inner);
        if valid_until.len() >= MAX_CACHED {
            valid_until.retain(|_, until| now < *until);
        }
        if valid_until.len() < MAX_CACHED {
            valid_until.insert(cache_key, now.saturating_add(self.lifetime));
        }
    }
}
