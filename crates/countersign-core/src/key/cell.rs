//! The cell that a key source writes and a verifier reads, without a lock.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};

use super::set::KeySet;

/// The current [`KeySet`] of a source. Reading it takes no lock and never waits.
#[derive(Default)]
pub struct KeyCell {
    current: ArcSwapOption<CurrentKeys>,
}

/// The last epoch of all cells: a source may replace its cell, and an epoch must never come twice.
static LAST_EPOCH: AtomicU64 = AtomicU64::new(0);

fn next_epoch() -> u64 {
    LAST_EPOCH.fetch_add(1, Ordering::Relaxed) + 1
}

/// A key set with the bounds of its use.
pub(crate) struct CurrentKeys {
    pub(crate) set: Arc<KeySet>,
    /// Changes with the keys: a token that was verified in another epoch is verified again.
    pub(crate) epoch: u64,
    usable_until: Option<Duration>,
    is_stale: bool,
    is_withdrawn: bool,
}

impl CurrentKeys {
    /// Returns whether the keys may still be used at `elapsed` (the clock's monotonic reading).
    pub(crate) fn is_usable(&self, elapsed: Duration) -> bool {
        self.usable_until.is_none_or(|until| elapsed < until)
    }

    /// The same keys as a stale set that is used until `usable_until`.
    fn limited(&self, usable_until: Duration, is_withdrawn: bool) -> Self {
        let (set, epoch) = (Arc::clone(&self.set), self.epoch);
        let is_withdrawn = is_withdrawn || self.is_withdrawn;
        let usable_until = Some(if set.is_empty() { Duration::ZERO } else { usable_until });
        CurrentKeys { set, epoch, usable_until, is_stale: true, is_withdrawn }
    }
}

impl KeyCell {
    /// An empty cell.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the current set with `set`, which is used until the clock's `elapsed` reads `usable_until`.
    ///
    /// A set of the same keys keeps the epoch, so that tokens verified with them stay verified.
    pub fn store(&self, set: Arc<KeySet>, usable_until: Option<Duration>) {
        self.current.rcu(move |current| {
            let unchanged = current.as_ref().filter(|current| current.set.has_same_keys(&set));
            let epoch = unchanged.map_or_else(next_epoch, |current| current.epoch);
            let set = Arc::clone(&set);
            Some(Arc::new(CurrentKeys { set, epoch, usable_until, is_stale: false, is_withdrawn: false }))
        });
    }

    /// Keeps the current keys in use as a stale set until `usable_until`, because newer keys cannot be fetched.
    pub fn serve_stale(&self, usable_until: Duration) {
        // A set that another thread stores at the same time is newer: it must not be replaced by the one that was read before.
        self.current.rcu(|current| Some(Arc::new(current.as_ref()?.limited(usable_until, false))));
    }

    /// Ends the use of the current keys at `usable_until`, because the issuer withdrew all its keys. Without current keys,
    /// records only that.
    pub fn withdraw(&self, usable_until: Duration) {
        self.current.rcu(|current| match current {
            Some(current) => Some(Arc::new(current.limited(usable_until, true))),
            None => {
                let (set, epoch, usable_until) = (Arc::new(KeySet::new([])), next_epoch(), Some(Duration::ZERO));
                Some(Arc::new(CurrentKeys { set, epoch, usable_until, is_stale: true, is_withdrawn: true }))
            }
        });
    }

    /// Removes the keys: the verifier answers `keys_unavailable` until a set is stored.
    pub fn clear(&self) {
        self.current.store(None);
    }

    /// The current set, usable or not.
    #[must_use]
    pub fn current(&self) -> Option<Arc<KeySet>> {
        self.current.load().as_ref().map(|current| Arc::clone(&current.set))
    }

    /// Returns whether a set is stored that may be used when the clock's `elapsed` reads `elapsed`.
    #[must_use]
    pub fn is_usable(&self, elapsed: Duration) -> bool {
        self.current.load().as_ref().is_some_and(|current| current.is_usable(elapsed))
    }

