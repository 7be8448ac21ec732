//! Revocations held in memory: bounded, read without a lock.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use countersign_core::clock::{Clock, SystemClock, UnixTime};
use countersign_core::verify::Verified;

use super::check::{RevocationCheck, RevocationQuery, RevocationStatus};

/// The most revocations held.
const MAX_REVOCATIONS: usize = 65_536;

/// How long a revocation is kept past its token's end: the longest leeway that a policy can have.
pub(super) const KEEP_PAST_END: Duration = Duration::from_secs(300);

/// Parts that are copied one at a time when something is added.
const SHARDS: usize = 64;

/// Revoked tokens and subjects, in this process alone. Share it in an `Arc` with whoever learns of revocations.
///
/// An entry goes when no token that it could stop is alive. Where all places are taken, a new one is refused aloud:
/// forgetting an old one would let its token in again.
///
/// ```
/// use std::sync::Arc;
/// use countersign::{clock::UnixTime, prelude::*, revocation::MemoryRevocations};
///
/// # fn app(verifier: Verifier) -> Result<(), Box<dyn std::error::Error>> {
/// let revoked = Arc::new(MemoryRevocations::new());
/// let layer = AuthenticateLayer::new(verifier).revocation(Arc::clone(&revoked));
/// revoked.revoke_token("https://id.example.com", "jti-of-the-token", UnixTime::from_secs(1_900_000_000))?;
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
pub struct MemoryRevocations {
    shards: Box<[ArcSwap<Shard>]>,
    hasher: RandomState,
    held: AtomicUsize,
    writer: Mutex<()>,
    most: usize,
    clock: Arc<dyn Clock>,
}

type Shard = HashMap<u64, Vec<Arc<Entry>>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Named {
    Token,
    Subject,
}

struct Entry {
    named: Named,
    issuer: Box<str>,
    name: Box<str>,
    /// Of a subject: only tokens issued before are revoked.
    issued_before: UnixTime,
    keep_until: UnixTime,
}

/// All places are taken by revocations that still matter; the new one was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct RevocationsFull;

impl MemoryRevocations {
    /// An empty list of up to 65,536 revocations.
    #[must_use]
    pub fn new() -> Self {
        MemoryRevocations {
            shards: (0..SHARDS).map(|_| ArcSwap::default()).collect(),
            hasher: RandomState::new(),
            held: AtomicUsize::new(0),
            writer: Mutex::new(()),
            most: MAX_REVOCATIONS,
            clock: Arc::new(SystemClock),
        }
    }

    /// Holds at most so many instead.
    #[must_use]
    pub fn max_entries(mut self, revocations: usize) -> Self {
        self.most = revocations;
        self
    }

    /// Tells by this clock what can be forgotten, instead of the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Revokes the token that `issuer` named `token_id` (`jti`) and that ends at `expires_at`; where that is not known, say
    /// `UnixTime::MAX`.
    ///
    /// # Errors
    /// [`RevocationsFull`], and then the token still passes.
    pub fn revoke_token(&self, issuer: &str, token_id: &str, expires_at: UnixTime) -> Result<(), RevocationsFull> {
        self.add(Named::Token, issuer, token_id, UnixTime::MAX, expires_at)
    }

    /// Revokes every token of this subject that was issued before `issued_before`, and those that do not say when they
    /// were issued. `longest_life` is how long the issuer's tokens live at most: after it, the revocation is forgotten.
    ///
    /// Issuers write whole seconds: who signs in again within the same second may have to do so once more.
    ///
    /// # Errors
    /// [`RevocationsFull`], and then the tokens still pass.
    pub fn revoke_subject(
        &self,
        issuer: &str,
        subject: &str,
        issued_before: UnixTime,
        longest_life: Duration,
    ) -> Result<(), RevocationsFull> {
        self.add(Named::Subject, issuer, subject, issued_before, issued_before.saturating_add(longest_life))
    }

