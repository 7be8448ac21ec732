//! A compact set of short names.

use std::cmp::Ordering;
use std::fmt;

use smallvec::SmallVec;

/// A sorted set of scopes, roles or permissions, compared as a whole and by case. It never contains an empty string.
///
/// A token's names are read once and looked up often. Unlike a `BTreeSet`, this set therefore uses a single allocation, and
/// none if it is empty.
///
/// ```
/// use countersign_core::integration::Names;
///
/// let scopes: Names = ["write", "read", "read"].into_iter().collect();
/// assert_eq!(scopes.iter().collect::<Vec<_>>(), ["read", "write"]);
/// assert!(scopes.contains("read") && !scopes.contains("READ"));
/// ```
//
// Layout: the number of names, then the end offset of each name, all as `u32`; then the names themselves. An empty set has
// no bytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Names(Box<[u8]>);

/// The size in bytes of each number before the names.
const NUMBER_BYTES: usize = size_of::<u32>();

/// The number of names that are collected on the stack, and searched one after the other; enough for most lists.
const FEW: usize = 12;

impl Names {
    /// Returns whether the set contains exactly this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        let count = self.len();
        if count <= FEW {
            return self.few_contain(name.as_bytes(), count);
        }
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low.midpoint(high);
            match self.name(middle).cmp(name.as_bytes()) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return true,
                Ordering::Greater => high = middle,
            }
        }
        false
    }

    /// The same for a short set: comparing all lengths costs less than the first step of a search.
    fn few_contain(&self, name: &[u8], count: usize) -> bool {
        let numbers = self.0.get(NUMBER_BYTES..).unwrap_or_default();
        let Some((ends, names)) = numbers.split_at_checked(NUMBER_BYTES * count) else { return false };
        let mut start = 0;
        ends.as_chunks().0.iter().any(|end| {
            let end = u32::from_le_bytes(*end) as usize;
            let is_same = end.wrapping_sub(start) == name.len() && names.get(start..end) == Some(name);
            start = end;
            is_same
        })
    }

    /// Adds a name and returns whether it was new. An empty string is no name, and is not added.
    ///
    /// Each new name rebuilds the set; use [`extend`](Self::extend) to add several.
    pub fn insert(&mut self, name: &str) -> bool {
        let is_new = !name.is_empty() && !self.contains(name);
        if is_new {
            self.extend([name]);
        }
        is_new
    }

    /// The names, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| std::str::from_utf8(self.name(index)).unwrap_or_default())
    }

    /// The number of names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.number(0)
    }

    /// Returns whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The heap memory of the set, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.0.len()
    }

    fn name(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.number(index) };
        let names = self.0.get(NUMBER_BYTES * (self.len() + 1)..).unwrap_or_default();
        names.get(start..self.number(index + 1)).unwrap_or_default()
    }

    fn number(&self, index: usize) -> usize {
        let bytes = self.0.get(NUMBER_BYTES * index..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
    }

    /// Adds the names of space-separated lists, such as `scope` (RFC 6749 §3.3).
    pub(crate) fn insert_lists<'l>(&mut self, lists: impl IntoIterator<Item = &'l str>) {
        let mut all: Unsorted<'_> = self.iter().collect();
        for list in lists {
            let mut rest = list;
            while let Some(space) = rest.bytes().position(|byte| byte == b' ') {
                all.add(&rest[..space]);
                rest = &rest[space + 1..];
            }
            all.add(rest);
        }
        *self = all.sorted();
    }
}

/// Names to sort, each with its first bytes as a number, which usually decide the order.
struct Unsorted<'n>(SmallVec<[(u64, &'n str); FEW]>);

impl<'n> Unsorted<'n> {
    fn add(&mut self, name: &'n str) {
        if !name.is_empty() {
            self.0.push((beginning(name), name));
        }
    }

    /// Sorts once, so that a long list costs no more than its sorting.
    fn sorted(mut self) -> Names {
        self.0.sort_unstable();
        self.0.dedup();
        if self.0.is_empty() {
            return Names::default();
        }
        // Names never exceed 4 GiB: tokens are far smaller.
        let encoded = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
        let length: usize = self.0.iter().map(|(_, name)| name.len()).sum();
        let mut bytes = Vec::with_capacity(NUMBER_BYTES * (self.0.len() + 1) + length);
        bytes.extend(encoded(self.0.len()));
        let mut end = 0;
        for (_, name) in &self.0 {
            end += name.len();
            bytes.extend(encoded(end));
        }
        for (_, name) in &self.0 {
            bytes.extend_from_slice(name.as_bytes());
        }
        Names(bytes.into())
    }
}

