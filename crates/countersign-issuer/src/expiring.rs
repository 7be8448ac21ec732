//! Names that are remembered until they end by themselves: revoked tokens, used assertions. Bounded, and never forgetting
//! one early: when it is full it takes no more, and says so.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use countersign_core::clock::UnixTime;

/// The most names held at once.
const MAX_NAMES: usize = 100_000;

/// The set is full of names that have not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// A set of names, each with its end. Kept as digests, so that a name's length costs nothing.
pub(crate) struct Expiring(Mutex<HashMap<[u8; 32], UnixTime>>);

impl Expiring {
    pub(crate) fn new() -> Self {
        Expiring(Mutex::default())
    }

    /// Remembers `name` until `end`. Whether it is new.
    pub(crate) fn insert(&self, name: &str, end: UnixTime, now: UnixTime) -> Result<bool, Full> {
        let digest = countersign_core::secret::sha256(name);
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.contains_key(&digest) {
            return Ok(false);
        }
        if names.len() >= MAX_NAMES {
            names.retain(|_, end| now < *end);
        }
        if names.len() >= MAX_NAMES {
            return Err(Full);
        }
        names.insert(digest, end);
        Ok(true)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        let digest = countersign_core::secret::sha256(name);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&digest)
    }
}

impl fmt::Debug for Expiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expiring").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s8_25_the_set_is_bounded_and_forgets_nothing_before_its_end() {
        let (set, now) = (Expiring::new(), UnixTime::from_secs(10));
        let end = UnixTime::from_secs(20);
        for n in 0..MAX_NAMES {
            assert_eq!(set.insert(&n.to_string(), end, now), Ok(true));
        }
        assert_eq!(set.insert("one more", end, now), Err(Full));
        assert_eq!(set.insert("7", end, now), Ok(false));
        assert!(set.contains("0") && !set.contains("one more"));
        assert_eq!(set.insert("one more", UnixTime::from_secs(30), end), Ok(true), "the others have ended");
        assert!(!set.contains("0"));
    }
}
