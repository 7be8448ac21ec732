//! The identifiers of security event tokens that were received.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::integration::{IdentifierKind, NestedUnit, NestedUnits, identifier_digest};

/// The most identifiers that are remembered. One issuer has at most half.
const MAX_SEEN: u32 = 65_536;

/// The time between two searches for identifiers that are over.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Remembers which tokens were received. Only genuine ones get here, so no untrusted client fills it.
#[derive(Clone, Debug)]
pub(super) struct Seen(Arc<Mutex<Tokens>>);

#[derive(Debug)]
struct Tokens {
    until: HashMap<u128, (UnixTime, NestedUnit)>,
    units: NestedUnits<1>,
    hasher: RandomState,
    swept_at: Option<UnixTime>,
}

/// The reason for which a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotNew {
    /// It was received before, or is being received.
    Repeated,
    /// Its issuer's share is used up.
    Full,
}

/// A token that is being received. Dropped before it is [kept](Self::keep), it can be received again.
#[derive(Debug)]
pub(super) struct Received {
    seen: Seen,
    digest: u128,
    is_kept: bool,
}

impl Seen {
    pub(super) fn new() -> Self {
        let (until, units) = (HashMap::new(), NestedUnits::new(MAX_SEEN, [MAX_SEEN]));
        Seen(Arc::new(Mutex::new(Tokens { until, units, hasher: RandomState::new(), swept_at: None })))
    }

    /// Begins to receive the token of `issuer` with this `jti`, which is remembered until a time.
    pub(super) fn begin(
        &self,
        issuer: &str,
        token_id: &str,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<Received, NotNew> {
        let digest = identifier_digest(IdentifierKind::Token, issuer, token_id).to_number();
        let tokens = &mut *self.lock();
        if tokens.until.contains_key(&digest) {
            return Err(NotNew::Repeated);
        }
        let share = tokens.hasher.hash_one(issuer);
        let unit = tokens.units.take([Some(share)]).or_else(|_| {
            tokens.sweep(now);
            tokens.units.take([Some(share)])
        });
        tokens.until.insert(digest, (until, unit.map_err(|_| NotNew::Full)?));
        Ok(Received { seen: self.clone(), digest, is_kept: false })
    }

    fn lock(&self) -> MutexGuard<'_, Tokens> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tokens {
    fn sweep(&mut self, now: UnixTime) {
        let since = |last: UnixTime| now.saturating_since(last).max(last.saturating_since(now));
        if self.swept_at.is_some_and(|last| since(last) < SWEEP_EVERY) {
            return;
        }
        self.swept_at = Some(now);
        let Tokens { until, units, .. } = self;
        until.retain(|_, (until, unit)| {
            let is_kept = now <= *until;
            if !is_kept {
                units.give_back(*unit);
            }
            is_kept
        });
    }
}

impl Received {
    /// Remembers the token.
    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if !self.is_kept {
            let tokens = &mut *self.seen.lock();
            if let Some((_, unit)) = tokens.until.remove(&self.digest) {
                tokens.units.give_back(unit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s14_10_a_token_is_received_once_and_again_if_it_was_not_kept() {
        let (seen, now) = (Seen::new(), UnixTime::from_secs(1_000));
        let begin = |issuer: &str, id: &str| seen.begin(issuer, id, now, now);
        let first = begin("https://a.test", "1").expect("new");
        assert_eq!(begin("https://a.test", "1").err(), Some(NotNew::Repeated), "it is being received");
        drop(first);
        begin("https://a.test", "1").expect("nobody has it").keep();
        assert_eq!(begin("https://a.test", "1").err(), Some(NotNew::Repeated));
        begin("https://b.test", "1").expect("another issuer's").keep();
    }

    #[test]
    fn s15_01_one_issuer_fills_half_and_its_old_tokens_make_room() {
        let (seen, now) = (Seen::new(), UnixTime::from_secs(1_000));
        let begin = |issuer: &str, id: u32, now| seen.begin(issuer, &id.to_string(), UnixTime::from_secs(1_500), now);
        let taken = (0..MAX_SEEN).filter_map(|id| begin("https://a.test", id, now).ok().map(Received::keep)).count();
        assert_eq!(taken, 32_768);
        assert_eq!(begin("https://a.test", MAX_SEEN, now).err(), Some(NotNew::Full));
        begin("https://b.test", 1, now).expect("room").keep();
        begin("https://a.test", MAX_SEEN, UnixTime::from_secs(1_501)).expect("the others are over").keep();
    }
}
