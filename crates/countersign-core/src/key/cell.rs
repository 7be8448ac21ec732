//! The place where a source puts its keys and a verifier reads them, without a lock.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};

use super::set::KeySet;

/// Holds a source's current [`KeySet`]; reading it takes no lock and waits for nobody.
#[derive(Default)]
pub struct KeyCell {
    held: ArcSwapOption<CurrentKeys>,
}

/// The last epoch given out, over all cells: a source that hands its verifier another cell must not hand it an old epoch.
static LAST_EPOCH: AtomicU64 = AtomicU64::new(0);

/// A key set with the bounds of its use.
pub(crate) struct CurrentKeys {
    pub(crate) set: Arc<KeySet>,
    /// Moves when keys change: what was verified under another epoch is verified again.
    pub(crate) epoch: u64,
    usable_until: Option<Duration>,
    is_stale: bool,
}

impl CurrentKeys {
    /// Returns whether the keys may still be used at `elapsed` (the clock's monotonic reading).
    pub(crate) fn is_usable(&self, elapsed: Duration) -> bool {
        self.usable_until.is_none_or(|until| elapsed < until)
    }
}

impl KeyCell {
    /// An empty cell.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `set` in place of what was held. It is used until the clock's `elapsed` reads `usable_until`.
    ///
    /// A set of the same keys keeps the epoch, so that what was verified with them stays verified.
    pub fn store(&self, set: Arc<KeySet>, usable_until: Option<Duration>) {
        let unchanged = self.held.load().as_ref().filter(|held| held.set.has_same_keys(&set)).map(|held| held.epoch);
        let epoch = unchanged.unwrap_or_else(|| LAST_EPOCH.fetch_add(1, Ordering::Relaxed) + 1);
        self.held.store(Some(Arc::new(CurrentKeys { set, epoch, usable_until, is_stale: false })));
    }

    /// Keeps the current keys in use as a stale set until `usable_until`, because newer keys cannot be had.
    pub fn serve_stale(&self, usable_until: Duration) {
        if let Some(held) = self.held.load_full() {
            let (set, epoch) = (Arc::clone(&held.set), held.epoch);
            self.held.store(Some(Arc::new(CurrentKeys {
                set,
                epoch,
                usable_until: Some(usable_until),
                is_stale: true,
            })));
        }
    }

    /// Forgets the keys: the verifier answers `keys_unavailable` until others come.
    pub fn clear(&self) {
        self.held.store(None);
    }

    /// The set now held, usable or not.
    #[must_use]
    pub fn current(&self) -> Option<Arc<KeySet>> {
        self.held.load().as_ref().map(|held| Arc::clone(&held.set))
    }

    /// Returns whether a set is stored that may be used when the clock's `elapsed` reads `elapsed`.
    #[must_use]
    pub fn is_usable(&self, elapsed: Duration) -> bool {
        self.held.load().as_ref().is_some_and(|held| held.is_usable(elapsed))
    }

    /// Returns whether a set is stored that may be used at `elapsed` and is not served as [stale](Self::serve_stale).
    #[must_use]
    pub fn is_fresh(&self, elapsed: Duration) -> bool {
        self.held.load().as_ref().is_some_and(|held| !held.is_stale && held.is_usable(elapsed))
    }

    pub(crate) fn load(&self) -> Guard<Option<Arc<CurrentKeys>>> {
        self.held.load()
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
        cell.load().as_ref().expect("held").epoch
    }

    #[test]
    fn s11_05_an_epoch_moves_with_the_keys_alone_and_is_never_given_twice() {
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
