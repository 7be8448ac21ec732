//! The memory of a token that one list has none of its identifiers, and the end of that memory.
//!
//! A search begins with a reading of the list's state, and a state begins after an identifier was added. So a search that
//! misses an identifier has read an older state than the one that the identifier begins, and what it remembers is void.

use super::atomics::{AtomicU64, Ordering};

/// The states of one list.
#[derive(Debug)]
pub(crate) struct States {
    /// The number of the list, unlike that of any other; not 0.
    list: u64,
    /// Counts from 1.
    state: AtomicU64,
}

/// The memory of one token.
#[derive(Debug)]
pub(crate) struct KnownAbsent {
    /// The number of the first list that was searched; 0 before. It never changes again: the state of one list is never taken
    /// for that of another.
    list: AtomicU64,
    /// The state of that list; 0 before its first search.
    state: AtomicU64,
}

/// A search of a list, which began when this was made.
#[derive(Debug)]
pub(crate) struct Search<'s> {
    known: &'s KnownAbsent,
    list: u64,
    state: u64,
}

impl States {
    /// The states of the list of this number.
    pub(crate) fn new(list: u64) -> Self {
        States { list, state: AtomicU64::new(1) }
    }

    /// Adds an identifier by `add`, and then begins another state.
    pub(crate) fn grow(&self, add: impl FnOnce()) {
        add();
        self.state.fetch_add(1, Ordering::Release);
    }

    /// Begins a search, unless the list is known to have none of the token's identifiers.
    #[inline]
    pub(crate) fn search<'s>(&self, known: &'s KnownAbsent) -> Option<Search<'s>> {
        let state = self.state.load(Ordering::Acquire); // before the caller reads the list
        let is_known = known.state.load(Ordering::Relaxed) == state && known.list.load(Ordering::Relaxed) == self.list;
        (!is_known).then_some(Search { known, list: self.list, state })
    }
}

impl Search<'_> {
    /// Remembers that the search found none of the token's identifiers. A token remembers one list.
    #[inline]
    pub(crate) fn found_none(self) {
        if self.known.is_of(self.list) {
            self.known.state.store(self.state, Ordering::Relaxed);
        }
    }
}

impl KnownAbsent {
    /// Returns whether the token remembers this list. It is the first one that asks.
    fn is_of(&self, list: u64) -> bool {
        match self.list.load(Ordering::Relaxed) {
            0 => {
                let claimed = self.list.compare_exchange(0, list, Ordering::Relaxed, Ordering::Relaxed);
                claimed.map_or_else(|first| first == list, |_| true)
            }
            first => first == list,
        }
    }
}

impl Default for KnownAbsent {
    fn default() -> Self {
        KnownAbsent { list: AtomicU64::new(0), state: AtomicU64::new(0) }
    }
}
