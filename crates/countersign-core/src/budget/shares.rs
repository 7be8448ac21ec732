//! The rules by which keys share a bound.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::time::Duration;

/// The history of a key. What was good before is served before what was never seen.
///
/// ```
/// use countersign_core::integration::Standing;
///
/// assert!(Standing::Known > Standing::New);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Nothing is known in favour of the key: an untrusted client may have invented it.
    New,
    /// The key was good before, or the operator configured it.
    Known,
}

/// The refusal of a unit, with the time until the next attempt makes sense.
///
/// ```
/// use std::time::Duration;
/// use countersign_core::integration::{OverBudget, RateBudget, Standing};
///
/// let budget = RateBudget::new(1, Duration::from_secs(1));
/// assert!(budget.spend("a", Standing::Known, Duration::ZERO).is_ok());
/// let OverBudget { retry_after } = budget.spend("b", Standing::Known, Duration::ZERO).unwrap_err();
/// assert_eq!(retry_after, Duration::from_secs(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverBudget {
    /// The time after which to try again.
    pub retry_after: Duration,
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the budget is used up; try again in {} s", self.retry_after.as_secs_f64().ceil())
    }
}

impl std::error::Error for OverBudget {}

/// Returns whether a key that has `own` units may have another one while `free` are free: as many as are still free, so that
/// one key takes at most half of the bound, and a key that has none finds room. For counts that are kept elsewhere.
///
/// ```
/// use countersign_core::integration::fair_share;
///
/// assert!(fair_share(60, 59) && !fair_share(60, 60) && !fair_share(0, 0));
/// ```
#[must_use]
pub fn fair_share(free: u64, own: u64) -> bool {
    own < free
}

/// The units in use, by key.
pub(super) struct Shares {
    bound: u32,
    /// The most units that one key may have.
    pub(super) share: u32,
    total: u32,
    /// The units of newcomers.
    newcomers: u32,
    counts: HashMap<KeyHash, u32>,
}

/// The hash of a key, with the random seed of its budget.
pub(super) type KeyHash = u64;

impl Shares {
    pub(super) fn new(bound: u32) -> Self {
        let bound = bound.max(1);
        Shares { bound, share: bound, total: 0, newcomers: 0, counts: HashMap::new() }
    }

    /// Takes units for `key`, all or none, if its share and the bound allow it.
    pub(super) fn take(&mut self, key: KeyHash, standing: Standing, units: u32) -> bool {
        // The last unit is admitted as if the others had been taken one by one before.
        let before_last = units.saturating_sub(1);
        let free = self.bound.saturating_sub(self.total).saturating_sub(before_last);
        let room = match standing {
            Standing::Known => free,
            Standing::New => free.saturating_sub(self.newcomers).saturating_sub(before_last),
        };
        let count = self.counts.get(&key).copied().unwrap_or(0);
        let count_before_last = count.saturating_add(before_last);
        if !fair_share(u64::from(room), u64::from(count_before_last)) || count_before_last >= self.share {
            return false;
        }
        self.counts.insert(key, count + units);
        self.total += units;
        self.newcomers += if standing == Standing::New { units } else { 0 };
        true
    }

    /// Returns whether no unit is free.
    pub(super) fn is_full(&self) -> bool {
        self.total >= self.bound
    }

    /// Returns whether no newcomer would get a unit.
    pub(super) fn is_full_for_newcomers(&self) -> bool {
        self.total.saturating_add(self.newcomers) >= self.bound
    }

    pub(super) fn give_back(&mut self, key: KeyHash, standing: Standing, units: u32) {
        let Some(count) = self.counts.get_mut(&key) else { return };
        *count = count.saturating_sub(units);
        if *count == 0 {
            self.counts.remove(&key);
        }
        self.total = self.total.saturating_sub(units);
        self.newcomers = self.newcomers.saturating_sub(if standing == Standing::New { units } else { 0 });
    }

    pub(super) fn clear(&mut self) {
        self.counts.clear();
        (self.total, self.newcomers) = (0, 0);
    }

    pub(super) fn total(&self) -> u32 {
        self.total
    }
}

/// A hasher for names that are hashes already, under a key that nobody outside knows: it takes their first 64 bits.
#[derive(Debug, Default)]
pub(super) struct Hashed(KeyHash);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Hashes keys with a seed that nobody outside can predict, so that keys cannot be made to collide.
#[derive(Default)]
pub(super) struct KeyHasher(RandomState);

impl KeyHasher {
    pub(super) fn hash(&self, key: &(impl Hash + ?Sized)) -> KeyHash {
        self.0.hash_one(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes units for each key in turn until nobody gets one; returns the units of each.
    fn greedy(shares: &mut Shares, keys: &[(u64, Standing)]) -> Vec<u32> {
        let mut taken = vec![0; keys.len()];
        loop {
            let before: u32 = taken.iter().sum();
            for ((key, standing), taken) in keys.iter().zip(&mut taken) {
                *taken += u32::from(shares.take(*key, *standing, 1));
            }
            if taken.iter().sum::<u32>() == before {
                return taken;
            }
        }
    }

    #[test]
    fn s15_01_busy_keys_leave_room_for_others() {
        let known = |key| (key, Standing::Known);
        assert_eq!(greedy(&mut Shares::new(120), &[known(1)]), [60]);
        assert_eq!(greedy(&mut Shares::new(120), &[known(1), known(2)]), [40, 40]);
        let mut shares = Shares::new(120);
        assert_eq!(greedy(&mut shares, &[known(1), known(2), known(3)]), [30, 30, 30]);
        assert!(shares.take(4, Standing::Known, 1), "a key that has nothing finds room");
    }

    #[test]
    fn s15_03_newcomers_leave_half_to_known_keys() {
        let mut shares = Shares::new(100);
        let taken: u32 = (0..10_000).map(|key| u32::from(shares.take(key, Standing::New, 1))).sum();
        assert_eq!(taken, 50, "however many keys somebody invents");
        assert_eq!(shares.counts.len(), 50, "memory is bounded by the bound");
        let known: u32 = (10_000..10_050).map(|key| u32::from(shares.take(key, Standing::Known, 1))).sum();
        assert_eq!(known, 50);
        assert!(shares.is_full());
    }

    #[test]
    fn several_units_are_taken_as_if_one_by_one() {
        for units in [1, 3, 7, 40] {
            for standing in [Standing::Known, Standing::New] {
                let (mut at_once, mut singly) = (Shares::new(120), Shares::new(120));
                while at_once.take(1, standing, units) {
                    assert!((0..units).all(|_| singly.take(1, standing, 1)), "{units}");
                }
                assert!(!(0..units).all(|_| singly.take(1, standing, 1)), "{units}");
            }
        }
        assert!(!Shares::new(120).take(1, Standing::Known, u32::MAX));
    }

    #[test]
    fn a_key_that_was_given_back_is_forgotten() {
        let mut shares = Shares::new(1);
        assert!(shares.take(1, Standing::New, 1) && !shares.take(2, Standing::Known, 1));
        shares.give_back(1, Standing::New, 1);
        shares.give_back(1, Standing::New, 1);
        assert!(shares.counts.is_empty() && shares.take(2, Standing::Known, 1));
    }
}
