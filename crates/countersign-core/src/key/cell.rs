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
    held: ArcSwapOption<HeldKeys>,
    epoch: AtomicU64,
}

/// A key set with the bounds of its use.
pub(crate) struct HeldKeys {
    pub(crate) set: Arc<KeySet>,
    /// Moves when keys change: what was verified under another epoch is verified anew.
    pub(crate) epoch: u64,
    usable_until: Option<Duration>,
}

impl HeldKeys {
    /// Whether the keys may still be used at `elapsed` (the clock's monotonic reading).
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
        let unchanged = self.held.load().as_ref().filter(|held| held.set.same_keys(&set)).map(|held| held.epoch);
        let epoch = unchanged.unwrap_or_else(|| self.epoch.fetch_add(1, Ordering::Relaxed) + 1);
        self.held.store(Some(Arc::new(HeldKeys { set, epoch, usable_until })));
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

    pub(crate) fn load(&self) -> Guard<Option<Arc<HeldKeys>>> {
        self.held.load()
    }
}

impl fmt::Debug for KeyCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCell").field("current", &self.current()).finish_non_exhaustive()
    }
}
