//! Additions to a list, and the removal of what is over.

use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::integration::{IdentifierKind, identifier_digest};

use super::full::RevocationsFull;
use super::names::Entry;
use super::revocation_list::RevocationList;
use super::table::Value;
use super::writer::{MAX_REFUSED, Writer};
use crate::revocation::name::{Kind, NameRef};
use crate::revocation::retention::{MeantTimes, Retention, Term};
use crate::revocation::shares::Holder;

/// The time between two searches for entries that are over, so that refused revocations cost no search each.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

impl RevocationList {
    pub(super) fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add_identifier(
        &self,
        kind: IdentifierKind,
        issuer: &str,
        name: &str,
        holder: Option<Holder<'_>>,
        expires_at: UnixTime,
    ) -> Result<(), RevocationsFull> {
        let writer = &mut *self.lock();
        let mut term = self.retention.term(expires_at, None, self.max_retention);
        let now = self.retention.sweep_time();
        if self.is_over_already(term, now) {
            return Ok(());
        }
        let digest = identifier_digest(kind, issuer, name);
        let known = self.identifiers.get(digest);
        let is_new = known.is_none();
        let unit = match known {
            Some(known) => {
                // Of two revocations of one name, the further-reaching counts.
                term = term.join(Retention::unpack(known.term, self.max_retention, &writer.meant));
                known.unit
            }
            None => {
                let unit = writer.take_identifier(issuer, holder).or_else(|| {
                    self.sweep(writer);
                    writer.take_identifier(issuer, holder)
                });
                unit.ok_or(RevocationsFull)?.to_number()
            }
        };
        writer.meant.add(term);
        let kind = match kind {
            IdentifierKind::Token => Kind::Token,
            IdentifierKind::Session => Kind::Session,
        };
        self.names.add_kind(kind, issuer, term);
        let Writer { identifiers, meant, .. } = writer;
        let value = Value { term: term.pack(), unit };
        let is_attached = self.retention.is_attached();
        let is_over = &mut |packed| is_attached && self.may_remove(packed, meant, now);
        let mut insert = || self.identifiers.insert(digest, value, is_over, &mut |unit| identifiers.give_back(unit));
        if is_new {
            self.states.grow(insert); // after its kind: searches look for names of this kind
            self.signal.send();
        } else {
            insert();
        }
        Ok(())
    }

    /// Adds the revocation of what `name` names, if it was issued before a time.
    pub(super) fn add_name(
        &self,
        name: NameRef<'_>,
        issued_before: UnixTime,
        expires_at: UnixTime,
    ) -> Result<(), RevocationsFull> {
        let writer = &mut *self.lock();
        let term = self.retention.term(expires_at, Some(issued_before), self.max_retention);
        if self.is_over_already(term, self.retention.sweep_time()) {
            return Ok(());
        }
        let entry = match self.names.get(name) {
            Some(known) => Entry {
                issued_before: issued_before.max(known.issued_before),
                term: term.join(known.term),
                unit: known.unit,
            },
            None => {
                let unit = writer.take_name(name.issuer()).or_else(|| {
                    self.sweep(writer);
                    writer.take_name(name.issuer())
                });
                Entry { issued_before, term, unit: unit.ok_or(RevocationsFull)? }
            }
        };
        self.names.add_kind(name.kind(), name.issuer(), entry.term);
        let is_new = self.names.get(name).is_none_or(|known| known.issued_before < entry.issued_before);
        self.names.insert(name, entry);
        if is_new {
            self.signal.send();
        }
        Ok(())
    }

    /// Notes that revocations of `issuer` are missing in this list until `expires_at`.
    pub(super) fn note_refused(&self, issuer: &str, expires_at: UnixTime) {
        let writer = &mut *self.lock();
        let term = self.retention.term(expires_at, None, self.max_retention);
        let is_known = writer.refused.contains_key(issuer);
        let name = if is_known || writer.refused.len() < MAX_REFUSED { issuer } else { "" };
        let term = writer.refused.get(name).map_or(term, |known| known.join(term));
        writer.refused.insert(name.into(), term);
        self.refused.pin().insert(name.into(), ());
        self.has_refused.store(true, Ordering::Release);
        self.refusals.increment();
        self.signal.send();
    }

    /// Forgets the refused revocations whose time is over.
    pub(super) fn sweep_refused(&self) {
        let refused = self.refused.pin();
        if refused.is_empty() {
            return;
        }
        let writer = &mut *self.lock();
        let now = self.retention.sweep_time();
        writer.refused.retain(|issuer, term| {
            let is_kept = !self.retention.may_remove(*term, now);
            if !is_kept {
                refused.remove(&**issuer);
            }
            is_kept
        });
        self.has_refused.store(!writer.refused.is_empty(), Ordering::Release);
    }

    /// Removes the entries that are over, unless that was done just now.
    fn sweep(&self, writer: &mut Writer) {
        let elapsed = self.retention.elapsed();
        if writer.swept_at.is_some_and(|last| elapsed.abs_diff(last) < SWEEP_EVERY) {
            return;
        }
        writer.swept_at = Some(elapsed);
        let now = self.retention.sweep_time();
        let Writer { identifiers, names, meant, .. } = writer;
        let is_over = &mut |packed| self.may_remove(packed, meant, now);
        self.identifiers.sweep(is_over, &mut |unit| identifiers.give_back(unit));
        self.names.sweep(&self.retention, now, self.identifiers.len() > 0, &mut |unit| names.give_back(unit));
        let is_over = |packed| {
            let term = Retention::unpack(packed, self.max_retention, &MeantTimes::default());
            self.retention.is_over(term, now)
        };
        meant.retain(is_over);
    }

    /// Returns whether no token that is meant is accepted any more, by the clock of the verifier.
    fn is_over_already(&self, term: Term, now: UnixTime) -> bool {
        self.retention.is_attached() && self.retention.may_remove(term, now)
    }

    fn may_remove(&self, packed: u32, meant: &MeantTimes, now: UnixTime) -> bool {
        self.retention.may_remove(Retention::unpack(packed, self.max_retention, meant), now)
    }
}
