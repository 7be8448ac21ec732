//! Revoked subjects, clients and issuers, and the kinds of names that an issuer has revocations of.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use countersign_core::clock::UnixTime;
use countersign_core::integration::NestedUnit;
use countersign_core::verify::Verified;
use papaya::HashMap;

use crate::revocation::check::RevocationStatus;
use crate::revocation::name::{Kind, Name, NameRef};
use crate::revocation::retention::{Retention, Term};

/// Names whose tokens are revoked if they were issued before a time. Readers take no lock; there is one writer.
#[derive(Debug, Default)]
pub(super) struct Names {
    entries: HashMap<Name, Entry>,
    /// The kinds of names that an issuer has revocations of, identifiers too.
    kinds: HashMap<Name, Term>,
    /// The kinds in `kinds`, in `entries` and of identifiers in the list, a bit each.
    present: AtomicU8,
    subjects: AtomicUsize,
    clients: AtomicUsize,
    issuers: AtomicUsize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) issued_before: UnixTime,
    pub(super) term: Term,
    pub(super) unit: NestedUnit,
}

impl Names {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether any issuer has, or had, revocations of subjects, clients or all tokens.
    #[inline]
    pub(super) fn has_any(&self) -> bool {
        self.present.load(Ordering::Acquire) & !(bit(Kind::Token) | bit(Kind::Session)) != 0
    }

    /// The subject of the token: its client if it has none.
    #[inline]
    pub(super) fn subject_of(token: &Verified) -> Option<&str> {
        let present = |name: &&str| !name.is_empty();
        Some(token.subject()).filter(present).or_else(|| token.client_id().filter(present))
    }

    /// The status of a token by the revocations of subjects, clients and issuers.
    pub(super) fn status(&self, token: &Verified) -> RevocationStatus {
        let issuer = token.issuer();
        let client = token.client_id().filter(|name| !name.is_empty());
        let subject = Self::subject_of(token);
        let is_revoked = |name| self.is_revoked(name, token.issued_at());
        let is_subject_revoked = || {
            let actor = token.actor_issuer().zip(token.actor());
            subject.is_some_and(|subject| is_revoked(NameRef::subject(issuer, subject)))
                || actor.is_some_and(|(issuer, actor)| is_revoked(NameRef::subject(issuer, actor)))
        };
        let is_client_revoked = || client.is_some_and(|client| is_revoked(NameRef::client(issuer, client)));
        if self.has(Kind::Subject) && is_subject_revoked()
            || self.has(Kind::Client) && is_client_revoked()
            || self.has(Kind::Issuer) && is_revoked(NameRef::all(Kind::Issuer, issuer))
        {
            return RevocationStatus::Revoked;
        }
        let is_unnamed = |kind, is_named: bool| !is_named && self.has_of(kind, issuer);
        // An unknown actor may be a subject of any issuer.
        if is_unnamed(Kind::Subject, subject.is_some())
            || is_unnamed(Kind::Client, client.is_some() && !token.is_client_unknown())
            || token.is_actor_unknown() && self.has_of_any(Kind::Subject)
        {
            return RevocationStatus::Unknown;
        }
        RevocationStatus::Valid
    }

    /// Returns whether any name of this kind is in the list.
    #[inline]
    fn has(&self, kind: Kind) -> bool {
        self.count(kind).is_some_and(|count| count.load(Ordering::Acquire) > 0)
    }

    /// Returns whether a token of `name` that was issued at this time is revoked.
    fn is_revoked(&self, name: NameRef<'_>, issued_at: Option<UnixTime>) -> bool {
        let of_time = |entry: &Entry| issued_at.is_none_or(|issued| issued < entry.issued_before);
        self.entries.pin().get(&name).is_some_and(of_time)
    }

    /// Returns whether the issuer has, or had, revocations of this kind.
    pub(super) fn has_of(&self, kind: Kind, issuer: &str) -> bool {
        self.has_of_any(kind) && self.kinds.pin().contains_key(&NameRef::all(kind, issuer))
    }

    /// Returns whether any issuer has, or had, revocations of this kind.
    #[inline]
    pub(super) fn has_of_any(&self, kind: Kind) -> bool {
        self.present.load(Ordering::Acquire) & bit(kind) != 0
    }

    pub(super) fn get(&self, name: NameRef<'_>) -> Option<Entry> {
        self.entries.pin().get(&name).copied()
    }

    /// Adds an entry, or replaces it.
    pub(super) fn insert(&self, name: NameRef<'_>, entry: Entry) {
        // Counted before it is there: a reader that sees none looks no further.
        if self.get(name).is_none()
            && let Some(count) = self.count(name.kind())
        {
            count.fetch_add(1, Ordering::Release);
        }
        self.entries.pin().insert(name.into(), entry);
    }

    /// Notes that the issuer has a revocation of this kind.
    pub(super) fn add_kind(&self, kind: Kind, issuer: &str, term: Term) {
        self.present.fetch_or(bit(kind), Ordering::Release);
        let kinds = self.kinds.pin();
        let all = NameRef::all(kind, issuer);
        let term = kinds.get(&all).map_or(term, |known| known.join(term));
        kinds.insert(all.into(), term);
    }

    /// Removes the entries that are over at `now`; their units go to `returned`. `has_identifiers` if the list still has some.
    pub(super) fn sweep(
        &self,
        retention: &Retention,
        now: UnixTime,
        has_identifiers: bool,
        returned: &mut dyn FnMut(NestedUnit),
    ) {
        self.entries.pin().retain(|name, entry| {
            let is_over = retention.may_remove(entry.term, now);
            if is_over {
                returned(entry.unit);
                if let Some(count) = self.count(name.kind()) {
                    count.fetch_sub(1, Ordering::Release);
                }
            }
            !is_over
        });
        let kinds = self.kinds.pin();
        kinds.retain(|_, term| !retention.is_over(*term, now));
        let of_kinds = kinds.keys().map(Name::kind);
        // An entry may outlast the note of its kind, if the wall clock was set back.
        let of_entries = [Kind::Subject, Kind::Client, Kind::Issuer].into_iter().filter(|kind| self.has(*kind));
        let present = of_kinds.chain(of_entries).fold(0, |present, kind| present | bit(kind));
        let identifiers = if has_identifiers { bit(Kind::Token) | bit(Kind::Session) } else { 0 };
        self.present.fetch_and(present | identifiers, Ordering::AcqRel);
    }

    fn count(&self, kind: Kind) -> Option<&AtomicUsize> {
        match kind {
            Kind::Subject => Some(&self.subjects),
            Kind::Client => Some(&self.clients),
            Kind::Issuer => Some(&self.issuers),
            Kind::Token | Kind::Session => None,
        }
    }
}

fn bit(kind: Kind) -> u8 {
    match kind {
        Kind::Token => 1,
        Kind::Session => 1 << 1,
        Kind::Subject => 1 << 2,
        Kind::Client => 1 << 3,
        Kind::Issuer => 1 << 4,
    }
}
