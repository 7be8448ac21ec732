//! The callers with cached tokens: bounded in bytes, with shares for issuers, clients and subjects.

use std::collections::HashMap;

use countersign_core::clock::UnixTime;

use super::party::Party;
use super::shares::{Names, Place, Shares};

/// Each subject gets at most this part of the bytes; each client and each issuer gets at most as many as are free.
const SUBJECT_PART: u32 = 4;

/// The smallest weight of a caller, as a part of the bytes: it bounds the number of callers too.
const MAX_CALLERS: usize = 20_000;

/// The part of a share that is freed at once, so that callers are seldom searched for the least recently used ones.
const EVICTED_PART: usize = 8;

/// The SHA-256 of a caller's token.
pub(super) type Digest = [u8; 32];

/// The callers, each with a cached value. If a share is used up, the least recently used callers of the same subject are removed;
/// if it has none, those of the same client, then of the same issuer, then of all.
///
/// Removed values are returned, so that they are dropped outside the lock.
pub(super) struct Callers<C> {
    entries: HashMap<Digest, Entry<C>>,
    /// Counts look-ups: the larger, the later used.
    uses: u64,
    max_bytes: u32,
    shares: Shares,
}

/// A caller to be added.
pub(super) struct NewCaller<C> {
    pub(super) value: C,
    pub(super) party: Party,
    pub(super) bytes: usize,
    pub(super) expires_at: UnixTime,
}

struct Entry<C> {
    value: C,
    used: u64,
    expires_at: UnixTime,
    names: Names,
    units: u32,
    _place: Place,
}

impl<C> Callers<C> {
    pub(super) fn new(max_bytes: usize) -> Self {
        let max_bytes = u32::try_from(max_bytes).unwrap_or(u32::MAX);
        let shares = Shares::new(max_bytes, max_bytes / SUBJECT_PART);
        Callers { entries: HashMap::new(), uses: 0, max_bytes, shares }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The bytes of all entries.
    pub(super) fn bytes(&self) -> usize {
        self.shares.in_use() as usize
    }

    pub(super) fn get(&mut self, digest: &Digest) -> Option<&C> {
        self.uses += 1;
        let entry = self.entries.get_mut(digest)?;
        entry.used = self.uses;
        Some(&entry.value)
    }

    /// Adds a caller, unless it is larger than its share.
    pub(super) fn insert(&mut self, digest: Digest, caller: NewCaller<C>, now: UnixTime) -> Vec<C> {
        let NewCaller { value, party, bytes, expires_at } = caller;
        let names = self.shares.names(&party);
        let units = self.units(bytes);
        self.uses += 1; // or callers that were added without a use between them would be removed together
        let (place, mut removed) = self.make_room(names, units, now);
        if let Some(place) = place {
            let entry = Entry { value, used: self.uses, expires_at, names, units, _place: place };
            removed.extend(self.entries.insert(digest, entry).map(|entry| entry.value));
        }
        removed
    }

    /// Changes the weight of a caller, if it is still here. One that has become larger than its share is removed.
    pub(super) fn resize(&mut self, digest: &Digest, bytes: usize, now: UnixTime) -> Vec<C> {
        let units = self.units(bytes);
        if self.entries.get(digest).is_none_or(|entry| entry.units == units) {
            return Vec::new();
        }
        let Some(Entry { value, used, expires_at, names, .. }) = self.entries.remove(digest) else { return Vec::new() };
        let (place, mut removed) = self.make_room(names, units, now);
        match place {
            Some(place) => {
                let entry = Entry { value, used, expires_at, names, units, _place: place };
                self.entries.insert(*digest, entry);
            }
            None => removed.push(value),
        }
        removed
    }

    fn units(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.max(self.max_bytes as usize / MAX_CALLERS).max(1)).unwrap_or(u32::MAX)
    }

    fn make_room(&mut self, names: Names, units: u32, now: UnixTime) -> (Option<Place>, Vec<C>) {
        let mut removed = Vec::new();
        loop {
            if let Ok(place) = self.shares.place(names, units) {
                return (Some(place), removed);
            }
            let before = removed.len();
            removed.extend(self.entries.extract_if(|_, entry| entry.expires_at <= now).map(|(_, entry)| entry.value));
            if removed.len() == before {
                self.remove_least_recently_used(names, &mut removed);
            }
            if removed.len() == before {
                return (None, removed);
            }
        }
    }

