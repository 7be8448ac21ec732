//! Shares of issuers and subjects in a list of bounded size.

use countersign_core::integration::{OccupancyBudget, Permit, Standing};

/// The parts of the list that issuers and subjects may fill.
///
/// The list has room for twice `max_entries`. One busy issuer gets half of it, and one subject half of that, so that all
/// others find room.
#[derive(Debug)]
pub(super) struct ListShares {
    issuers: OccupancyBudget,
    subjects: OccupancyBudget,
}

/// The places of one entry, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _issuer: Permit,
    _subject: Option<Permit>,
}

impl ListShares {
    pub(super) fn new(max_entries: usize) -> Self {
        let entries = u32::try_from(max_entries).unwrap_or(u32::MAX);
        let bound = entries.saturating_mul(2);
        let one_subject = entries.div_ceil(2);
        ListShares {
            issuers: OccupancyBudget::new(bound).share(entries),
            subjects: OccupancyBudget::new(bound).share(one_subject),
        }
    }

    /// The place of an entry about a token of `subject`, or of nobody in particular; `None` if the share is used up.
    pub(super) fn place(&self, issuer: &str, subject: Option<&str>) -> Option<Place> {
        let issuer_place = self.issuers.acquire(issuer, Standing::Known).ok()?;
        let subject = subject.map(|subject| self.subjects.acquire(&(issuer, subject), Standing::Known));
        Some(Place { _issuer: issuer_place, _subject: subject.transpose().ok()? })
    }
}
