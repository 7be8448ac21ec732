//! A table of names, each until a time slice ends.

use std::fmt;
use std::hint::black_box;

/// The names of one bucket. With their slices they are one line of the processor's cache.
const SLOTS: usize = 7;

/// The names for each bucket at which the table grows: of 7, so that few names are in a neighbour.
const MEAN_LOAD: usize = 5;

/// The first size, in buckets.
const FIRST_BUCKETS: usize = 4;

/// The names that are written to their buckets together.
const WRITTEN_TOGETHER: usize = 16;

/// A slice of time. Names of one slice are removed together.
pub(super) type Slice = u8;

/// Names that are hashes under a secret key, so that clients cannot choose their buckets.
///
/// The buckets of a million names are in none of the processor's caches, and to wait for one takes longer than all else. So
/// lookups read tags, which take an eighth of the memory. They read a bucket only if the tag is that of the name: one of forty
/// new names, and each used one. New names wait for each other, so that their buckets are read at the same time.
///
/// Removal reads the whole table from its start to its end, which costs less than a lookup of each name.
pub(super) struct UsedNames {
    /// One for each bucket; their number is a power of two.
    tags: Vec<Tags>,
    buckets: Vec<Bucket>,
    /// Names that have a tag and are not in their bucket yet.
    unwritten: Vec<Unwritten>,
    len: usize,
}

/// The part of a bucket that a lookup reads.
#[derive(Clone, Copy)]
struct Tags {
    /// A part of the name of each slot, or [`Tags::FREE`].
    of_slots: [u8; SLOTS],
    /// The names that are in a later bucket because this one was full. It stays at the maximum once it has reached it.
    passed: u8,
}

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Bucket {
    names: [u64; SLOTS],
    slices: [Slice; SLOTS],
}

/// A name that is not in its bucket yet.
struct Unwritten {
    place: Vacant,
    slice: Slice,
}

/// The place of a name that is not in the table.
#[derive(Clone, Copy)]
pub(super) struct Vacant {
    name: u64,
    bucket: usize,
    slot: usize,
}

