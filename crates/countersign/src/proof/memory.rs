//! Used proofs in the memory of one process.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use countersign_core::clock::{Clock, UnixTime};
use countersign_core::error::Fault;
use countersign_core::integration::{DigestKey, NestedUnit, NestedUnits, caller_keys};

use super::replay::{ProofUse, ReplayOutcome, ReplayQuery, ReplayStore};
use super::replay_counts::ReplayCounts;
use super::replay_stats::ReplayStats;
use super::used_names::{Slice, UsedNames};

/// The most proofs of one issuer that are remembered.
const MAX_PROOFS: usize = 524_288;

/// Parts that are locked one at a time.
const SHARDS: usize = 64;

/// Proofs whose end is within the same so many seconds are forgotten together.
const BUCKET_SECONDS: u64 = 8;

/// Remembers used proofs in memory, each until it is too old to be used again.
///
/// It holds up to 524,288 proofs of one issuer, and twice as many of all, which takes up to 28 MB, and up to 185 MB if each
/// is of another client and subject. One client gets at most half of what is free to its issuer, and one subject half of what is
/// free to its client: about 1,800 requests a second for a user, and 3,700 for a service that calls for itself. Others are still
/// served, and its own further proofs get 503.
///
/// A proof that was made before the store is refused, because it may have been used before. One exception remains: a client
/// whose clock is ahead, which is accepted up to 10 s, dates its proofs later, so a proof that it used in the last seconds before
/// a restart may count once more. Demand [nonces](super::Nonces) of this process if that matters.
///
/// If the wall clock is set back, proofs from before the latest one that was forgotten are refused, with 503 while the clock is
/// behind what the store has seen.
///
/// Layers share a store only if they are made of clones of one [`Dpop`](super::Dpop), or get the same one. Several instances behind
/// one address need one that they share; see [`ReplayStore`]. With this one, a proof counts once for each instance.
pub struct MemoryReplays {
    shards: Box<[Mutex<Shard>]>,
    key: DigestKey,
    max_proofs: usize,
    started: OnceLock<UnixTime>,
    counts: ReplayCounts,
}

struct Shard {
    used: UsedNames,
    /// The proofs by the time of their end, the earliest first. There are few: a proof is accepted for minutes.
    ends: Vec<Ended>,
    /// All proofs that ended before this time, in [`BUCKET_SECONDS`], are forgotten.
    forgotten_until: u64,
    /// Of issuers, their clients, and the subjects of those.
    shares: NestedUnits<3>,
    bound: u32,
}

/// Proofs that are forgotten together.
struct Ended {
    /// The time of their end, in [`BUCKET_SECONDS`].
    end: u64,
    /// Marks their names.
    slice: Slice,
    /// Their units in the shares.
    units: Vec<NestedUnit>,
}

impl MemoryReplays {
    /// Remembers up to 524,288 proofs of one issuer.
    #[must_use]
    pub fn new() -> Self {
        MemoryReplays {
            shards: shards(MAX_PROOFS),
            key: DigestKey::random(),
            max_proofs: MAX_PROOFS,
            started: OnceLock::new(),
            counts: ReplayCounts::default(),
        }
    }

    /// Sets about how many proofs of one issuer are remembered, spread over 64 parts; twice as many of all issuers.
    #[must_use]
    pub fn max_proofs(mut self, proofs: usize) -> Self {
        self.max_proofs = proofs;
        self.shards = shards(proofs);
        self
    }

    fn record(&self, proof: &ProofUse<'_>) -> ReplayOutcome {
        let started = *self.started.get_or_init(|| proof.now);
        if started.as_secs() > proof.issued_at().as_secs() {
            return if proof.now < started { ReplayOutcome::Unknown } else { ReplayOutcome::Forgotten };
        }
        // 64 bits under a random key: nobody finds two proofs of one name, and by chance, a new proof among a million has the
        // name of another once in 2^44 times. It is refused then.
        let name = self.key.short_digest(&[proof.key().as_bytes(), proof.id().as_bytes()]);
        self.shard(name).record(name, caller_keys(proof.token), proof.ends_at(), proof.now)
    }

    fn shard(&self, name: u64) -> MutexGuard<'_, Shard> {
        let index = usize::try_from(name >> 32 & 0xff).unwrap_or_default() % SHARDS; // other bits than those of the table
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner) // index < SHARDS, the number of shards
    }
}

fn shards(max_proofs: usize) -> Box<[Mutex<Shard>]> {
    let of_one = u32::try_from(max_proofs.div_ceil(SHARDS).max(1)).unwrap_or(u32::MAX / 2);
    (0..SHARDS).map(|_| Mutex::new(Shard::new(of_one))).collect()
}

impl Shard {
    fn new(of_one: u32) -> Self {
        let bound = of_one.saturating_mul(2);
        let shares = NestedUnits::new(bound, [of_one; 3]);
        Shard { used: UsedNames::new(), ends: Vec::new(), forgotten_until: 0, shares, bound }
    }