impl<'n> FromIterator<&'n str> for Unsorted<'n> {
    fn from_iter<I: IntoIterator<Item = &'n str>>(names: I) -> Self {
        let mut all = Unsorted(SmallVec::new());
        names.into_iter().for_each(|name| all.add(name));
        all
    }
}

/// The first eight bytes as a number, ordered like the names themselves.
fn beginning(name: &str) -> u64 {
    match name.as_bytes().first_chunk() {
        Some(first) => u64::from_be_bytes(*first),
        None => name.bytes().chain([0; 8]).take(8).fold(0, |number, byte| number << 8 | u64::from(byte)),
    }
}

impl<T: AsRef<str>> Extend<T> for Names {
    fn extend<I: IntoIterator<Item = T>>(&mut self, names: I) {
        let names: SmallVec<[T; FEW]> = names.into_iter().collect();
        if names.is_empty() {
            return;
        }
        *self = self.iter().chain(names.iter().map(AsRef::as_ref)).collect::<Unsorted<'_>>().sorted();
    }
}

impl<T: AsRef<str>> FromIterator<T> for Names {
    fn from_iter<I: IntoIterator<Item = T>>(names: I) -> Self {
        let mut set = Names::default();
        set.extend(names);
        set
    }
}

impl<T: AsRef<str>, const N: usize> From<[T; N]> for Names {
    fn from(names: [T; N]) -> Self {
        names.into_iter().collect()
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{NUMBER_BYTES, Names};

    #[test]
    fn a_name_stands_once_however_it_came() {
        let mut names = Names::from(["b", "a", "b"]);
        assert!(!names.insert("a") && names.insert("ab") && names.insert("c"));
        names.extend(["0", "c"]);
        assert_eq!(names.iter().collect::<Vec<_>>(), ["0", "a", "ab", "b", "c"]);
        assert_eq!((names.len(), names.is_empty(), Names::default().is_empty()), (5, false, true));
        names.insert_lists([" z  c ab z "]);
        assert_eq!(names.iter().collect::<Vec<_>>(), ["0", "a", "ab", "b", "c", "z"]);
        names.insert_lists([""]);
        let mut duplicates = Names::default();
        duplicates.insert_lists(["a a"]);
        assert_eq!(duplicates.len(), 1);
        duplicates.insert_lists(["a b b"]);
        assert_eq!(duplicates, Names::from(["a", "b"]));
        let empty = Names::from(["", ""]);
        assert_eq!((empty.len(), empty.is_empty(), empty.contains("")), (0, true, false));
        for absent in ["", "A", "abc", "d", "a b"] {
            assert!(!names.contains(absent), "{absent}");
        }
    }

    #[test]
    fn s11_04_what_they_hold_is_counted() {
        assert_eq!(Names::default().held_bytes(), 0);
        assert_eq!(Names::from(["ab", "c"]).held_bytes(), "abc".len() + 3 * NUMBER_BYTES);
        assert_eq!(format!("{:?}", Names::from(["b", "a"])), r#"{"a", "b"}"#);
    }

    proptest! {
        #[test]
        fn names_are_the_same_set_however_they_are_added(
            names in prop::collection::vec("[a-c\\x00é]{0,10}", 0..20),
            absent in "[a-c\\x00é]{0,10}",
        ) {
            let names: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
            let set: BTreeSet<&str> = names.iter().map(String::as_str).collect();
            let mut one_by_one = Names::default();
            for name in &names {
                let is_known = one_by_one.contains(name);
                prop_assert_eq!(one_by_one.insert(name), !is_known);
            }
            let mut in_halves = Names::default();
            let (first, second) = names.split_at(names.len() / 2);
            in_halves.extend(first);
            in_halves.extend(second);
            let at_once: Names = names.iter().collect();
            prop_assert_eq!(&at_once, &one_by_one);
            prop_assert_eq!(&at_once, &in_halves);
            prop_assert_eq!(at_once.iter().collect::<Vec<_>>(), set.iter().copied().collect::<Vec<_>>());
            prop_assert!(names.iter().all(|name| at_once.contains(name)));
            prop_assert_eq!(at_once.contains(&absent), set.contains(&*absent));
            prop_assert_eq!((at_once.len(), at_once.is_empty()), (set.len(), set.is_empty()));
        }
    }
}
