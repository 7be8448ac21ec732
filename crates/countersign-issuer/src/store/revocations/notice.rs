//! The form of stored revocations.

use countersign_core::clock::UnixTime;
use countersign_core::integration::sha256;
use countersign_core::revocation::RevokedTokens;

/// The most revocations of one page.
pub(in crate::store) const PAGE: usize = 1_000;

/// A revocation in a [`Store`](crate::Store).
///
/// ```
/// use countersign_core::clock::UnixTime;
/// use countersign_core::revocation::RevokedTokens;
/// use countersign_issuer::{Insertion, MemoryStore, Store};
///
/// let (store, now) = (MemoryStore::new(), UnixTime::from_secs(1_800_000_000));
/// let ann = RevokedTokens::Subject("ann".into(), now);
/// let until = UnixTime::from_secs(1_800_003_600);
/// assert_eq!(store.put_notice("", &[7; 32], &ann, until, now), Ok(Insertion::New));
/// let page = store.notices_after(0)?;
/// assert_eq!((page.notices[0].sequence, &page.notices[0].tokens), (1, &ann));
/// # Ok::<(), countersign_issuer::StoreError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredNotice {
    /// Its number. A revocation that is prolonged gets a new one.
    pub sequence: u64,
    /// The tokens that it means.
    pub tokens: RevokedTokens,
    /// The time by which they have expired.
    pub expires_at: UnixTime,
}

impl StoredNotice {
    /// A revocation as it was read from a store.
    #[must_use]
    pub fn new(sequence: u64, tokens: RevokedTokens, expires_at: UnixTime) -> Self {
        StoredNotice { sequence, tokens, expires_at }
    }

    /// This revocation joined with another one of the same name; `None` if it reaches as far already.
    pub(in crate::store) fn joined(&self, tokens: &RevokedTokens, expires_at: UnixTime) -> Option<Self> {
        let (own, other) = (Columns::of(&self.tokens)?, Columns::of(tokens)?);
        if other.before <= own.before && expires_at <= self.expires_at {
            return None;
        }
        let before = own.before.max(other.before);
        let tokens = Columns { before, ..own }.tokens()?;
        Some(StoredNotice { sequence: self.sequence, tokens, expires_at: self.expires_at.max(expires_at) })
    }
}

/// A part of the revocations in a [`Store`](crate::Store), in the order of their numbers.
///
/// ```
/// use countersign_issuer::NoticePage;
///
/// let page = NoticePage::new("of 2026-11-30", 0, Vec::new());
/// assert_eq!(page.last, 0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoticePage {
    /// The name of the list, random and made with it: numbers of another list mean other revocations.
    pub log: String,
    /// The last number that was given when the page was read.
    pub last: u64,
    /// The revocations.
    pub notices: Vec<StoredNotice>,
}

impl NoticePage {
    /// A page as it was read from a store.
    #[must_use]
    pub fn new(log: impl Into<String>, last: u64, notices: Vec<StoredNotice>) -> Self {
        NoticePage { log: log.into(), last, notices }
    }
}

/// The revocations with certain names in a [`Store`](crate::Store).
///
/// ```
/// use countersign_core::clock::UnixTime;
/// use countersign_issuer::{MemoryStore, Store};
///
/// let found = MemoryStore::new().find_notices(&[[7; 32]], UnixTime::from_secs(1_800_003_600))?;
/// assert!(found.notices.is_empty() && !found.may_be_removed);
/// # Ok::<(), countersign_issuer::StoreError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundNotices {
    /// Those that are stored.
    pub notices: Vec<StoredNotice>,
    /// True if others that meant a token of this expiry may have been removed.
    pub may_be_removed: bool,
}

impl FoundNotices {
    /// The revocations as they were read from a store.
    #[must_use]
    pub fn new(notices: Vec<StoredNotice>, may_be_removed: bool) -> Self {
        FoundNotices { notices, may_be_removed }
    }
}

/// The name under which a revocation is stored: of two with the same, the further-reaching counts.
pub(crate) fn notice_digest(tokens: &RevokedTokens) -> Option<[u8; 32]> {
    let Columns { kind, name, .. } = Columns::of(tokens)?;
    Some(sha256(&format!("{kind}:{name}")))
}

/// Returns whether a token that was issued at this time is meant, if its name is.
pub(crate) fn is_meant(tokens: &RevokedTokens, issued_at: Option<UnixTime>) -> bool {
    match tokens {
        RevokedTokens::Subject(_, before) | RevokedTokens::Client(_, before) | RevokedTokens::All(before) => {
            issued_at.is_none_or(|issued| issued < *before)
        }
        _ => true,
    }
}

/// The columns of a revocation in tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Columns<'n> {
    pub(in crate::store) kind: u8,
    pub(in crate::store) name: &'n str,
    /// Seconds; 0 if tokens are meant whenever they were issued.
    pub(in crate::store) before: u64,
}

impl<'n> Columns<'n> {
    /// `None` for a kind that this version does not know.
    pub(in crate::store) fn of(tokens: &'n RevokedTokens) -> Option<Self> {
        let (kind, name, before) = match tokens {
            RevokedTokens::Token(id) => (1, &**id, None),
            RevokedTokens::Session(id) => (2, &**id, None),
            RevokedTokens::Subject(subject, before) => (3, &**subject, Some(before)),
            RevokedTokens::Client(client, before) => (4, &**client, Some(before)),
            RevokedTokens::All(before) => (5, "", Some(before)),
            _ => return None,
        };
        Some(Columns { kind, name, before: before.map_or(0, |before| before.as_secs()) })
    }

    pub(in crate::store) fn tokens(self) -> Option<RevokedTokens> {
        let (name, before) = (Box::from(self.name), UnixTime::from_secs(self.before));
        Some(match self.kind {
            1 => RevokedTokens::Token(name),
            2 => RevokedTokens::Session(name),
            3 => RevokedTokens::Subject(name, before),
            4 => RevokedTokens::Client(name, before),
            5 => RevokedTokens::All(before),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s14_12_of_two_revocations_of_one_name_the_further_reaching_counts() {
        let at = UnixTime::from_secs;
        let ann = |before| RevokedTokens::Subject("ann".into(), at(before));
        let stored = StoredNotice::new(3, ann(100), at(400));
        assert_eq!(stored.joined(&ann(100), at(400)), None);
        assert_eq!(stored.joined(&ann(90), at(300)), None);
        assert_eq!(stored.joined(&ann(110), at(300)), Some(StoredNotice::new(3, ann(110), at(400))));
        assert_eq!(stored.joined(&ann(90), at(500)), Some(StoredNotice::new(3, ann(100), at(500))));
    }

    #[test]
    fn s14_12_kinds_and_names_have_their_own_place() {
        let at = UnixTime::from_secs(1);
        let all = [
            RevokedTokens::Token("a".into()),
            RevokedTokens::Session("a".into()),
            RevokedTokens::Subject("a".into(), at),
            RevokedTokens::Subject("b".into(), at),
            RevokedTokens::Client("a".into(), at),
            RevokedTokens::All(at),
        ];
        let digests: std::collections::HashSet<_> = all.iter().map(notice_digest).collect();
        assert_eq!(digests.len(), all.len());
        for tokens in &all {
            assert_eq!(Columns::of(tokens).and_then(Columns::tokens).as_ref(), Some(tokens));
        }
    }
}