    /// Returns whether a set is stored that may be used at `elapsed` and is not served as [stale](Self::serve_stale).
    #[must_use]
    pub fn is_fresh(&self, elapsed: Duration) -> bool {
        self.current.load().as_ref().is_some_and(|current| !current.is_stale && current.is_usable(elapsed))
    }

    /// Returns whether the issuer [withdrew](Self::withdraw) all its keys and has published none since.
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        self.current.load().as_ref().is_some_and(|current| current.is_withdrawn)
    }

    pub(crate) fn load(&self) -> Guard<Option<Arc<CurrentKeys>>> {
        self.current.load()
    }
}

impl fmt::Debug for KeyCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCell").field("current", &self.current()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::VerifyingKey;

    fn set(kid: &str) -> Arc<KeySet> {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{x}"}}"#);
        Arc::new(KeySet::new([VerifyingKey::from_jwk(&jwk).expect("a good key")]))
    }

    fn epoch(cell: &KeyCell) -> u64 {
        cell.load().as_ref().expect("stored").epoch
    }

    #[test]
    fn s11_05_an_epoch_changes_only_with_the_keys_and_never_comes_twice() {
        let (one, other) = (KeyCell::new(), KeyCell::new());
        one.store(set("a"), None);
        other.store(set("a"), None);
        let first = epoch(&one);
        assert_ne!(first, epoch(&other));
        one.store(set("a"), None);
        assert_eq!(first, epoch(&one));
        one.store(set("b"), None);
        assert_ne!(first, epoch(&one));
    }

    #[test]
    fn s15_10_a_set_that_is_stored_while_the_old_one_is_extended_stays() {
        let cell = KeyCell::new();
        let sets = [set("a"), set("b")];
        cell.store(Arc::clone(&sets[0]), None);
        std::thread::scope(|scope| {
            let extended = scope.spawn(|| (1..50_000).for_each(|at| cell.serve_stale(Duration::from_secs(at))));
            for set in sets.iter().cycle() {
                cell.store(Arc::clone(set), None);
                (0..20).for_each(|_| std::hint::spin_loop());
                assert!(cell.current().is_some_and(|current| Arc::ptr_eq(&current, set)), "the old set came back");
                if extended.is_finished() {
                    break;
                }
            }
        });
        let cell = KeyCell::new();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..10_000).for_each(|_| cell.withdraw(Duration::from_secs(9))));
            }
        });
        assert!(cell.is_withdrawn() && !cell.is_usable(Duration::ZERO));
    }

    #[test]
    fn s4_07_a_withdrawn_set_ends_and_is_reported_until_keys_are_stored() {
        let seconds = Duration::from_secs;
        let cell = KeyCell::new();
        cell.withdraw(seconds(9));
        assert!(cell.is_withdrawn() && !cell.is_usable(seconds(0)), "there were no keys");
        cell.serve_stale(seconds(9));
        assert!(!cell.is_usable(seconds(0)), "and a failure brings none");
        cell.store(set("a"), Some(seconds(50)));
        assert!(!cell.is_withdrawn());
        cell.withdraw(seconds(9));
        assert!(cell.is_withdrawn() && cell.is_usable(seconds(8)) && !cell.is_usable(seconds(9)));
    }

    #[test]
    fn a_stale_set_is_usable_and_not_fresh_and_ends() {
        let seconds = Duration::from_secs;
        let cell = KeyCell::new();
        cell.serve_stale(seconds(9));
        assert!(!cell.is_usable(seconds(0)));
        cell.store(set("a"), Some(seconds(5)));
        let first = epoch(&cell);
        assert!(cell.is_fresh(seconds(4)) && !cell.is_usable(seconds(5)));
        cell.serve_stale(seconds(9));
        assert!(cell.is_usable(seconds(8)) && !cell.is_fresh(seconds(4)) && !cell.is_usable(seconds(9)));
        assert_eq!(epoch(&cell), first);
    }
}
