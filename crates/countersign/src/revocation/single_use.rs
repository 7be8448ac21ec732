//! Tokens that are accepted for one request.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::clock::{Clock, UnixTime};
use countersign_core::error::Fault;
use countersign_core::verify::Verified;

use super::check::{RevocationCheck, RevocationQuery, RevocationStatus};
use super::name::{Name, NameRef};
use super::retention::{Retention, Term};
use super::shares::{Holder, ListShares, Place};

/// The most used tokens that are remembered.
const MAX_USED: usize = 65_536;

/// The longest time for which a used token is remembered.
const MAX_RETENTION: Duration = Duration::from_secs(31 * 86_400);

/// Parts that are locked one at a time.
const SHARDS: usize = 64;

/// Accepts each token once in this process.
///
/// The first request with an (issuer, `jti`) is accepted; every other is refused until the token expires. A token without
/// `jti` is never accepted. Use it for one-time links and for calls that must not be replayed.
///
/// One issuer fills at most half of the entries, and one subject a quarter, or one client whose tokens have no subject; the
/// tokens of others are still served.
///
/// Several instances of a service need a shared store behind a [`RevocationCheck`] of their own. If all entries of its share
/// are taken by tokens that have not expired, the status is unknown: keep the default
/// [`UnknownPolicy::FailClosed`](super::UnknownPolicy::FailClosed), which answers 503. A wall clock that is set does not make
/// a used token usable again; as in [`RevocationList`](super::RevocationList), the status may be unknown then.
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
    max_entries: usize,
    max_retention: Duration,
    retention: Retention,
}

/// The used tokens, and until when they are remembered. Each check may write, so a lock serves better than a concurrent map.
#[derive(Debug)]
struct Shard {
    used: HashMap<Name, (Term, Place)>,
    shares: ListShares,
    /// The earliest time at which an entry can be removed.
    sweep_after: UnixTime,
}

impl SingleUse {
    /// Remembers up to 65,536 used tokens of one issuer, and twice as many of all issuers.
    #[must_use]
    pub fn new() -> Self {
        SingleUse {
            shards: shards(MAX_USED),
            hasher: RandomState::new(),
            max_entries: MAX_USED,
            max_retention: MAX_RETENTION,
            retention: Retention::default(),
        }
    }

    /// Sets about how many used tokens of one issuer are remembered, spread over 64 parts; twice as many of all issuers.
    #[must_use]
    pub fn max_entries(mut self, tokens: usize) -> Self {
        self.max_entries = tokens;
        self.shards = shards(tokens);
        self
    }

    /// Sets how long a used token is remembered at most. Default: 31 days. The status of a token that expires later is unknown,
    /// so that nobody fills the list for years.
    #[must_use]
    pub fn max_retention(mut self, longest: Duration) -> Self {
        self.max_retention = longest;
        self
    }

    fn redeem(&self, token: &Verified) -> RevocationStatus {
        let Some(id) = token.token_id().filter(|id| !id.is_empty()) else { return RevocationStatus::Revoked };
        let name = Name::from(NameRef::token(token.issuer(), id));
        let mut shard = self.shard(&name);
        if shard.used.contains_key(&name) {
            return RevocationStatus::Revoked;
        }
        if self.retention.may_have_removed(token.expires_at())
            || self.retention.outlives(token.expires_at(), self.max_retention)
        {
            return RevocationStatus::Unknown;
        }
        let place = shard.place(token).or_else(|| {
            shard.sweep(&self.retention);
            shard.place(token)
        });
        let Some(place) = place else { return RevocationStatus::Unknown };
        let term = self.retention.term_of(token.expires_at());
        shard.sweep_after = shard.sweep_after.min(term.keep_until());
        shard.used.insert(name, (term, place));
        RevocationStatus::Valid
    }

    fn shard(&self, name: &Name) -> MutexGuard<'_, Shard> {
        let index = usize::try_from(self.hasher.hash_one(name) % SHARDS as u64).unwrap_or_default();
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner) // index < SHARDS, the number of shards
    }
}

fn shards(max_entries: usize) -> Box<[Mutex<Shard>]> {
    let of_one = max_entries.div_ceil(SHARDS).max(1);
    let shard =
        || Shard { used: HashMap::new(), shares: ListShares::new(of_one), sweep_after: UnixTime::from_secs(u64::MAX) };
    (0..SHARDS).map(|_| Mutex::new(shard())).collect()
}

impl Shard {
    fn place(&self, token: &Verified) -> Option<Place> {
        self.shares.place(token.issuer(), Some(Holder::of(token)))
    }

    /// Removes the tokens whose time is over, if there can be any.
    fn sweep(&mut self, retention: &Retention) {
        let now = retention.sweep_time();
        if now <= self.sweep_after {
            return;
        }
        self.used.retain(|_, (term, _)| !retention.may_remove(*term, now));
        let next = self.used.values().map(|(term, _)| term.keep_until()).min();
        self.sweep_after = next.unwrap_or(UnixTime::from_secs(u64::MAX));
    }
}

impl RevocationCheck for SingleUse {
    fn check(&self, token: &Arc<Verified>) -> RevocationQuery {
        RevocationQuery::Known(self.redeem(token))
    }

    /// Valid: the request of the response was the one use.
    fn recheck(&self, _: &Arc<Verified>) -> RevocationQuery {
        RevocationQuery::Known(RevocationStatus::Valid)
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
        f.debug_struct("SingleUse").field("max_entries", &self.max_entries).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use countersign_test::TestIssuer;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A list with the clock of `issuer`, which has accepted the token `id`.
    async fn with_used(issuer: &TestIssuer, id: &str) -> (SingleUse, Arc<Verified>, Name) {
        let (used, clock) = (SingleUse::new(), Arc::new(issuer.clock().clone()) as Arc<dyn Clock>);
        assert!(used.attach(&clock).is_empty());
        let token = issuer.token().audience("api").lifetime(HOUR).claim("jti", id).sign();
        let token = issuer.verifier_for("api").verify(&token).await.expect("good");
        assert_eq!(used.redeem(&token), RevocationStatus::Valid);
        (used, token, NameRef::token(issuer.name(), id).into())
    }

    #[tokio::test]
    async fn s3_25_s11_06_a_used_token_whose_entry_is_gone_stays_used_when_the_clock_goes_back() {
        let issuer = TestIssuer::new();
        let (used, token, name) = with_used(&issuer, "one").await;
        let start = issuer.clock().now();
        issuer.clock().advance(HOUR * 2);
        used.shard(&name).sweep(&used.retention);
        assert!(used.shard(&name).used.is_empty());
        issuer.clock().step_wall(start);
        assert_eq!(used.redeem(&token), RevocationStatus::Unknown);
    }

    /// A flood that finds no room must not cost a search for each token.
    #[tokio::test]
    async fn s15_01_a_part_is_searched_only_once_a_token_of_it_may_be_over() {
        let issuer = TestIssuer::new();
        let (used, _, name) = with_used(&issuer, "one").await;
        let mut shard = used.shard(&name);
        let over_at = shard.sweep_after;
        shard.sweep_after = UnixTime::from_secs(u64::MAX);
        issuer.clock().advance(HOUR * 2);
        shard.sweep(&used.retention);
        assert_eq!(shard.used.len(), 1, "nothing can be over");
        shard.sweep_after = over_at;
        shard.sweep(&used.retention);
        assert_eq!(shard.used.len(), 0);
    }
}
