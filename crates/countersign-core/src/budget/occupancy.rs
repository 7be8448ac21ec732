//! Units in use at the same time.

use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::shares::{KeyHash, KeyHasher, OverBudget, Shares, Standing};

/// The `retry_after` of refusals, unless set: the end of other permits is not known.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A number of units in use at the same time, shared fairly among keys. Clones share the budget.
///
/// A store keeps the [`Permit`] in its entry: removing the entry returns the unit.
///
/// ```
/// use countersign_core::integration::{OccupancyBudget, Standing};
///
/// let entries = OccupancyBudget::new(100_000);
/// let permit = entries.acquire("client", Standing::Known)?;
/// assert_eq!(entries.in_use(), 1);
/// drop(permit);
/// assert_eq!(entries.in_use(), 0);
/// # Ok::<(), countersign_core::integration::OverBudget>(())
/// ```
#[derive(Clone)]
pub struct OccupancyBudget {
    inner: Arc<Inner>,
    retry_after: Duration,
}

struct Inner {
    hasher: KeyHasher,
    shares: Mutex<Shares>,
}

/// Units in use. Dropping it returns them.
///
/// ```
/// use countersign_core::integration::{OccupancyBudget, Permit, Standing};
///
/// let budget = OccupancyBudget::new(1);
/// let permit: Permit = budget.acquire("a", Standing::Known)?;
/// assert!(budget.acquire("b", Standing::Known).is_err());
/// drop(permit);
/// assert!(budget.acquire("b", Standing::Known).is_ok());
/// # Ok::<(), countersign_core::integration::OverBudget>(())
/// ```
pub struct Permit {
    inner: Arc<Inner>,
    key: KeyHash,
    standing: Standing,
    units: u32,
}

impl OccupancyBudget {
    /// A budget of `units` at the same time.
    #[must_use]
    pub fn new(units: u32) -> Self {
        let inner = Inner { hasher: KeyHasher::default(), shares: Mutex::new(Shares::new(units)) };
        OccupancyBudget { inner: Arc::new(inner), retry_after: RETRY_AFTER }
    }

    /// Limits each key to `units`, in addition to the fair share.
    #[must_use]
    pub fn share(self, units: u32) -> Self {
        self.inner.lock().share = units;
        self
    }

    /// Sets the `retry_after` of refusals. Default 1 s.
    #[must_use]
    pub fn retry_after(self, retry_after: Duration) -> Self {
        OccupancyBudget { retry_after, ..self }
    }

    /// Takes a unit for `key`.
    ///
    /// # Errors
    /// If the key's share or the bound is used up.
    pub fn acquire(&self, key: &(impl Hash + ?Sized), standing: Standing) -> Result<Permit, OverBudget> {
        self.acquire_many(key, standing, 1)
    }

    /// Takes several units for `key`, such as the bytes of an entry: all of them, or none.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    pub fn acquire_many(
        &self,
        key: &(impl Hash + ?Sized),
        standing: Standing,
        units: u32,
    ) -> Result<Permit, OverBudget> {
        let key = self.inner.hasher.hash(key);
        if self.inner.lock().take(key, standing, units) {
            return Ok(Permit { inner: Arc::clone(&self.inner), key, standing, units });
        }
        Err(OverBudget { retry_after: self.retry_after })
    }

    /// Returns whether no unit is free.
    pub(super) fn is_full(&self) -> bool {
        self.inner.lock().is_full()
    }

    /// Returns whether no newcomer would get a unit.
    pub(super) fn is_full_for_newcomers(&self) -> bool {
        self.inner.lock().is_full_for_newcomers()
    }

    /// The number of units in use.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        self.inner.lock().total()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Shares> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.inner.lock().give_back(self.key, self.standing, self.units);
    }
}

impl fmt::Debug for OccupancyBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OccupancyBudget").field("in_use", &self.in_use()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s15_01_one_client_cannot_fill_a_store() {
        let store = OccupancyBudget::new(1_000).retry_after(Duration::from_secs(600));
        let mut entries = Vec::new();
        while let Ok(permit) = store.acquire("busy", Standing::Known) {
            entries.push(permit);
        }
        assert_eq!(entries.len(), 500);
        for client in 0..100 {
            entries.push(store.acquire(&client, Standing::Known).expect("room for every other client"));
        }
        let refused = store.acquire("busy", Standing::Known).expect_err("more than its share");
        assert_eq!(refused.retry_after, Duration::from_secs(600));
        entries.clear();
        assert_eq!(store.in_use(), 0);
        assert!(store.acquire("busy", Standing::Known).is_ok());
    }

    #[test]
    fn a_fixed_share_holds_below_the_fair_one() {
        let budget = OccupancyBudget::new(100).share(2);
        let permits: Vec<_> = (0..10).map_while(|_| budget.acquire("a", Standing::Known).ok()).collect();
        assert_eq!(permits.len(), 2);
    }
}
