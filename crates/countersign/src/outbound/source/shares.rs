//! The shares of subjects, clients and issuers in what the tokens of callers cost.

use std::hash::{BuildHasher, RandomState};

use countersign_core::integration::{OccupancyBudget, OverBudget, Permit, Standing};

use super::party::Party;

/// Budgets for subjects, clients and issuers. Each client and each issuer gets at most as many units as are free.
pub(super) struct Shares {
    budgets: [OccupancyBudget; 3],
    hasher: RandomState,
}

/// The hashes of a subject, client and issuer; those of subject and client include the issuer.
pub(super) type Names = [Option<u64>; 3];

/// A place in each share. Dropping it returns the units.
pub(super) type Place = [Option<Permit>; 3];

impl Shares {
    /// `bound` units for all, of which one subject gets at most `per_subject`.
    pub(super) fn new(bound: u32, per_subject: u32) -> Self {
        let budget = || OccupancyBudget::new(bound);
        Shares { budgets: [budget().share(per_subject), budget(), budget()], hasher: RandomState::new() }
    }

    pub(super) fn names(&self, party: &Party) -> Names {
        let Party { issuer, client, subject } = party;
        let of_issuer = |name: &Option<String>| name.as_ref().map(|name| self.hasher.hash_one((issuer, name)));
        [of_issuer(subject), of_issuer(client), Some(self.hasher.hash_one(issuer))]
    }

    /// A place in each share.
    ///
    /// # Errors
    /// If one of them is used up.
    pub(super) fn place(&self, names: Names, units: u32) -> Result<Place, OverBudget> {
        let mut place = [None, None, None];
        for ((place, budget), name) in place.iter_mut().zip(&self.budgets).zip(names) {
            if let Some(name) = name {
                *place = Some(budget.acquire_many(&name, Standing::Known, units)?);
            }
        }
        Ok(place)
    }

    /// The units in use.
    pub(super) fn in_use(&self) -> u32 {
        let [.., issuers] = &self.budgets;
        issuers.in_use()
    }
}
