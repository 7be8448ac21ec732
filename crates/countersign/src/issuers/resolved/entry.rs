//! The entries of the cache of issuers.

use std::collections::HashMap;
use std::sync::Arc;

/// Cached issuers by name.
pub(super) type Entries<I> = HashMap<Box<str>, Arc<Entry<I>>>;

/// An issuer, or its lookup.
pub(super) struct Entry<I> {
    pub(super) issuer: I,
}

/// A cached issuer: the order in which it makes room, and its memory.
pub(super) trait CachedEntry {
    /// A number that is lower the earlier a token was last verified.
    fn last_used(&self) -> u64;

    /// The memory of its fetched keys.
    fn key_bytes(&self) -> usize;

    /// Drops its keys, although requests and cached tokens may still refer to the issuer. Calls the user's code.
    fn release(&self);
}
