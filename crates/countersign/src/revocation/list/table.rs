//! A flat table of digests: one writer, and readers without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The part of a table that is in use at most: four fifths. A search that finds nothing reads thirteen digests on average then,
/// but the filter leaves few of these.
const LOAD: (usize, usize) = (4, 5);

/// A new table has room for an eighth more entries.
const GROWTH: usize = 8;

/// The entries for each word of a filter. Two bits of a word stand for an entry, so about 5 % of the digests that are not in
/// the table are searched for.
const ENTRIES_A_WORD: usize = 8;

/// An entry of 16 bytes: 80 bits of a digest, 24 bits of a term, and the number of a unit below 2^24. And a filter, because
/// nearly all searches find nothing: it has an eighth of the size of the digests, and answers with one read.
//
// `first` is 0 in an empty place, and the rest is written before it.
#[derive(Clone, Debug)]
pub(super) struct Table {
    filter: Arc<[AtomicU64]>,
    first: Arc<[AtomicU64]>,
    rest: Arc<[AtomicU64]>,
}

/// The digest of an entry, without the bits by which the table was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    first: u64,
    tag: u16,
}

/// The numbers of an entry besides its digest, each of 24 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) term: u32,
    pub(super) unit: u32,
}

/// The end of a search.
enum Place {
    Entry(usize),
    Empty(usize),
}

/// The largest number that a [`Value`] has room for.
pub(super) const MAX_VALUE: u32 = (1 << VALUE_BITS) - 1;

const VALUE_BITS: u32 = 24;

impl Key {
    /// The upper half of a digest, and 16 bits of the lower one.
    pub(super) fn new(upper: u64, tag: u16) -> Self {
        Key { first: upper.max(1), tag }
    }
}

impl Table {
    /// A table for so many entries, with room for an eighth more.
    pub(super) fn for_entries(entries: usize) -> Self {
        let entries = if entries == 0 { 0 } else { entries + entries / GROWTH + 1 };
        let places = (entries * LOAD.1).div_ceil(LOAD.0);
        let empty = |words| (0..words).map(|_| AtomicU64::new(0)).collect();
        Table { filter: empty(entries.div_ceil(ENTRIES_A_WORD)), first: empty(places), rest: empty(places) }
    }

    /// Returns whether another entry finds room besides `entries`.
    pub(super) fn has_room(&self, entries: usize) -> bool {
        (entries + 1) * LOAD.1 <= self.first.len() * LOAD.0
    }

    #[inline]
    pub(super) fn contains(&self, key: Key) -> bool {
        let (word, bits) = self.filter_bits(key);
        let may_contain = word.is_some_and(|word| word.load(Ordering::Acquire) & bits == bits);
        may_contain && matches!(self.find(key), Some(Place::Entry(_)))
    }

    pub(super) fn get(&self, key: Key) -> Option<Value> {
        match self.find(key)? {
            Place::Entry(place) => Some(unpack(self.rest.get(place)?.load(Ordering::Relaxed)).1),
            Place::Empty(_) => None,
        }
    }

    /// Adds an entry, or replaces its value. The caller has seen that there [is room](Self::has_room), and is the only writer.
    pub(super) fn insert(&self, key: Key, value: Value) {
        let Some(Place::Entry(place) | Place::Empty(place)) = self.find(key) else { return };
        let (Some(word), bits) = self.filter_bits(key) else { return };
        word.fetch_or(bits, Ordering::Release);
        if let (Some(first), Some(rest)) = (self.first.get(place), self.rest.get(place)) {
            rest.store(pack(key.tag, value), Ordering::Release);
            first.store(key.first, Ordering::Release);
        }
    }

    /// All entries.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Key, Value)> {
        self.first.iter().zip(&*self.rest).filter_map(|(first, rest)| {
            let first = first.load(Ordering::Acquire);
            let (tag, value) = unpack(rest.load(Ordering::Relaxed));
            (first != 0).then_some((Key { first, tag }, value))
        })
    }

    /// The word of the filter that stands for `key`, and its bits there. They do not depend on the bits that decide the place.
    #[inline]
    fn filter_bits(&self, key: Key) -> (Option<&AtomicU64>, u64) {
        let word = self.filter.get(scaled(key.first.rotate_left(32), self.filter.len()));
        (word, 1 << (key.tag % 64) | 1 << (key.tag / 64 % 64))
    }

    /// The place of `key`, or the empty one in which it belongs; `None` if no place is empty.
    fn find(&self, key: Key) -> Option<Place> {
        let home = scaled(key.first, self.first.len());
        let (before, from) = self.first.split_at(home);
        for (place, first) in (home..).zip(from).chain((0..).zip(before)) {
            let first = first.load(Ordering::Acquire);
            if first == 0 {
                return Some(Place::Empty(place));
            }
            if first == key.first {
                let (tag, _) = unpack(self.rest.get(place)?.load(Ordering::Relaxed));
                if tag == key.tag {
                    return Some(Place::Entry(place));
                }
            }
        }
        None
    }
}

/// `digest` as a number below `bound`, which fits.
#[inline]
fn scaled(digest: u64, bound: usize) -> usize {
    usize::try_from((u128::from(digest) * bound as u128) >> 64).unwrap_or_default()
}

fn pack(tag: u16, value: Value) -> u64 {
    u64::from(tag) << (2 * VALUE_BITS)
        | u64::from(value.term & MAX_VALUE) << VALUE_BITS
        | u64::from(value.unit & MAX_VALUE)
}

fn unpack(rest: u64) -> (u16, Value) {
    let low = |bits: u64| u32::try_from(bits & u64::from(MAX_VALUE)).unwrap_or_default();
    let tag = u16::try_from(rest >> (2 * VALUE_BITS)).unwrap_or_default();
    (tag, Value { term: low(rest >> VALUE_BITS), unit: low(rest) })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn what_was_added_is_found_and_nothing_else() {
        let mut random = fastrand::Rng::with_seed(5);
        // Few first parts and tags, so that many meet.
        let mut key =
            || Key::new(u64::from(random.u8(..40)) << 59 | u64::from(random.u8(..3)), u16::from(random.u8(..4)));
        let table = Table::for_entries(500);
        let mut expected: HashMap<(u64, u16), Value> = HashMap::new();
        for number in 0..300 {
            let (key, value) = (key(), Value { term: MAX_VALUE - number, unit: number });
            assert!(table.has_room(expected.len()));
            table.insert(key, value);
            expected.insert((key.first, key.tag), value);
        }
        for _ in 0..1_000 {
            let key = key();
            let value = expected.get(&(key.first, key.tag));
            assert_eq!((table.get(key).as_ref(), table.contains(key)), (value, value.is_some()));
        }
        let all: HashMap<_, _> = table.entries().map(|(key, value)| ((key.first, key.tag), value)).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn a_table_without_places_has_nothing() {
        let table = Table::for_entries(0);
        let key = Key::new(0, 0);
        table.insert(key, Value { term: 1, unit: 1 });
        assert!(!table.contains(key) && !table.has_room(0) && table.entries().count() == 0);
        assert!(Table::for_entries(1).has_room(1));
    }

    /// S14: at most 24 bytes an entry, once there are more than a few.
    #[test]
    fn a_new_table_has_at_most_24_bytes_an_entry() {
        for entries in [100, 1_000, 15_625] {
            let table = Table::for_entries(entries);
            let bytes = table.first.len() * 16 + table.filter.len() * 8;
            assert!(bytes <= 24 * entries + 64, "{bytes} for {entries}");
        }
    }
}
