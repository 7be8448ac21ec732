//! Units in use at the same time, shared among keys and, within each key, among those that belong to it.

use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::nested_units::{NestedUnit, NestedUnits};
use super::shares::{KeyHasher, OverBudget};

/// A number of units in use at the same time, shared fairly on several levels, such as issuers, their clients, and their
/// subjects. Clones share the budget.
///
/// A key gets a unit only while it has fewer than are still free to the key above it. However many keys of one issuer
/// are busy, another one of that issuer finds room, and another issuer too. A separate [`OccupancyBudget`] for each level would
/// not do that: its keys share the units of all issuers, so two of them can use up the part of their own.
///
/// ```
/// use countersign_core::integration::NestedBudget;
///
/// let entries = NestedBudget::new(400, [200, 200]);
/// let place = |issuer: &str, subject: &str| {
///     entries.acquire([Some(entries.key(issuer)), Some(entries.key(subject))])
/// };
/// let busy: Vec<_> = std::iter::from_fn(|| place("https://id.example.com", "ann").ok()).collect();
/// assert_eq!(busy.len(), 100, "half of what is free to the issuer");
/// assert!(place("https://id.example.com", "bob").is_ok());
/// ```
///
/// [`OccupancyBudget`]: super::OccupancyBudget
#[derive(Clone)]
pub struct NestedBudget<const LEVELS: usize> {
    inner: Arc<Inner<LEVELS>>,
}

struct Inner<const LEVELS: usize> {
    hasher: KeyHasher,
    units: Mutex<NestedUnits<LEVELS>>,
}

/// A unit in use. Dropping it returns the unit on every level.
///
/// ```
/// use countersign_core::integration::{NestedBudget, NestedPermit};
///
/// let budget = NestedBudget::new(2, [1]);
/// let permit: NestedPermit<1> = budget.acquire([Some(budget.key("a"))])?;
/// assert!(budget.acquire([Some(budget.key("a"))]).is_err());
/// drop(permit);
/// assert!(budget.acquire([Some(budget.key("a"))]).is_ok());
/// # Ok::<(), countersign_core::integration::OverBudget>(())
/// ```
pub struct NestedPermit<const LEVELS: usize> {
    inner: Arc<Inner<LEVELS>>,
    unit: NestedUnit,
}

impl<const LEVELS: usize> NestedBudget<LEVELS> {
    /// A budget of `units` at the same time, of which a key gets at most the share of its level.
    #[must_use]
    pub fn new(units: u32, shares: [u32; LEVELS]) -> Self {
        let units = Mutex::new(NestedUnits::new(units, shares));
        NestedBudget { inner: Arc::new(Inner { hasher: KeyHasher::default(), units }) }
    }

    /// The key of this name. It counts with those above it in a path: subjects of two issuers may have the same name.
    #[must_use]
    pub fn key(&self, name: &(impl Hash + ?Sized)) -> u64 {
        self.inner.hasher.hash(name)
    }

    /// Takes a unit for the keys of this path, from the outermost to the innermost. A level without a key is skipped.
    ///
    /// # Errors
    /// If a share on one of the levels, or the bound, is used up.
    pub fn acquire(&self, path: [Option<u64>; LEVELS]) -> Result<NestedPermit<LEVELS>, OverBudget> {
        let unit = self.inner.lock().take(path)?;
        Ok(NestedPermit { inner: Arc::clone(&self.inner), unit })
    }

    /// The number of units in use.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        self.inner.lock().in_use()
    }
}

impl<const LEVELS: usize> Inner<LEVELS> {
    fn lock(&self) -> MutexGuard<'_, NestedUnits<LEVELS>> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<const LEVELS: usize> Drop for NestedPermit<LEVELS> {
    fn drop(&mut self) {
        self.inner.lock().give_back(self.unit);
    }
}

impl<const LEVELS: usize> fmt::Debug for NestedBudget<LEVELS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NestedBudget").field("in_use", &self.in_use()).finish_non_exhaustive()
    }
}

impl<const LEVELS: usize> fmt::Debug for NestedPermit<LEVELS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NestedPermit").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Permits = Vec<NestedPermit<3>>;

    /// Takes units for this path until it gets none.
    fn fill(budget: &NestedBudget<3>, permits: &mut Permits, path: [Option<u64>; 3]) -> usize {
        let before = permits.len();
        permits.extend(std::iter::from_fn(|| budget.acquire(path).ok()));
        permits.len() - before
    }

    #[test]
    fn s15_01_however_many_keys_of_one_issuer_are_busy_another_finds_room() {
        let budget = NestedBudget::new(1_024, [1_024, 1_024, 16]);
        let mut permits = Permits::new();
        let busy: usize =
            (0..1_000).map(|subject| fill(&budget, &mut permits, [Some(1), Some(1), Some(subject)])).sum();
        assert_eq!(busy, 256, "half of the issuer's half");
        let second: usize =
            (0..1_000).map(|subject| fill(&budget, &mut permits, [Some(1), Some(2), Some(5_000 + subject)])).sum();
        assert_eq!(second, 128);
        for client in 3..40 {
            let path = [Some(1), Some(client), Some(10_000 + client)];
            permits.push(budget.acquire(path).expect("room for each other client of the issuer"));
        }
        for issuer in 2..40 {
            let path = [Some(issuer), Some(100 + issuer), Some(20_000 + issuer)];
            permits.push(budget.acquire(path).expect("room for each other issuer"));
        }
        permits.clear();
        assert_eq!(budget.in_use(), 0);
        assert!(budget.inner.lock().is_empty(), "nothing is remembered of keys without units");
    }

    #[test]
    fn a_level_without_a_key_is_skipped() {
        let budget = NestedBudget::new(400, [200, 200, 16]);
        let mut permits = Permits::new();
        assert_eq!(fill(&budget, &mut permits, [Some(1), None, Some(1)]), 16);
        assert_eq!(fill(&budget, &mut permits, [Some(1), None, None]), 184, "the rest of the issuer's share");
        assert!(budget.acquire([Some(1), None, Some(2)]).is_err());
        assert_eq!(fill(&budget, &mut permits, [None, None, None]), 200, "the bound holds without any key");
    }

    #[test]
    fn a_budget_of_nothing_gives_nothing() {
        assert!(NestedBudget::new(0, [1]).acquire([None]).is_err());
        assert!(NestedBudget::new(1, [0]).acquire([Some(1)]).is_err());
    }

    #[test]
    fn s15_01_a_key_leaves_others_room_in_a_share_that_is_small() {
        let budget = NestedBudget::new(100, [10, 10]);
        let place = |subject| budget.acquire([Some(budget.key("issuer")), Some(budget.key(subject))]);
        let busy: Vec<_> = std::iter::from_fn(|| place("ann").ok()).collect();
        assert_eq!(busy.len(), 5, "half of what its issuer may have");
        assert!(place("bob").is_ok());
    }
}
