//! The memory of fetched keys, for issuers that are resolved at run time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the memory of one issuer's fetched keys, towards a bound over all issuers of a source.
///
/// A key source takes it from its [`SourceContext`](crate::key::SourceContext) and reports each change.
pub struct KeyMemory {
    bytes: AtomicUsize,
    total: Arc<AtomicUsize>,
    make_room: Box<dyn Fn() + Send + Sync>,
}

impl KeyMemory {
    /// A count towards `total`, for which `make_room` enforces the bound.
    pub fn new(total: Arc<AtomicUsize>, make_room: impl Fn() + Send + Sync + 'static) -> Self {
        KeyMemory { bytes: AtomicUsize::new(0), total, make_room: Box::new(make_room) }
    }

    /// Replaces the `before` bytes that a key source has reported by `now`. Only counts, so it may be called under a lock.
    pub fn replace(&self, before: usize, now: usize) {
        for count in [&self.bytes, &*self.total] {
            count.fetch_add(now, Ordering::Relaxed);
            count.fetch_sub(before, Ordering::Relaxed);
        }
    }

    /// Lets the source of issuers drop keys if all together exceed the bound, possibly those of the caller.
    ///
    /// Calls [`detach`](crate::key::KeySource::detach) of key sources, so it must not be called under a lock.
    pub fn make_room(&self) {
        (self.make_room)();
    }

    /// The bytes of this issuer's keys.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for KeyMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyMemory").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}
