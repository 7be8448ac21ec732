//! Revoked subjects, clients and issuers, and the kinds of names that an issuer has revocations of.

use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_core::clock::UnixTime;
use countersign_core::integration::NestedUnit;
use papaya::HashMap;

use crate::revocation::name::{Kind, Name, NameRef};
use crate::revocation::retention::{Retention, Term};

/// Names whose tokens are revoked if they were issued before a time. Readers take no lock; there is one writer.
#[derive(Debug, Default)]
pub(super) struct Names {
    entries: HashMap<Name, Entry>,
    /// The kinds of names that an issuer has revocations of, identifiers too.
    kinds: HashMap<Name, Term>,
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

    /// Returns whether any name of this kind is in the list.
    #[inline]
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.count(kind).is_some_and(|count| count.load(Ordering::Acquire) > 0)
    }

    /// Returns whether a token of `name` that was issued at this time is revoked.
    pub(super) fn is_revoked(&self, name: NameRef<'_>, issued_at: Option<UnixTime>) -> bool {
        let of_time = |entry: &Entry| issued_at.is_none_or(|issued| issued < entry.issued_before);
        self.entries.pin().get(&name).is_some_and(of_time)
    }

    /// Returns whether the issuer has, or had, revocations of this kind.
    pub(super) fn has_of(&self, kind: Kind, issuer: &str) -> bool {
        self.kinds.pin().contains_key(&NameRef::all(kind, issuer))
    }

    /// Returns whether any issuer has, or had, revocations of this kind.
    pub(super) fn has_of_any(&self, kind: Kind) -> bool {
        self.kinds.pin().keys().any(|name| name.kind() == kind)
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
        let kinds = self.kinds.pin();
        let all = NameRef::all(kind, issuer);
        let term = kinds.get(&all).map_or(term, |known| known.join(term));
        kinds.insert(all.into(), term);
    }

    /// Removes the entries that are over at `now`; their units go to `returned`.
    pub(super) fn sweep(&self, retention: &Retention, now: UnixTime, returned: &mut dyn FnMut(NestedUnit)) {
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
        self.kinds.pin().retain(|_, term| !retention.is_over(*term, now));
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
