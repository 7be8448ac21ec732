//! The entries of the cache of issuers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Cached issuers by name.
pub(super) type Entries<I> = HashMap<Box<str>, Arc<Entry<I>>>;

/// An issuer, or its lookup.
pub(super) struct Entry<I> {
    pub(super) issuer: I,
    /// The number of its insertion; higher than those of earlier ones.
    inserted: AtomicU64,
}

impl<I: CachedEntry> Entry<I> {
    pub(super) fn new(issuer: I) -> Self {
        Entry { issuer, inserted: AtomicU64::new(0) }
    }

    pub(super) fn set_inserted(&self, number: u64) {
        self.inserted.store(number, Ordering::Relaxed);
    }

    pub(super) fn inserted(&self) -> u64 {
        self.inserted.load(Ordering::Relaxed)
    }

    /// Returns whether no token of it was verified yet.
    pub(super) fn is_unused(&self) -> bool {
        self.issuer.last_used() == 0
    }
}

/// A cached issuer: the order in which it makes room, and its memory.
pub(super) trait CachedEntry {
    /// A number that is lower the earlier a token was last verified; zero if none was.
    fn last_used(&self) -> u64;

    /// The memory of its fetched keys.
    fn key_bytes(&self) -> usize;

    /// Drops its keys, although requests and cached tokens may still refer to the issuer. Calls the user's code.
    fn release(&self);
}