    /// Removes the least recently used callers of the narrowest share that has some.
    fn remove_least_recently_used(&mut self, names: Names, removed: &mut Vec<C>) {
        for share in 0..=names.len() {
            let is_in_share = |entry: &Entry<C>| match names.get(share) {
                Some(name) => name.is_some() && entry.names.get(share) == Some(name),
                None => true,
            };
            let mut uses: Vec<u64> =
                self.entries.values().filter(|entry| is_in_share(entry)).map(|entry| entry.used).collect();
            if uses.is_empty() {
                continue;
            }
            let count = uses.len().div_ceil(EVICTED_PART);
            let (_, last, _) = uses.select_nth_unstable(count - 1);
            let oldest = self.entries.extract_if(|_, entry| is_in_share(entry) && entry.used <= *last);
            removed.extend(oldest.map(|(_, entry)| entry.value));
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1000);

    fn caller(issuer: &str, client: &str, subject: &str, bytes: usize) -> NewCaller<String> {
        let name = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
        let party = Party { issuer: issuer.to_owned(), client: name(client), subject: name(subject) };
        NewCaller { value: subject.to_owned(), party, bytes, expires_at: UnixTime::from_secs(2000) }
    }

    fn digest(number: u32) -> Digest {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&number.to_be_bytes());
        digest
    }

    #[test]
    fn s15_01_one_subject_client_or_issuer_removes_its_own_callers_first() {
        let flood: [fn(u32) -> NewCaller<String>; 3] = [
            |_| caller("https://a.test", "web", "busy", 100),
            |number| caller("https://a.test", "busy", &format!("s{number}"), 100),
            |number| caller("https://busy.test", &format!("c{number}"), &format!("s{number}"), 100),
        ];
        for (share, flood) in flood.iter().enumerate() {
            let mut callers = Callers::new(100_000);
            for number in 0..200 {
                callers.insert(digest(number), caller("https://a.test", "app", &format!("u{number}"), 100), NOW);
            }
            for number in 1_000..11_000 {
                callers.insert(digest(number), flood(number), NOW);
            }
            let stayed = (0..200).filter(|number| callers.get(&digest(*number)).is_some()).count();
            assert_eq!(stayed, 200, "{share}");
            assert!(callers.bytes() <= 100_000 && callers.len() <= 1_000);
            assert!(callers.get(&digest(10_999)).is_some(), "{share}: the latest");
        }
    }

    #[test]
    fn s15_01_a_subject_removes_no_callers_of_its_namesake_at_another_issuer() {
        let mut callers = Callers::new(100_000);
        for number in 0..200 {
            callers.insert(digest(number), caller("https://a.test", "web", "ann", 100), NOW);
        }
        for number in 1_000..3_000 {
            callers.insert(digest(number), caller("https://b.test", "web", "ann", 100), NOW);
        }
        assert_eq!((0..200).filter(|number| callers.get(&digest(*number)).is_some()).count(), 200);
    }

    #[test]
    fn s7_13_the_callers_are_bounded_and_the_longest_unused_go() {
        let mut callers = Callers::new(100_000);
        for number in 0..10_001 {
            callers.get(&digest(0));
            callers.insert(digest(number), caller("https://a.test", "", "", 100), NOW);
        }
        assert!((400..=500).contains(&callers.len()), "{}", callers.len());
        assert!(callers.get(&digest(0)).is_some() && callers.get(&digest(1)).is_none());
        let gone = callers.insert(digest(1), caller("https://a.test", "", "", 60_000), UnixTime::from_secs(3000));
        assert!(gone.len() > 400 && callers.len() == 0, "expired ones go, and what is too large is not kept");
    }

    #[test]
    fn a_caller_whose_token_grows_takes_more_room() {
        let mut callers = Callers::new(1_000);
        for number in 0..4 {
            callers.insert(digest(number), caller("https://a.test", "", "", 100), NOW);
        }
        assert_eq!(callers.resize(&digest(3), 200, NOW).len(), 0);
        assert_eq!((callers.len(), callers.bytes()), (4, 500));
        assert_eq!(callers.resize(&digest(3), 300, NOW).len(), 1, "the oldest");
        assert!(callers.get(&digest(0)).is_none());
        assert_eq!(callers.resize(&digest(3), 900, NOW).len(), 3, "larger than its share");
        assert_eq!((callers.len(), callers.bytes()), (0, 0));
        assert!(callers.resize(&digest(9), 900, NOW).is_empty());
    }

    #[test]
    fn the_number_of_callers_is_bounded_too() {
        let mut callers = Callers::new(MAX_CALLERS * 1000);
        for number in 0..11_000 {
            callers.insert(digest(number), caller("https://a.test", "", "", 1), NOW);
        }
        assert!(callers.len() <= MAX_CALLERS / 2, "{}", callers.len());
    }
}
