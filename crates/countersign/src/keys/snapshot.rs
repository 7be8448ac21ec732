//! Key sets stored for the next start.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::error::ConfigError;
use countersign_core::key::{KeySet, MAX_KEYS, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The difference of clocks that a snapshot may show: it may come from another machine.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// The public keys of one source at one time, for a start before the first fetch.
///
/// Keys of a snapshot keep their times: they are fresh for the rest of their lifetime, then stale for as long as the policy
/// allows and only while fetches fail. The first fetch starts within that rest times the policy's `jitter`, at most a minute, at a moment drawn
/// once per process, so that the instances of a fleet that restarts do not fetch at once; with keys that are stale, or for a
/// key that is not among them, it starts at once. Until it ends, keys that were withdrawn since are still accepted. A snapshot
/// has public keys only. Whoever can write it can forge tokens: store it where only the service can write.
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
    lifetime_seconds: u64,
    /// Public JWKs (RFC 7517) with the `kid` and `alg` that the issuer gave them.
    keys: Vec<Value>,
}

impl KeySnapshot {
    pub(super) fn new(source: &str, set: &KeySet, fetched_at: UnixTime, lifetime: Duration) -> Self {
        let keys = set.keys().filter_map(VerifyingKey::to_public_jwk).collect();
        KeySnapshot {
            source: source.to_owned(),
            fetched_at: fetched_at.as_secs(),
            lifetime_seconds: lifetime.as_secs(),
            keys,
        }
    }

    /// Reads the output of [`to_json`](Self::to_json).
    ///
    /// # Errors
    /// `ConfigError` if it is not a snapshot, or if one of its keys is not usable.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let fault = |problem| ConfigError::new("snapshot", problem);
        let snapshot: KeySnapshot =
            serde_json::from_str(json).map_err(|_| fault("not a key snapshot; without one, the keys are fetched"))?;
        if snapshot.keys.is_empty() || snapshot.keys.len() > MAX_KEYS {
            return Err(fault("has no keys or more than 128"));
        }
        if snapshot.keys.iter().any(|key| read(key).is_none()) {
            return Err(fault("has a key that is not usable"));
        }
        Ok(snapshot)
    }

    /// The snapshot as JSON, for a file.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // only strings and numbers: cannot fail
    }

    /// The issuer or address that the keys belong to.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The set, its lifetime and its age now; `None` if it comes from the future: its age is then unknown.
    pub(super) fn unpack(&self, now: UnixTime) -> Option<(Arc<KeySet>, Duration, Duration)> {
        let fetched_at = UnixTime::from_secs(self.fetched_at);
        if fetched_at.saturating_since(now) > CLOCK_TOLERANCE {
            return None;
        }
        let keys: Vec<VerifyingKey> = self.keys.iter().filter_map(read).collect();
        let age = now.saturating_since(fetched_at);
        (!keys.is_empty()).then(|| (Arc::new(KeySet::new(keys)), Duration::from_secs(self.lifetime_seconds), age))
    }
}

fn read(key: &Value) -> Option<VerifyingKey> {
    VerifyingKey::from_jwk(&key.to_string()).ok()
}