    fn record(&mut self, name: u64, caller: [Option<u64>; 3], ends_at: UnixTime, now: UnixTime) -> ReplayOutcome {
        self.forget(now);
        let end = ends_at.as_secs() / BUCKET_SECONDS;
        if end < self.forgotten_until {
            let is_behind = self.forgotten_until > now.as_secs() / BUCKET_SECONDS + 1;
            return if is_behind { ReplayOutcome::Unknown } else { ReplayOutcome::Forgotten };
        }
        let Some(vacant) = self.used.vacant(name) else { return ReplayOutcome::Used };
        let Ok(unit) = self.shares.take(caller) else {
            let is_full = self.shares.in_use() >= self.bound;
            return if is_full { ReplayOutcome::Unknown } else { ReplayOutcome::ShareUsedUp };
        };
        let Some(ended) = self.ended_at(end) else {
            self.shares.give_back(unit);
            return ReplayOutcome::Unknown;
        };
        ended.units.push(unit);
        let slice = ended.slice;
        self.used.insert(vacant, slice);
        ReplayOutcome::New
    }

    /// Forgets the proofs that are too old to be used again. A proof that ended within the same seconds is refused from then
    /// on, even if the clock is set back.
    fn forget(&mut self, now: UnixTime) {
        let current = now.as_secs() / BUCKET_SECONDS;
        let count = self.ends.iter().take_while(|ended| ended.end < current).count();
        if count == 0 {
            return;
        }
        let mut slices = Vec::with_capacity(count);
        for Ended { end, slice, units } in self.ends.drain(..count) {
            self.forgotten_until = self.forgotten_until.max(end + 1);
            slices.push(slice);
            units.into_iter().for_each(|unit| self.shares.give_back(unit));
        }
        self.used.remove(&slices);
    }

    /// The proofs of this end, or `None` if there are more different ends than marks.
    fn ended_at(&mut self, end: u64) -> Option<&mut Ended> {
        let index = match self.ends.binary_search_by_key(&end, |ended| ended.end) {
            Ok(index) => index,
            Err(index) => {
                let slice = (1..=Slice::MAX).find(|slice| self.ends.iter().all(|ended| ended.slice != *slice))?;
                self.ends.insert(index, Ended { end, slice, units: Vec::new() });
                index
            }
        };
        self.ends.get_mut(index)
    }
}

impl ReplayStore for MemoryReplays {
    fn insert(&self, proof: &ProofUse<'_>) -> ReplayQuery {
        ReplayQuery::Known(self.counts.count(self.record(proof)))
    }

    fn attach(&self, clock: &Arc<dyn Clock>) -> Vec<Fault> {
        self.started.get_or_init(|| clock.now());
        Vec::new()
    }

    fn stats(&self) -> Option<ReplayStats> {
        let of_shard = |shard: &Mutex<Shard>| shard.lock().unwrap_or_else(PoisonError::into_inner).used.len();
        Some(self.counts.stats(Some(self.shards.iter().map(of_shard).sum())))
    }
}

impl Default for MemoryReplays {
    fn default() -> Self {
        Self::new()
    }
}

/// Only numbers: names of proofs identify clients.
impl fmt::Debug for MemoryReplays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryReplays").field("max_proofs", &self.max_proofs).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Beside a map of names to their ends.
        #[test]
        fn s6_11_s6_12_each_proof_counts_once_until_it_is_too_old(
            bound in 8u32..256,
            steps in prop::collection::vec((0u64..300, 0u64..3, 0u64..90, -20i64..30), 1..200),
        ) {
            let mut shard = Shard::new(bound);
            let mut model: HashMap<u64, u64> = HashMap::new();
            let (mut now, mut forgotten_until) = (1_000_000u64, 0);
            for (number, caller, age, passed) in steps {
                // Now and then, the clock is set back.
                now = now.saturating_add_signed(passed);
                model.retain(|_, end| {
                    let is_over = *end < now / BUCKET_SECONDS;
                    forgotten_until = if is_over { forgotten_until.max(*end + 1) } else { forgotten_until };
                    !is_over
                });
                let (ends_at, end) = (UnixTime::from_secs(now + age), (now + age) / BUCKET_SECONDS);
                let caller = [Some(caller << 50), None, None];
                let outcome = shard.record(number << 40, caller, ends_at, UnixTime::from_secs(now));
                match outcome {
                    _ if end < forgotten_until => {
                        prop_assert!(matches!(outcome, ReplayOutcome::Forgotten | ReplayOutcome::Unknown), "{outcome:?}");
                    }
                    ReplayOutcome::New => prop_assert!(model.insert(number, end).is_none(), "{number} was used"),
                    ReplayOutcome::Used => prop_assert!(model.contains_key(&number), "{number} is new"),
                    _ => prop_assert!(model.len() >= bound as usize / 2, "{outcome:?} with {} of {bound}", model.len()),
                }
                prop_assert_eq!(shard.used.len(), model.len());
                prop_assert_eq!(shard.shares.in_use() as usize, model.len());
            }
        }
    }

    #[test]
    fn s6_14_more_different_ends_than_marks_are_unknown() {
        let mut shard = Shard::new(1_000);
        let mut record = |number: u64, now| {
            let end = UnixTime::from_secs(1_000_000 + number * BUCKET_SECONDS);
            shard.record(number, [None; 3], end, UnixTime::from_secs(now))
        };
        for number in 0..255 {
            assert_eq!(record(number, 1_000_000), ReplayOutcome::New, "{number}");
        }
        assert_eq!(record(255, 1_000_000), ReplayOutcome::Unknown);
        assert_eq!(record(255, 1_000_000 + BUCKET_SECONDS), ReplayOutcome::New, "the first is forgotten");
        assert_eq!(record(7, 1_000_000 + BUCKET_SECONDS), ReplayOutcome::Used);
    }
}
