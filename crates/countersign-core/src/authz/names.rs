//! A small set of short names, side by side.

use std::fmt;

use compact_str::CompactString;
use memchr::memchr_iter;
use smallvec::SmallVec;

/// A set of scopes, roles or permissions: each once, sorted, compared whole and by case.
///
/// It is no `BTreeSet`, since most are small: two names of up to 24 bytes need no allocation, a few more need one.
///
/// ```
/// use countersign_core::authz::Names;
///
/// let scopes: Names = ["write", "read", "read"].into_iter().collect();
/// assert_eq!(scopes.iter().collect::<Vec<_>>(), ["read", "write"]);
/// assert!(scopes.contains("read") && !scopes.contains("READ"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Names(SmallVec<[CompactString; INLINE]>);

/// Most tokens have no more of most kinds; each place is carried along by all kinds.
const INLINE: usize = 2;

/// Room made at once for the names of a list; more are rare, and are made room for as they come.
const FEW: usize = 16;

impl Names {
    /// Whether exactly this name is in it.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.position(name).is_ok()
    }

    /// Adds a name; says whether it was new.
    pub fn insert(&mut self, name: &str) -> bool {
        match self.0.last().map(|last| last.as_str().cmp(name)) {
            None | Some(std::cmp::Ordering::Less) => self.0.push(name.into()),
            _ => match self.position(name) {
                Ok(_) => return false,
                Err(at) => self.0.insert(at, name.into()),
            },
        }
        true
    }

    /// The names in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(CompactString::as_str)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the names of lists with blanks between them, as `scope` is one (RFC 6749 §3.3).
    pub(crate) fn insert_lists<'l>(&mut self, lists: impl IntoIterator<Item = &'l str>) {
        for list in lists {
            let blanks = || memchr_iter(b' ', list.as_bytes());
            self.0.reserve((blanks().count() + 1).min(FEW));
            let mut start = 0;
            for end in blanks().chain([list.len()]) {
                if end > start {
                    self.0.push(CompactString::from(&list[start..end]));
                }
                start = end + 1;
            }
        }
        self.put_in_order();
    }

    /// Many names are sorted once, so that a long list costs no more than its sorting (S11.08).
    fn put_in_order(&mut self) {
        if !self.0.windows(2).all(|pair| pair[0] < pair[1]) {
            self.0.sort_unstable();
            self.0.dedup();
        }
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|held| held.as_str().cmp(name))
    }
}

impl<T: AsRef<str>> Extend<T> for Names {
    fn extend<I: IntoIterator<Item = T>>(&mut self, names: I) {
        self.0.extend(names.into_iter().map(|name| CompactString::from(name.as_ref())));
        self.put_in_order();
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
    use super::Names;

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
        let mut doubled = Names::default();
        doubled.insert_lists(["a a"]);
        assert_eq!(doubled.len(), 1);
        doubled.insert_lists(["a b b"]);
        assert_eq!(doubled, Names::from(["a", "b"]));
        for absent in ["", "A", "abc", "d", "a b"] {
            assert!(!names.contains(absent), "{absent}");
        }
    }
}