impl UsedNames {
    pub(super) const fn new() -> Self {
        UsedNames { tags: Vec::new(), buckets: Vec::new(), unwritten: Vec::new(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The place of a new name, or `None` if it is in the table.
    pub(super) fn vacant(&mut self, name: u64) -> Option<Vacant> {
        if self.len >= self.tags.len() * MEAN_LOAD {
            self.grow();
        }
        let tag = Tags::tag(name);
        let mut place = None;
        let mut index = self.home(name);
        for _ in 0..self.tags.len() {
            let tags = self.tags[index]; // `home` and `next` are below the length
            if tags.has(tag) && self.is_in_bucket(index, name) {
                return None;
            }
            place = place.or_else(|| tags.free_slot().map(|slot| Vacant { name, bucket: index, slot }));
            if tags.passed == 0 && place.is_some() {
                break;
            }
            index = self.next(index);
        }
        place
    }

    /// Fills a place, before anything else is done with the table.
    pub(super) fn insert(&mut self, place: Vacant, slice: Slice) {
        let mut index = self.home(place.name);
        while index != place.bucket {
            self.tags[index].passed = self.tags[index].passed.saturating_add(1);
            index = self.next(index);
        }
        self.tags[index].of_slots[place.slot] = Tags::tag(place.name);
        self.len += 1;
        self.unwritten.push(Unwritten { place, slice });
        if self.unwritten.len() >= WRITTEN_TOGETHER {
            self.write();
        }
    }

    /// Removes the names of these slices.
    pub(super) fn remove(&mut self, slices: &[Slice]) {
        self.write();
        let mut is_removed = [false; 256];
        for slice in slices {
            is_removed[usize::from(*slice)] = true;
        }
        for index in 0..self.tags.len() {
            for slot in 0..SLOTS {
                let bucket = &self.buckets[index];
                if is_removed[usize::from(bucket.slices[slot])] && self.tags[index].of_slots[slot] != Tags::FREE {
                    let name = bucket.names[slot];
                    self.tags[index].of_slots[slot] = Tags::FREE;
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
            let passed = &mut self.tags[index].passed;
            *passed = if *passed == u8::MAX { u8::MAX } else { *passed - 1 };
            index = self.next(index);
        }
    }

    fn is_in_bucket(&mut self, index: usize, name: u64) -> bool {
        self.write();
        let (tags, bucket) = (&self.tags[index].of_slots, &self.buckets[index].names);
        bucket.iter().zip(tags).any(|(other, tag)| *other == name && *tag != Tags::FREE)
    }

    /// Writes the names that wait.
    fn write(&mut self) {
        // Reads one after the other do not wait for each other, and the writes then wait for nothing.
        let read = self.unwritten.iter().fold(0, |read, name| read ^ self.buckets[name.place.bucket].slices[0]);
        black_box(read);
        for Unwritten { place, slice } in self.unwritten.drain(..) {
            let bucket = &mut self.buckets[place.bucket];
            bucket.names[place.slot] = place.name;
            bucket.slices[place.slot] = slice;
        }
    }

    fn grow(&mut self) {
        self.write();
        let buckets = (self.tags.len() * 2).max(FIRST_BUCKETS);
        let (tags, empty) = (vec![Tags::EMPTY; buckets], vec![Bucket::EMPTY; buckets]);
        let mut larger = UsedNames { tags, buckets: empty, unwritten: Vec::with_capacity(WRITTEN_TOGETHER), len: 0 };
        for (bucket, tags) in self.buckets.iter().zip(&self.tags) {
            for slot in (0..SLOTS).filter(|slot| tags.of_slots[*slot] != Tags::FREE) {
                if let Some(place) = larger.vacant(bucket.names[slot]) {
                    larger.insert(place, bucket.slices[slot]);
                }
            }
        }
        *self = larger;
    }

    /// The first bucket in which a name may be.
    #[allow(clippy::cast_possible_truncation, reason = "only the low bits count")]
    fn home(&self, name: u64) -> usize {
        name as usize & self.tags.len().wrapping_sub(1)
    }

    fn next(&self, index: usize) -> usize {
        (index + 1) & self.tags.len().wrapping_sub(1)
    }
}

impl Tags {
    const FREE: u8 = 0;

    const EMPTY: Tags = Tags { of_slots: [Self::FREE; SLOTS], passed: 0 };

    /// Other bits than those of the bucket, and of the part of the store that has the table.
    fn tag(name: u64) -> u8 {
        let [_, _, bits, ..] = name.to_be_bytes();
        bits.max(1)
    }

    fn has(&self, tag: u8) -> bool {
        // Without a branch for each slot.
        self.of_slots.iter().fold(false, |found, other| found | (*other == tag))
    }

    fn free_slot(&self) -> Option<usize> {
        self.of_slots.iter().position(|tag| *tag == Self::FREE)
    }
}

impl Bucket {
    const EMPTY: Bucket = Bucket { names: [0; SLOTS], slices: [0; SLOTS] };
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
            place.into_iter().for_each(|place| self.insert(place, slice));
            is_new
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Names of few buckets, so that most are in a neighbour, and of two tags.
        #[test]
        fn s6_11_the_table_has_the_names_of_a_map(
            homes in 1u64..40,
            steps in prop::collection::vec((0u64..400, 1u8..6, 0u8..60), 1..300),
        ) {
            let mut names = UsedNames::new();
            let mut model: HashMap<u64, Slice> = HashMap::new();
            for (number, slice, removes) in steps {
                let name = ((number / homes) << 32) | (number % homes) | ((number & 1) << 41);
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
            prop_assert!(names.tags.iter().all(|tags| tags.passed == 0), "nothing is looked for in neighbours");
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
        assert_eq!((size_of::<Bucket>(), align_of::<Bucket>(), size_of::<Tags>()), (64, 64, 8));
        let mut names = UsedNames::new();
        let mut name = 1u64;
        for _ in 0..16_384 {
            name = name.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) ^ 0x5bd1;
            assert!(names.add(name, 1));
        }
        assert_eq!(names.tags.len() * (64 + 8) / names.len(), 18, "bytes a name, as docs/defaults.md states");
    }
}
