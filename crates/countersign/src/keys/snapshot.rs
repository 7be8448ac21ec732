//! A key set written down for the next start.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::error::ConfigError;
use countersign_core::key::{KeySet, MAX_KEYS, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The public keys of one source at one time, to start with before the issuer answers.
///
/// Keys of a snapshot are held to the ends they had: fresh for what is left of their life, then stale for as long as the
/// policy allows and only while fetches fail; the first fetch begins at once. It holds public keys only. Whoever can
/// write it can forge tokens: keep it where only the service can write.
///
/// ```
/// use countersign::keys::{KeySnapshot, RemoteKeys};
///
/// # fn example(json: &str) -> Result<(), countersign::error::ConfigError> {
/// let keys = RemoteKeys::from_issuer("https://id.example.com").initial_snapshot(KeySnapshot::from_json(json)?);
/// let later: Option<String> = keys.snapshot().map(|snapshot| snapshot.to_json());
/// # let _ = later;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySnapshot {
    source: String,
    fetched_at: u64,
    life_seconds: u64,
    /// Public JWKs (RFC 7517), as the issuer named their `kid` and `alg`.
    keys: Vec<Value>,
}

impl KeySnapshot {
    pub(super) fn of(source: &str, set: &KeySet, fetched_at: UnixTime, life: Duration) -> Self {
        let keys = set.keys().filter_map(VerifyingKey::to_public_jwk).collect();
        KeySnapshot { source: source.to_owned(), fetched_at: fetched_at.as_secs(), life_seconds: life.as_secs(), keys }
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// `ConfigError` where it is no snapshot, or one of its keys is not usable.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let fault = |problem| ConfigError::new("snapshot", problem);
        let snapshot: KeySnapshot =
            serde_json::from_str(json).map_err(|_| fault("no key snapshot; leave it out and the keys are fetched"))?;
        if snapshot.keys.is_empty() || snapshot.keys.len() > MAX_KEYS {
            return Err(fault("has no key or more than 128"));
        }
        if snapshot.keys.iter().any(|key| read(key).is_none()) {
            return Err(fault("holds a key that is not usable"));
        }
        Ok(snapshot)
    }

    /// The snapshot as JSON, to be kept in a file.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // strings and numbers only: it cannot fail
    }

    /// The issuer or address whose keys these are.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The set, its life, and how old it is now.
    pub(super) fn unpack(&self, now: UnixTime) -> Option<(Arc<KeySet>, Duration, Duration)> {
        let keys: Vec<VerifyingKey> = self.keys.iter().filter_map(read).collect();
        let age = now.saturating_since(UnixTime::from_secs(self.fetched_at));
        (!keys.is_empty()).then(|| (Arc::new(KeySet::new(keys)), Duration::from_secs(self.life_seconds), age))
    }
}

fn read(key: &Value) -> Option<VerifyingKey> {
    VerifyingKey::from_jwk(&key.to_string()).ok()
}
