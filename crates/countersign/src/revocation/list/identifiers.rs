//! The exact set of revoked tokens and sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::{ArcSwap, Guard};
use countersign_core::integration::{KeyedDigest, NestedUnit};

use super::table::{Key, Table, Value};

/// The tables, so that growing one copies a small part of the set.
const TABLES: usize = 64;

/// A set of digests with a term and a unit of the budget each. Readers take no lock; the owner sees to it that there is one
/// writer.
///
/// An entry has 86 bits of its digest, by a key that nobody outside the process knows: a token that was not revoked is taken
/// for one of a million that were with a probability below 2^-60.
#[derive(Debug)]
pub(super) struct Identifiers {
    /// All together, so that a reader loads one pointer for several lookups.
    tables: ArcSwap<[Table; TABLES]>,
    /// The entries of each table.
    of_table: [AtomicUsize; TABLES],
    entries: AtomicUsize,
}

/// The tables of one moment, with what was added to the same tables since.
pub(super) struct Snapshot(Guard<Arc<[Table; TABLES]>>);

impl Snapshot {
    #[inline]
    pub(super) fn contains(&self, digest: KeyedDigest) -> bool {
        let (at, key) = place(digest);
        self.0.get(at).is_some_and(|table| table.contains(key))
    }
}

impl Identifiers {
    pub(super) fn new() -> Self {
        let empty = Table::for_entries(0);
        Identifiers {
            tables: ArcSwap::from_pointee(std::array::from_fn(|_| empty.clone())),
            of_table: std::array::from_fn(|_| AtomicUsize::new(0)),
            entries: AtomicUsize::new(0),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.load(Ordering::Acquire)
    }

    /// The set as it is now, for a few lookups.
    #[inline]
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot(self.tables.load())
    }

    pub(super) fn get(&self, digest: KeyedDigest) -> Option<Value> {
        let (at, key) = place(digest);
        self.tables.load().get(at)?.get(key)
    }

    /// Adds an entry, or replaces its value. If its table is full, `is_over` tells which entries of it are left out of the next
    /// one; their units go to `returned`.
    pub(super) fn insert(
        &self,
        digest: KeyedDigest,
        value: Value,
        is_over: &mut dyn FnMut(u32) -> bool,
        returned: &mut dyn FnMut(NestedUnit),
    ) {
        let (at, key) = place(digest);
        let Some(entries) = self.of_table.get(at) else { return };
        let mut tables = self.tables.load();
        if !tables.get(at).is_some_and(|table| table.contains(key)) {
            if !tables.get(at).is_some_and(|table| table.has_room(entries.load(Ordering::Relaxed))) {
                self.rebuild(at, is_over, returned);
                tables = self.tables.load();
            }
            // Counted before it is there: a reader that sees no entries looks no further.
            entries.fetch_add(1, Ordering::Relaxed);
            self.entries.fetch_add(1, Ordering::Release);
        }
        if let Some(table) = tables.get(at) {
            table.insert(key, value);
        }
    }

    /// Removes the entries whose terms are over.
    pub(super) fn sweep(&self, is_over: &mut dyn FnMut(u32) -> bool, returned: &mut dyn FnMut(NestedUnit)) {
        for (at, table) in self.tables.load_full().iter().enumerate() {
            // `is_over` marks what may be removed.
            let has_some = table.entries().any(|(_, value)| is_over(value.term));
            if has_some {
                self.rebuild(at, is_over, returned);
            }
        }
    }

    /// Replaces a table by one without the entries that are over, with room for more.
    fn rebuild(&self, at: usize, is_over: &mut dyn FnMut(u32) -> bool, returned: &mut dyn FnMut(NestedUnit)) {
        let mut tables = <[Table; TABLES]>::clone(&self.tables.load());
        let (Some(table), Some(entries)) = (tables.get_mut(at), self.of_table.get(at)) else { return };
        let (removed, kept): (Vec<_>, Vec<_>) = table.entries().partition(|(_, value)| is_over(value.term));
        *table = Table::for_entries(kept.len().max(1));
        kept.iter().for_each(|(key, value)| table.insert(*key, *value));
        self.tables.store(Arc::new(tables));
        entries.store(kept.len(), Ordering::Relaxed);
        self.entries.fetch_sub(removed.len(), Ordering::Release);
        removed.into_iter().for_each(|(_, value)| returned(NestedUnit::from_number(value.unit)));
    }
}

/// The number of the table in which a digest belongs, and its key there.
#[inline]
fn place(digest: KeyedDigest) -> (usize, Key) {
    let [upper, lower] = digest.to_words();
    let [tag_low, tag_high, table, ..] = lower.to_le_bytes();
    (usize::from(table) % TABLES, Key::new(upper, u16::from_le_bytes([tag_low, tag_high])))
}
