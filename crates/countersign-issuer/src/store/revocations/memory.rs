//! Revocations in memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use countersign_core::clock::UnixTime;
use countersign_core::revocation::RevokedTokens;

use super::notice::{FoundNotices, NoticePage, PAGE, StoredNotice};
use crate::store::Insertion;
use crate::store::share::{Room, has_room};

/// The revocations, by digest and by number.
pub(in crate::store) struct MemoryNotices {
    /// Another one in each process: what is in memory ends with it.
    log: String,
    last: u64,
    stored: HashMap<[u8; 32], (String, StoredNotice)>,
    by_sequence: BTreeMap<u64, [u8; 32]>,
    counts: HashMap<String, u64>,
    /// The latest expiry of those that were removed.
    removed_until: Option<UnixTime>,
}

impl Default for MemoryNotices {
    fn default() -> Self {
        MemoryNotices {
            log: uuid::Uuid::from_bytes(random()).simple().to_string(),
            last: 0,
            stored: HashMap::new(),
            by_sequence: BTreeMap::new(),
            counts: HashMap::new(),
            removed_until: None,
        }
    }
}

impl MemoryNotices {
    pub(in crate::store) fn put(
        &mut self,
        client: &str,
        digest: &[u8; 32],
        (tokens, expires_at): (&RevokedTokens, UnixTime),
        room: Room<'_>,
    ) -> Insertion {
        if let Some((_, known)) = self.stored.get_mut(digest) {
            if let Some(joined) = known.joined(tokens, expires_at) {
                self.by_sequence.remove(&known.sequence);
                self.last += 1;
                *known = StoredNotice { sequence: self.last, ..joined };
                self.by_sequence.insert(self.last, *digest);
            }
            return Insertion::Present;
        }
        if !self.has_room(client, room.max) && room.is_sweep_due() {
            self.remove_expired(room.expired_before);
            room.swept();
        }
        if !self.has_room(client, room.max) {
            return Insertion::Full;
        }
        self.last += 1;
        let notice = StoredNotice::new(self.last, tokens.clone(), expires_at);
        self.stored.insert(*digest, (client.to_owned(), notice));
        self.by_sequence.insert(self.last, *digest);
        *self.counts.entry(client.to_owned()).or_default() += 1;
        Insertion::New
    }

    pub(in crate::store) fn after(&self, sequence: u64) -> NoticePage {
        let following = self.by_sequence.range((Bound::Excluded(sequence), Bound::Unbounded)).take(PAGE);
        let notices = following.filter_map(|(_, digest)| Some(self.stored.get(digest)?.1.clone())).collect();
        NoticePage::new(self.log.clone(), self.last, notices)
    }

    pub(in crate::store) fn find(&self, digests: &[[u8; 32]], expires_at: UnixTime) -> FoundNotices {
        let notices = digests.iter().filter_map(|digest| Some(self.stored.get(digest)?.1.clone())).collect();
        FoundNotices::new(notices, self.removed_until.is_some_and(|until| expires_at <= until))
    }

    fn has_room(&self, client: &str, max: u64) -> bool {
        let total = u64::try_from(self.stored.len()).unwrap_or(u64::MAX);
        has_room(client, max, total, self.counts.get(client).copied().unwrap_or(0))
    }

    fn remove_expired(&mut self, expired_before: UnixTime) {
        let (removed_until, by_sequence) = (&mut self.removed_until, &mut self.by_sequence);
        self.stored.retain(|_, (_, notice)| {
            let is_kept = expired_before < notice.expires_at;
            if !is_kept {
                *removed_until = (*removed_until).max(Some(notice.expires_at));
                by_sequence.remove(&notice.sequence);
            }
            is_kept
        });
        self.counts.clear();
        for (client, _) in self.stored.values() {
            *self.counts.entry(client.clone()).or_default() += 1;
        }
    }
}

/// Random bytes; without randomness of the system, none of the other parts of an issuer works.
fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    bytes
}