    /// How many revocations are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn add(
        &self,
        named: Named,
        issuer: &str,
        name: &str,
        issued_before: UnixTime,
        ends: UnixTime,
    ) -> Result<(), RevocationsFull> {
        let _alone = self.alone();
        let known = self.find(named, issuer, name);
        if known.is_none() && self.len() >= self.most {
            (0..SHARDS).for_each(|shard| self.change(shard, |_| ()));
            if self.len() >= self.most {
                return Err(RevocationsFull);
            }
        }
        // Of two revocations of one name, the further-reaching stands.
        let before = known.as_ref().map_or(issued_before, |known| known.issued_before.max(issued_before));
        let keep_until = ends.saturating_add(KEEP_PAST_END);
        let keep_until = known.as_ref().map_or(keep_until, |known| known.keep_until.max(keep_until));
        let entry = Entry { named, issuer: issuer.into(), name: name.into(), issued_before: before, keep_until };
        let hash = self.hash(named, issuer, name);
        self.change(shard_of(hash), |shard| {
            let same = shard.entry(hash).or_default();
            same.retain(|old| !old.is(named, issuer, name));
            same.push(Arc::new(entry));
        });
        Ok(())
    }

    /// Copies a shard, drops what is over, changes it and puts it back. The writer's lock is held.
    fn change(&self, shard: usize, change: impl FnOnce(&mut Shard)) {
        let Some(cell) = self.shards.get(shard) else { return };
        let now = self.clock.now();
        let count = |shard: &Shard| shard.values().map(Vec::len).sum::<usize>();
        let mut copy = Shard::clone(&cell.load());
        let before = count(&copy);
        copy.retain(|_, same| {
            same.retain(|entry| now <= entry.keep_until);
            !same.is_empty()
        });
        change(&mut copy);
        let after = count(&copy);
        cell.store(Arc::new(copy));
        let held = self.len().saturating_sub(before).saturating_add(after);
        self.held.store(held, Ordering::Release);
    }

    fn find(&self, named: Named, issuer: &str, name: &str) -> Option<Arc<Entry>> {
        let hash = self.hash(named, issuer, name);
        let shard = self.shards.get(shard_of(hash))?.load();
        shard.get(&hash)?.iter().find(|entry| entry.is(named, issuer, name)).cloned()
    }

    fn hash(&self, named: Named, issuer: &str, name: &str) -> u64 {
        self.hasher.hash_one((named, issuer, name))
    }

    fn alone(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_revoked(&self, token: &Verified) -> bool {
        if self.is_empty() {
            return false;
        }
        let issuer = token.issuer();
        let by_id = token.token_id().and_then(|id| self.find(Named::Token, issuer, id));
        let by_subject = || self.find(Named::Subject, issuer, token.subject());
        by_id.is_some()
            || by_subject().is_some_and(|entry| token.issued_at().is_none_or(|issued| issued < entry.issued_before))
    }
}

impl RevocationCheck for MemoryRevocations {
    fn check(&self, token: &Arc<Verified>) -> RevocationQuery {
        RevocationQuery::Known(if self.is_revoked(token) { RevocationStatus::Revoked } else { RevocationStatus::Valid })
    }
}

impl Entry {
    fn is(&self, named: Named, issuer: &str, name: &str) -> bool {
        self.named == named && *self.issuer == *issuer && *self.name == *name
    }
}

impl Default for MemoryRevocations {
    fn default() -> Self {
        Self::new()
    }
}

/// Numbers only: names of subjects are personal.
impl fmt::Debug for MemoryRevocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRevocations").field("held", &self.len()).field("most", &self.most).finish_non_exhaustive()
    }
}

impl fmt::Display for RevocationsFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the list of revocations is full; raise max_entries, and shorten tokens")
    }
}

impl std::error::Error for RevocationsFull {}

fn shard_of(hash: u64) -> usize {
    usize::try_from(hash % SHARDS as u64).unwrap_or_default()
}
