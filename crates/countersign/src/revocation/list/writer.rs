//! The state of the one writer of a list: bounds and shares.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use countersign_core::integration::{NestedUnit, NestedUnits};

use crate::revocation::retention::{MeantTimes, Term};
use crate::revocation::shares::Holder;

/// The most revoked subjects, clients and issuers of one issuer, which take about 500 bytes each.
const MAX_REVOKED_NAMES: usize = 65_536;

/// The most entries for which a list has numbers: each may have two keys of its own in the budget.
const MOST_ENTRIES: usize = 1 << 21;

/// The most issuers whose refused revocations are distinguished.
pub(super) const MAX_REFUSED: usize = 1_024;

/// The state that only the writer reads.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) identifiers: NestedUnits<2>,
    pub(super) names: NestedUnits<1>,
    hasher: RandomState,
    pub(super) meant: MeantTimes,
    /// The terms of refused revocations, by issuer; the empty name stands for all issuers.
    pub(super) refused: HashMap<Box<str>, Term>,
    /// The monotonic time of the last search for entries that are over.
    pub(super) swept_at: Option<Duration>,
}

impl Writer {
    /// Room for so many identifiers of one issuer, and twice as many of all issuers. So many are those that holders of tokens
    /// revoke, and as many more those of everybody else.
    pub(super) fn new(max_entries: usize) -> Self {
        let number = |entries: usize| u32::try_from(entries).unwrap_or(u32::MAX);
        let identifiers = number(max_entries.min(MOST_ENTRIES));
        let names = number(max_entries.min(MAX_REVOKED_NAMES));
        Writer {
            identifiers: NestedUnits::new(identifiers.saturating_mul(2), [identifiers, identifiers]),
            names: NestedUnits::new(names.saturating_mul(2), [names]),
            hasher: RandomState::new(),
            meant: MeantTimes::default(),
            refused: HashMap::new(),
            swept_at: None,
        }
    }

    pub(super) fn take_identifier(&mut self, issuer: &str, holder: Option<Holder<'_>>) -> Option<NestedUnit> {
        let outer = self.hasher.hash_one((issuer, holder.is_some()));
        let inner = holder.map(|holder| self.hasher.hash_one(holder));
        self.identifiers.take([Some(outer), inner]).ok()
    }

    pub(super) fn take_name(&mut self, issuer: &str) -> Option<NestedUnit> {
        self.names.take([Some(self.hasher.hash_one(issuer))]).ok()
    }
}
