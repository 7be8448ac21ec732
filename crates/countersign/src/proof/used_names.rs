//! A table of names, each until a time slice ends.

use std::fmt;

/// The names of one bucket. With their slices they are one line of the processor's cache.
const SLOTS: usize = 7;

/// The names for each bucket at which the table grows: of 7, so that few names are in a neighbour.
const MEAN_LOAD: usize = 5;

/// The first size, in buckets.
const FIRST_BUCKETS: usize = 4;

/// A slice of time. Names of one slice are removed together. 0 marks an empty slot.
pub(super) type Slice = u8;

/// Names that are hashes under a secret key, so that clients cannot choose their buckets.
///
/// Lookups and insertions read one line of memory, and the next one for the few names whose bucket is full. Removal reads
/// the whole table from its start to its end, which costs less than a lookup of each name: memory is read ahead.
pub(super) struct UsedNames {
    /// A power of two.
    buckets: Vec<Bucket>,
    len: usize,
}

#[derive(Clone)]
#[repr(align(64))]
struct Bucket {
    names: [u64; SLOTS],
    slices: [Slice; SLOTS],
    /// The names that are in a later bucket because this one was full. It stays at the maximum once it has reached it.
    passed: u8,
}

/// The place of a name that is not in the table.
pub(super) struct Vacant {
    name: u64,
    bucket: usize,
    slot: usize,
}

impl UsedNames {
    pub(super) const fn new() -> Self {
        UsedNames { buckets: Vec::new(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The place of a new name, or `None` if it is in the table.
    pub(super) fn vacant(&mut self, name: u64) -> Option<Vacant> {
        if self.len >= self.buckets.len() * MEAN_LOAD {
            self.grow();
        }
        let mut place = None;
        let mut index = self.home(name);
        for _ in 0..self.buckets.len() {
            let bucket = &self.buckets[index]; // `home` and `next` are below the length
            if bucket.contains(name) {
                return None;
            }
            place = place.or_else(|| bucket.free_slot().map(|slot| Vacant { name, bucket: index, slot }));
            if bucket.passed == 0 && place.is_some() {
                break;
            }
            index = self.next(index);
        }
        place
    }

    /// Fills a place, before anything else is done with the table.
    pub(super) fn insert(&mut self, place: &Vacant, slice: Slice) {
        let mut index = self.home(place.name);
        while index != place.bucket {
            self.buckets[index].passed = self.buckets[index].passed.saturating_add(1);
            index = self.next(index);
        }
        let bucket = &mut self.buckets[index];
        bucket.names[place.slot] = place.name;
        bucket.slices[place.slot] = slice;
        self.len += 1;
    }

    /// Removes the names of these slices.
    pub(super) fn remove(&mut self, slices: &[Slice]) {
        let mut is_removed = [false; 256];
        for slice in slices.iter().filter(|slice| **slice != 0) {
            is_removed[usize::from(*slice)] = true;
        }
        for index in 0..self.buckets.len() {
            for slot in 0..SLOTS {
                let bucket = &mut self.buckets[index];
                if is_removed[usize::from(bucket.slices[slot])] {
                    bucket.slices[slot] = 0;
                    let name = bucket.names[slot];
                    self.len -= 1;
                    self.pass_no_more(name, index);
                }
            }
        }
    }

    /// A name is no longer in this bucket, which may be a later one than its own.
    fn pass_no_more(&mut self, name: u64, from: usize) {
        let mut index = self.home(name);
        while index != from {
            let passed = &mut self.buckets[index].passed;
            *passed = if *passed == u8::MAX { u8::MAX } else { *passed - 1 };
            index = self.next(index);
        }
    }

    fn grow(&mut self) {
        let buckets = (self.buckets.len() * 2).max(FIRST_BUCKETS);
        let mut larger = UsedNames { buckets: vec![Bucket::EMPTY; buckets], len: 0 };
        for bucket in &self.buckets {
            for (name, slice) in bucket.names.iter().zip(bucket.slices).filter(|(_, slice)| *slice != 0) {
                if let Some(place) = larger.vacant(*name) {
                    larger.insert(&place, slice);
                }
            }
        }
        *self = larger;
    }

    /// The first bucket in which a name may be.
    #[allow(clippy::cast_possible_truncation, reason = "only the low bits count")]
    fn home(&self, name: u64) -> usize {
        name as usize & self.buckets.len().wrapping_sub(1)
    }

    fn next(&self, index: usize) -> usize {
        (index + 1) & self.buckets.len().wrapping_sub(1)
    }
}

impl Bucket {
    const EMPTY: Bucket = Bucket { names: [0; SLOTS], slices: [0; SLOTS], passed: 0 };

    fn contains(&self, name: u64) -> bool {
        // Without a branch for each name.
        let is_here = |slot: usize| self.names[slot] == name && self.slices[slot] != 0;
        (0..SLOTS).fold(false, |found, slot| found | is_here(slot))
    }

    fn free_slot(&self) -> Option<usize> {
        self.slices.iter().position(|slice| *slice == 0)
    }
}

/// Only the number: names identify proofs.
impl fmt::Debug for UsedNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsedNames").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    impl UsedNames {
        fn add(&mut self, name: u64, slice: Slice) -> bool {
            let place = self.vacant(name);
            let is_new = place.is_some();
            place.into_iter().for_each(|place| self.insert(&place, slice));
            is_new
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Names of few buckets, so that most are in a neighbour.
        #[test]
        fn s6_11_the_table_has_the_names_of_a_map(
            homes in 1u64..40,
            steps in prop::collection::vec((0u64..400, 1u8..6, 0u8..60), 1..300),
        ) {
            let mut names = UsedNames::new();
            let mut model: HashMap<u64, Slice> = HashMap::new();
            for (number, slice, removes) in steps {
                let name = ((number / homes) << 32) | (number % homes);
                prop_assert_eq!(names.add(name, slice), !model.contains_key(&name));
                model.entry(name).or_insert(slice);
                if removes == 0 {
                    names.remove(&[slice, 9]);
                    model.retain(|_, other| *other != slice);
                }
                prop_assert_eq!(names.len(), model.len());
            }
            for name in model.keys() {
                prop_assert!(names.vacant(*name).is_none());
            }
            names.remove(&[1, 2, 3, 4, 5]);
            prop_assert_eq!(names.len(), 0);
            prop_assert!(names.buckets.iter().all(|bucket| bucket.passed == 0), "nothing is looked for in neighbours");
        }
    }

    /// As many as the count of a bucket cannot count.
    #[test]
    fn names_of_one_bucket_are_found() {
        let mut names = UsedNames::new();
        for number in 0..600u64 {
            assert!(names.add(number << 32, 1 + (number % 2) as u8), "{number}");
        }
        names.remove(&[1]);
        for number in 0..600u64 {
            assert_eq!(names.add(number << 32, 3), number % 2 == 0, "{number}");
        }
    }

    #[test]
    fn a_bucket_is_one_line_of_the_cache() {
        assert_eq!((size_of::<Bucket>(), align_of::<Bucket>()), (64, 64));
        let mut names = UsedNames::new();
        let mut name = 1u64;
        for _ in 0..16_384 {
            name = name.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) ^ 0x5bd1;
            assert!(names.add(name, 1));
        }
        assert_eq!(names.buckets.len() * 64 / names.len(), 16, "bytes a name, as docs/defaults.md states");
    }
}
