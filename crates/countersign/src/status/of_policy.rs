//! The check of the lists that a policy names.

use std::sync::Arc;

use countersign_core::clock::Clock;
use countersign_core::error::Fault;
use countersign_core::verify::Verified;

use super::lists::StatusLists;
use crate::revocation::{RevocationCheck, RevocationQuery, RevocationStatus};

/// Checks only tokens whose issuer has rules for status lists in the policy. A layer adds it by itself.
#[derive(Debug)]
pub(crate) struct ListsOfPolicy(pub(crate) Arc<StatusLists>);

impl RevocationCheck for ListsOfPolicy {
    #[inline]
    fn check(&self, token: &Arc<Verified>) -> RevocationQuery {
        match token.status_list_rules() {
            None => RevocationQuery::Known(RevocationStatus::Valid),
            Some(_) => self.0.check(token),
        }
    }

    fn attach(&self, clock: &Arc<dyn Clock>) -> Vec<Fault> {
        self.0.attach(clock)
    }

    fn checks_status_lists(&self) -> bool {
        true
    }
}
