//! The names of issuers that were trusted before, and their file.

use std::collections::HashMap;
use std::path::Path;

use crate::file::{read_text, replace_file};

/// The largest file that is written and read, in bytes.
const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;

/// Names that the resolver trusted, at most as many as issuers are cached.
pub(super) struct KnownNames {
    max_names: usize,
    /// Each name with the number of its last lookup.
    names: HashMap<Box<str>, u64>,
    lookups: u64,
}

impl KnownNames {
    pub(super) fn new(max_names: usize) -> Self {
        KnownNames { max_names, names: HashMap::new(), lookups: 0 }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// Adds a name, in place of the one looked up longest ago if there are too many. Returns whether it is new.
    pub(super) fn insert(&mut self, name: &str) -> bool {
        self.lookups += 1;
        if let Some(lookup) = self.names.get_mut(name) {
            *lookup = self.lookups;
            return false;
        }
        if self.names.len() >= self.max_names
            && let Some(oldest) = self.names.iter().min_by_key(|(_, lookup)| **lookup).map(|(name, _)| name.clone())
        {
            self.names.remove(&oldest);
        }
        self.names.insert(name.into(), self.lookups);
        true
    }

    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.names.remove(name).is_some()
    }

    /// The names, one per line, the latest last. Those that were looked up longest ago are left out if the file would be too
    /// large.
    pub(super) fn to_text(&self) -> String {
        self.latest(MAX_FILE_BYTES)
    }

    fn latest(&self, max_bytes: usize) -> String {
        let mut names: Vec<_> = self.names.iter().collect();
        names.sort_by_key(|(_, lookup)| std::cmp::Reverse(**lookup));
        let mut bytes = 0_usize;
        names.retain(|(name, _)| {
            bytes = bytes.saturating_add(name.len()).saturating_add(1);
            bytes <= max_bytes
        });
        names.into_iter().rev().map(|(name, _)| format!("{name}\n")).collect()
    }
}

/// Reads the names in a file; none if there is no file.
///
/// # Errors
/// If it cannot be read, is not a regular file, or is larger than 16 MiB.
pub(super) fn read(file: &Path) -> std::io::Result<Vec<String>> {
    match read_text(file, MAX_FILE_BYTES) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Replaces the file in one step.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write(file: &Path, text: &str) -> std::io::Result<()> {
    replace_file(file, text.as_bytes(), 0o600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_looked_up_longest_ago_makes_room() {
        let mut names = KnownNames::new(2);
        assert!(names.insert("a") && names.insert("b") && !names.insert("a") && names.insert("c"));
        assert!(names.contains("a") && !names.contains("b"));
        assert_eq!(names.to_text(), "a\nc\n");
        assert!(names.remove("a") && !names.remove("a"));
    }

    #[test]
    fn s15_03_a_file_that_would_be_too_large_keeps_the_latest_names() {
        let mut names = KnownNames::new(10);
        for name in ["long", "a", "b", "c"] {
            names.insert(name);
        }
        names.insert("a");
        for (max_bytes, text) in [(11, "long\nb\nc\na\n"), (10, "b\nc\na\n"), (5, "c\na\n"), (0, "")] {
            assert_eq!(names.latest(max_bytes), text);
        }
        assert_eq!(names.latest(MAX_FILE_BYTES), names.to_text());
    }
}
