//! Tokens that are good for one request.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_core::clock::{Clock, SystemClock, UnixTime};
use countersign_core::verify::Verified;

use super::check::{RevocationCheck, RevocationQuery, RevocationStatus};
use super::memory::KEEP_PAST_END;

/// The most used tokens remembered.
const MAX_USED: usize = 65_536;

/// Parts that are locked one at a time.
const SHARDS: usize = 64;

/// Lets each token through once, in this process: the first request with an (issuer, `jti`) passes, every other is refused
/// until the token's end. A token without `jti` never passes.
///
/// For one-time links and calls that must not be replayed. Several instances of a service need a store that they share, by
/// a [`RevocationCheck`] of their own. Where all places are taken by tokens that still live, nothing can be told, and the
/// posture decides: leave it at [`UnknownPolicy::FailClosed`](super::UnknownPolicy::FailClosed), which answers 503.
///
/// ```
/// use std::sync::Arc;
/// use countersign::{prelude::*, revocation::SingleUse};
///
/// # fn app(verifier: Verifier) {
/// let layer = AuthenticateLayer::new(verifier).revocation(Arc::new(SingleUse::new()));
/// # let _ = layer;
/// # }
/// ```
pub struct SingleUse {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    most_a_shard: usize,
    clock: Arc<dyn Clock>,
}

/// Issuer and `jti`, and until when they are remembered.
type Shard = HashMap<(Box<str>, Box<str>), UnixTime>;

impl SingleUse {
    /// Remembers up to 65,536 tokens.
    #[must_use]
    pub fn new() -> Self {
        SingleUse {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            most_a_shard: MAX_USED / SHARDS,
            clock: Arc::new(SystemClock),
        }
    }

    /// Remembers about so many instead, spread over 64 parts.
    #[must_use]
    pub fn max_entries(mut self, tokens: usize) -> Self {
        self.most_a_shard = tokens.div_ceil(SHARDS).max(1);
        self
    }

    /// Tells by this clock what can be forgotten, instead of the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    fn use_up(&self, token: &Verified) -> RevocationStatus {
        let Some(id) = token.token_id().filter(|id| !id.is_empty()) else { return RevocationStatus::Revoked };
        let name = (Box::from(token.issuer()), Box::from(id));
        let now = self.clock.now();
        let mut used = self.shard(&name);
        if used.contains_key(&name) {
            return RevocationStatus::Revoked;
        }
        if used.len() >= self.most_a_shard {
            used.retain(|_, until| now <= *until);
        }
        if used.len() >= self.most_a_shard {
            return RevocationStatus::Unknown;
        }
        used.insert(name, token.expires_at().saturating_add(KEEP_PAST_END));
        RevocationStatus::Valid
    }

    fn shard(&self, name: &(Box<str>, Box<str>)) -> MutexGuard<'_, Shard> {
        let place = usize::try_from(self.hasher.hash_one(name) % SHARDS as u64).unwrap_or_default();
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner) // below SHARDS, of which there are as many
    }
}

impl RevocationCheck for SingleUse {
    fn check(&self, token: &Arc<Verified>) -> RevocationQuery {
        RevocationQuery::Known(self.use_up(token))
    }
}

impl Default for SingleUse {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SingleUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleUse").field("most", &(self.most_a_shard * SHARDS)).finish_non_exhaustive()
    }
}
