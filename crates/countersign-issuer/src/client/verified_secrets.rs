//! A memory of successful secret checks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use countersign_core::clock::Clock;
use countersign_core::error::ConfigError;
use countersign_core::secret::Secret;

/// The most successful checks that are remembered.
const MAX_REMEMBERED: usize = 4096;

/// Remembers successful checks. For its lifetime one replaces a check, so that a busy client does not cost one Argon2id hash
/// per token. After that it still shows that the secret was right before, so that its check goes before those of others.
///
/// An entry is an HMAC under a key that only this process has. It is worth no more than the memory of the process, which
/// holds every presented secret for a moment anyway.
pub(super) struct VerifiedSecrets {
    key: hmac::Key,
    lifetime: Duration,
    clock: Arc<dyn Clock>,
    checked_at: Mutex<HashMap<[u8; 32], Duration>>,
}

/// The history of a presented secret, known without a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum History {
    /// It was right, within the lifetime of a check.
    Right,
    /// It was right before.
    RightBefore,
    Unknown,
}

impl VerifiedSecrets {
    pub(super) fn new(lifetime: Duration, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &aws_lc_rs::rand::SystemRandom::new())
            .map_err(|_| ConfigError::new("secret", "the system provides no randomness"))?;
        Ok(VerifiedSecrets { key, lifetime, clock, checked_at: Mutex::default() })
    }

    /// The key of a client id, its stored hash, and a presented secret.
    pub(super) fn cache_key(&self, client_id: &str, stored: &str, presented: &Secret<String>) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [client_id, stored] {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part.as_bytes());
        }
        context.update(presented.expose().as_bytes());
        let mut cache_key = [0; 32];
        cache_key.copy_from_slice(context.sign().as_ref());
        cache_key
    }

    pub(super) fn history(&self, cache_key: &[u8; 32]) -> History {
        let now = self.clock.elapsed();
        let checked_at = self.checked_at.lock().unwrap_or_else(PoisonError::into_inner);
        match checked_at.get(cache_key) {
            Some(at) if now < at.saturating_add(self.lifetime) => History::Right,
            Some(_) => History::RightBefore,
            None => History::Unknown,
        }
    }

    /// Remembers a right secret, in place of the one whose check is the oldest if there is no room.
    pub(super) fn insert(&self, cache_key: [u8; 32]) {
        let mut checked_at = self.checked_at.lock().unwrap_or_else(PoisonError::into_inner);
        if checked_at.len() >= MAX_REMEMBERED
            && let Some(oldest) = checked_at.iter().min_by_key(|(_, at)| **at).map(|(key, _)| *key)
        {
            checked_at.remove(&oldest);
        }
        checked_at.insert(cache_key, self.clock.elapsed());
    }
}
