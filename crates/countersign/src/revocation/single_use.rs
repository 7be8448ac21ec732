//! Tokens that are accepted for one request.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_core::clock::{Clock, UnixTime};
use countersign_core::error::Fault;
use countersign_core::verify::Verified;

use super::check::{RevocationCheck, RevocationQuery, RevocationStatus};
use super::name::{Name, NameRef};
use super::retention::Retention;

/// The most used tokens that are remembered.
const MAX_USED: usize = 65_536;

/// Parts that are locked one at a time.
const SHARDS: usize = 64;

/// Accepts each token once in this process.
///
/// The first request with an (issuer, `jti`) is accepted; every other is refused until the token expires. A token without
/// `jti` is never accepted. Use it for one-time links and for calls that must not be replayed.
///
/// Several instances of a service need a shared store behind a [`RevocationCheck`] of their own. If all entries are taken by
/// tokens that have not expired, the status is unknown: keep the default
/// [`UnknownPolicy::FailClosed`](super::UnknownPolicy::FailClosed), which answers 503. A wall clock that is set does not make
/// a used token usable again; as in [`MemoryRevocations`](super::MemoryRevocations), the status may be unknown then.
///
/// ```
/// use std::sync::Arc;
/// use countersign::{error::ConfigError, prelude::*, revocation::SingleUse};
///
/// fn layer(verifier: Verifier) -> Result<AuthenticateLayer, ConfigError> {
///     AuthenticateLayer::builder(verifier).revocation(Arc::new(SingleUse::new())).build()
/// }
/// # let _ = layer;
/// ```
pub struct SingleUse {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    max_per_shard: usize,
    retention: Retention,
}

/// The used tokens, and until when they are remembered. Each check may write, so a lock serves better than a concurrent map.
type Shard = HashMap<Name, UnixTime>;

impl SingleUse {
    /// Remembers up to 65,536 used tokens.
    #[must_use]
    pub fn new() -> Self {
        SingleUse {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            max_per_shard: MAX_USED / SHARDS,
            retention: Retention::default(),
        }
    }

    /// Sets about how many used tokens are remembered, spread over 64 parts.
    #[must_use]
    pub fn max_entries(mut self, tokens: usize) -> Self {
        self.max_per_shard = tokens.div_ceil(SHARDS).max(1);
        self
    }

    fn redeem(&self, token: &Verified) -> RevocationStatus {
        let Some(id) = token.token_id().filter(|id| !id.is_empty()) else { return RevocationStatus::Revoked };
        let name = Name::from(NameRef::token(token.issuer(), id));
        let mut used = self.shard(&name);
        if used.contains_key(&name) {
            return RevocationStatus::Revoked;
        }
        if self.retention.may_have_removed(token.expires_at()) {
            return RevocationStatus::Unknown;
        }
        if used.len() >= self.max_per_shard {
            let now = self.retention.sweep_time();
            used.retain(|_, keep_until| !self.retention.may_remove(*keep_until, now));
        }
        if used.len() >= self.max_per_shard {
            return RevocationStatus::Unknown;
        }
        used.insert(name, Retention::keep_until(token.expires_at()));
        RevocationStatus::Valid
    }

    fn shard(&self, name: &Name) -> MutexGuard<'_, Shard> {
        let index = usize::try_from(self.hasher.hash_one(name) % SHARDS as u64).unwrap_or_default();
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner) // index < SHARDS, the number of shards
    }
}

impl RevocationCheck for SingleUse {
    fn check(&self, token: &Arc<Verified>) -> RevocationQuery {
        RevocationQuery::Known(self.redeem(token))
    }

    fn attach(&self, clock: &Arc<dyn Clock>) -> Vec<Fault> {
        self.retention.attach(clock)
    }
}

impl Default for SingleUse {
    fn default() -> Self {
        Self::new()
    }
}

/// Only numbers: token IDs identify callers.
impl fmt::Debug for SingleUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleUse").field("max_entries", &(self.max_per_shard * SHARDS)).finish_non_exhaustive()
    }
}
