//! Units per time.

use std::fmt;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::shares::{KeyHash, KeyHasher, OverBudget, Shares, Standing};

/// A number of units in each window of time, shared fairly among keys.
///
/// ```
/// use std::time::Duration;
/// use countersign_core::integration::{RateBudget, Standing};
///
/// let attempts = RateBudget::new(100, Duration::from_secs(10)).share(10);
/// let now = Duration::from_secs(5);
/// let spent = attempts.spend(&("client", "192.0.2.1"), Standing::Known, now)?;
/// attempts.refund(spent); // for example, because the secret was right
/// # Ok::<(), countersign_core::integration::OverBudget>(())
/// ```
pub struct RateBudget {
    hasher: KeyHasher,
    window: Duration,
    current: Mutex<Window>,
}

struct Window {
    began: Duration,
    shares: Shares,
}

/// A unit that was spent, for a [refund](RateBudget::refund).
///
/// ```
/// use std::time::Duration;
/// use countersign_core::integration::{RateBudget, Spent, Standing};
///
/// let budget = RateBudget::new(1, Duration::from_secs(1));
/// let spent: Spent = budget.spend("a", Standing::Known, Duration::ZERO)?;
/// budget.refund(spent);
/// assert!(budget.spend("b", Standing::Known, Duration::ZERO).is_ok());
/// # Ok::<(), countersign_core::integration::OverBudget>(())
/// ```
#[derive(Debug)]
pub struct Spent {
    window: Duration,
    key: KeyHash,
    standing: Standing,
}

impl RateBudget {
    /// A budget of `units` in each `window`.
    #[must_use]
    pub fn new(units: u32, window: Duration) -> Self {
        let current = Window { began: Duration::ZERO, shares: Shares::new(units) };
        RateBudget { hasher: KeyHasher::default(), window, current: Mutex::new(current) }
    }

    /// Limits each key to `units` in a window, in addition to the fair share.
    #[must_use]
    pub fn share(mut self, units: u32) -> Self {
        self.current.get_mut().unwrap_or_else(PoisonError::into_inner).shares.share = units;
        self
    }

    /// Spends a unit for `key`.
    ///
    /// # Errors
    /// The time until the next window, if the key's share or the bound is used up.
    pub fn spend(
        &self,
        key: &(impl Hash + ?Sized),
        standing: Standing,
        elapsed: Duration,
    ) -> Result<Spent, OverBudget> {
        let key = self.hasher.hash(key);
        let mut current = self.lock(elapsed);
        if current.shares.take(key, standing, 1) {
            return Ok(Spent { window: current.began, key, standing });
        }
        Err(OverBudget { retry_after: self.left(&current, elapsed) })
    }

    /// Returns the unit, if its window still runs.
    #[allow(clippy::needless_pass_by_value, reason = "a unit is returned once")]
    pub fn refund(&self, spent: Spent) {
        let Spent { window, key, standing } = spent;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.began == window {
            current.shares.give_back(key, standing, 1);
        }
    }

    /// Reports whether every key would be refused, and until when.
    ///
    /// # Errors
    /// The time until the next window, if the bound is used up.
    pub fn check(&self, elapsed: Duration) -> Result<(), OverBudget> {
        let current = self.lock(elapsed);
        if current.shares.is_full() { Err(OverBudget { retry_after: self.left(&current, elapsed) }) } else { Ok(()) }
    }

    /// Returns whether every newcomer would be refused.
    pub(super) fn is_full_for_newcomers(&self, elapsed: Duration) -> bool {
        self.lock(elapsed).shares.is_full_for_newcomers()
    }

    /// The window at `elapsed`. A clock that goes back stays in its window.
    fn lock(&self, elapsed: Duration) -> std::sync::MutexGuard<'_, Window> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if elapsed >= current.began.saturating_add(self.window) {
            current.shares.clear();
            current.began = elapsed;
        }
        current
    }

    fn left(&self, current: &Window, elapsed: Duration) -> Duration {
        current.began.saturating_add(self.window).saturating_sub(elapsed).min(self.window)
    }
}

impl fmt::Debug for RateBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateBudget").field("window", &self.window).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn s15_01_one_key_at_a_thousand_a_second_leaves_the_others_alone() {
        let budget = RateBudget::new(20, SECOND);
        for second in 0..10 {
            let mut busy = 0;
            for tick in 0..1_000 {
                let now = SECOND * second + Duration::from_millis(tick);
                busy += u32::from(budget.spend("busy", Standing::Known, now).is_ok());
                if tick % 250 == 249 {
                    assert!(budget.spend("quiet", Standing::Known, now).is_ok(), "{now:?}");
                }
            }
            assert!(busy <= 10, "{busy}");
        }
    }

    #[test]
    fn a_refused_caller_is_given_the_end_of_the_window() {
        let budget = RateBudget::new(2, SECOND).share(1);
        assert!(budget.spend("a", Standing::Known, SECOND * 7).is_ok());
        let error = budget.spend("a", Standing::Known, SECOND * 7 + SECOND / 4).expect_err("its share is one");
        assert_eq!(error.retry_after, SECOND * 3 / 4);
        assert!(budget.check(SECOND * 7).is_ok() && budget.spend("b", Standing::Known, SECOND * 7).is_ok());
        assert_eq!(budget.check(SECOND * 7), Err(OverBudget { retry_after: SECOND }));
        assert_eq!(budget.check(Duration::ZERO), Err(OverBudget { retry_after: SECOND }), "a clock that went back");
        assert!(budget.spend("a", Standing::Known, SECOND * 8).is_ok());
    }

    #[test]
    fn a_refund_counts_only_in_its_window() {
        let budget = RateBudget::new(2, SECOND).share(1);
        let spent = budget.spend("a", Standing::Known, SECOND).expect("free");
        budget.refund(spent);
        let old = budget.spend("a", Standing::Known, SECOND).expect("refunded");
        assert!(budget.spend("a", Standing::Known, SECOND * 2).is_ok());
        budget.refund(old);
        assert!(budget.spend("a", Standing::Known, SECOND * 2).is_err());
    }
}
