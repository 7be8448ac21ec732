//! The exact set of revoked tokens and sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
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
    tables: Box<[Part]>,
    entries: AtomicUsize,
}

#[derive(Debug)]
struct Part {
    table: ArcSwap<Table>,
    entries: AtomicUsize,
}

impl Identifiers {
    pub(super) fn new() -> Self {
        let part = || Part { table: ArcSwap::from_pointee(Table::for_entries(0)), entries: AtomicUsize::new(0) };
        Identifiers { tables: (0..TABLES).map(|_| part()).collect(), entries: AtomicUsize::new(0) }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.load(Ordering::Acquire)
    }

    #[inline]
    pub(super) fn contains(&self, digest: KeyedDigest) -> bool {
        let (part, key) = self.place(digest);
        part.is_some_and(|part| part.table.load().contains(key))
    }

    pub(super) fn get(&self, digest: KeyedDigest) -> Option<Value> {
        let (part, key) = self.place(digest);
        part?.table.load().get(key)
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
        let (Some(part), key) = self.place(digest) else { return };
        let is_known = part.table.load().contains(key);
        if !is_known {
            if !part.table.load().has_room(part.entries.load(Ordering::Relaxed)) {
                self.rebuild(part, is_over, returned);
            }
            // Counted before it is there: a reader that sees no entries looks no further.
            part.entries.fetch_add(1, Ordering::Relaxed);
            self.entries.fetch_add(1, Ordering::Release);
        }
        part.table.load().insert(key, value);
    }

    /// Removes the entries whose terms are over.
    pub(super) fn sweep(&self, is_over: &mut dyn FnMut(u32) -> bool, returned: &mut dyn FnMut(NestedUnit)) {
        for part in &self.tables {
            // `is_over` marks what may be removed.
            let has_some = part.table.load().entries().any(|(_, value)| is_over(value.term));
            if has_some {
                self.rebuild(part, is_over, returned);
            }
        }
    }

    /// Replaces a table by one without the entries that are over, with room for more.
    fn rebuild(&self, part: &Part, is_over: &mut dyn FnMut(u32) -> bool, returned: &mut dyn FnMut(NestedUnit)) {
        let old = part.table.load_full();
        let (removed, kept): (Vec<_>, Vec<_>) = old.entries().partition(|(_, value)| is_over(value.term));
        let table = Table::for_entries(kept.len().max(1));
        kept.iter().for_each(|(key, value)| table.insert(*key, *value));
        part.table.store(Arc::new(table));
        part.entries.store(kept.len(), Ordering::Relaxed);
        self.entries.fetch_sub(removed.len(), Ordering::Release);
        removed.into_iter().for_each(|(_, value)| returned(NestedUnit::from_number(value.unit)));
    }

    #[inline]
    fn place(&self, digest: KeyedDigest) -> (Option<&Part>, Key) {
        let [upper, lower] = digest.to_words();
        let [tag_low, tag_high, table, ..] = lower.to_le_bytes();
        (self.tables.get(usize::from(table) % TABLES), Key::new(upper, u16::from_le_bytes([tag_low, tag_high])))
    }
}
