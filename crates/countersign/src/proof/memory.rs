//! Used proofs in the memory of one process.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use countersign_core::clock::{Clock, UnixTime};
use countersign_core::error::Fault;
use countersign_core::integration::{DigestKey, Hashed, NestedUnit, NestedUnits};

use super::replay::{ProofUse, ReplayOutcome, ReplayQuery, ReplayStore};
use super::replay_counts::ReplayCounts;
use super::replay_stats::ReplayStats;

/// The most proofs of one issuer that are remembered.
const MAX_PROOFS: usize = 524_288;

/// Parts that are locked one at a time.
const SHARDS: usize = 64;

/// Proofs whose end is within the same so many seconds are forgotten together.
const BUCKET_SECONDS: u64 = 8;

/// Remembers used proofs in memory, each until it is too old to be used again.
///
/// It holds up to 524,288 proofs of one issuer, and twice as many of all, which takes up to 45 MB, and four times as much if each
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
    callers: RandomState,
    max_proofs: usize,
    started: OnceLock<UnixTime>,
    counts: ReplayCounts,
}

struct Shard {
    /// Only names: each look-up reads memory that is in no cache of the processor.
    used: HashSet<u64, BuildHasherDefault<Hashed>>,
    /// The proofs by the time of their end, in [`BUCKET_SECONDS`].
    ends: BTreeMap<u64, Ended>,
    /// All proofs that ended before this time, in [`BUCKET_SECONDS`], are forgotten.
    forgotten_until: u64,
    /// Of issuers, their clients, and the subjects of those.
    shares: NestedUnits<3>,
    bound: u32,
}

/// Proofs that are forgotten together, with their units in the shares.
#[derive(Default)]
struct Ended {
    names: Vec<u64>,
    units: Vec<NestedUnit>,
}

impl MemoryReplays {
    /// Remembers up to 524,288 proofs of one issuer.
    #[must_use]
    pub fn new() -> Self {
        MemoryReplays {
            shards: shards(MAX_PROOFS),
            key: DigestKey::random(),
            callers: RandomState::new(),
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
        let digest = self.key.digest_parts(&[proof.key().as_bytes(), proof.id().as_bytes()]);
        let name = (digest.to_number() >> 64) as u64;
        let caller = self.caller(proof);
        let mut shard = self.shard(name);
        shard.forget(proof.now);
        let end = proof.ends_at().as_secs() / BUCKET_SECONDS;
        if end < shard.forgotten_until {
            let is_behind = shard.forgotten_until > proof.now.as_secs() / BUCKET_SECONDS + 1;
            return if is_behind { ReplayOutcome::Unknown } else { ReplayOutcome::Forgotten };
        }
        // In one step: each look-up among a million names is a miss of the processor's caches.
        if !shard.used.insert(name) {
            return ReplayOutcome::Used;
        }
        let Ok(unit) = shard.shares.take(caller) else {
            shard.used.remove(&name);
            let is_full = shard.shares.in_use() >= shard.bound;
            return if is_full { ReplayOutcome::Unknown } else { ReplayOutcome::ShareUsedUp };
        };
        let ended = shard.ends.entry(end).or_default();
        ended.names.push(name);
        ended.units.push(unit);
        ReplayOutcome::New
    }

    /// The issuer, client and subject of the token. A token without a client counts with its key, and a client that calls for
    /// itself has no subject beside it.
    fn caller(&self, proof: &ProofUse<'_>) -> [Option<u64>; 3] {
        let token = proof.token;
        let client = token.client_id().filter(|client| !client.is_empty());
        let subject = Some(token.subject()).filter(|subject| client != Some(subject));
        let client_or_key = match client {
            Some(client) => self.callers.hash_one(client),
            None => self.callers.hash_one(proof.key()),
        };
        [
            Some(self.callers.hash_one(token.issuer())),
            Some(client_or_key),
            subject.map(|name| self.callers.hash_one(name)),
        ]
    }

    fn shard(&self, name: u64) -> MutexGuard<'_, Shard> {
        let index = usize::try_from(name >> 32 & 0xff).unwrap_or_default() % SHARDS; // other bits than those of the table
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner) // index < SHARDS, the number of shards
    }
}

fn shards(max_proofs: usize) -> Box<[Mutex<Shard>]> {
    let of_one = u32::try_from(max_proofs.div_ceil(SHARDS).max(1)).unwrap_or(u32::MAX / 2);
    let bound = of_one.saturating_mul(2);
    let shard = || Shard {
        used: HashSet::default(),
        ends: BTreeMap::new(),
        forgotten_until: 0,
        shares: NestedUnits::new(bound, [of_one; 3]),
        bound,
    };
    (0..SHARDS).map(|_| Mutex::new(shard())).collect()
}

impl Shard {
    /// Forgets the proofs that are too old to be used again. A proof that ended within the same seconds is refused from then
    /// on, even if the clock is set back.
    fn forget(&mut self, now: UnixTime) {
        let current = now.as_secs() / BUCKET_SECONDS;
        while let Some(bucket) = self.ends.first_entry().filter(|bucket| *bucket.key() < current) {
            self.forgotten_until = self.forgotten_until.max(bucket.key() + 1);
            let Ended { names, units } = bucket.remove();
            for name in names {
                self.used.remove(&name);
            }
            units.into_iter().for_each(|unit| self.shares.give_back(unit));
        }
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
