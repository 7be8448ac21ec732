//! The exchanges of callers' tokens that are in progress: bounded, with shares for subjects, clients and issuers.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use countersign_core::integration::{NestedBudget, NestedPermit};

use super::party::Party;
use crate::outbound::error::OutboundError;

/// The most exchanges in progress for each binding: one issuer gets at most 1,024 of them, and one client of it 512, so that
/// others find room.
const MAX_EXCHANGES: u32 = 2048;

/// The most exchanges in progress for one subject of a client, or for a client whose tokens have no subject.
const MAX_OF_SUBJECT: u32 = 16;

/// The exchanges of one binding that are in progress, by issuer, client and subject.
pub(super) struct Exchanges(NestedBudget<3>);

/// The issuer, client and subject of an exchange. A client counts as the subject of tokens that have none.
pub(super) type Names = [Option<u64>; 3];

/// The place of an exchange. Dropping it returns it.
pub(super) type Place = NestedPermit<3>;

/// The place of one caller's exchange, from its admission to its start. The exchange then holds it until its end.
#[derive(Default)]
pub(super) struct Admission(Mutex<Option<Place>>);

impl Exchanges {
    pub(super) fn new() -> Self {
        Exchanges(NestedBudget::new(MAX_EXCHANGES, [MAX_EXCHANGES, MAX_EXCHANGES, MAX_OF_SUBJECT]))
    }

    pub(super) fn names(&self, party: &Party) -> Names {
        let Party { issuer, client, subject } = party;
        let key = |kind, name: &Option<String>| name.as_ref().map(|name| self.0.key(&(kind, name)));
        let client = key("client", client);
        [Some(self.0.key(issuer)), client, key("subject", subject).or(client)]
    }

    /// A place for an exchange whose token is not cached. The exchange holds it until its end.
    pub(super) fn place(&self, party: &Party) -> Result<Place, OutboundError> {
        self.0.acquire(self.names(party)).map_err(|refused| too_many(refused.retry_after))
    }
}

fn too_many(retry_after: Duration) -> OutboundError {
    OutboundError::unavailable("too many exchanges in progress", Some(retry_after))
}

impl Admission {
    /// Takes a place, unless the caller has one.
    ///
    /// # Errors
    /// The time until the next attempt makes sense, if a share is used up.
    pub(super) fn take(&self, exchanges: &Exchanges, names: Names) -> Result<(), Duration> {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if place.is_none() {
            *place = Some(exchanges.0.acquire(names).map_err(|refused| refused.retry_after)?);
        }
        Ok(())
    }

    /// The place for an exchange that starts.
    pub(super) fn start(&self, exchanges: &Exchanges, names: Names) -> Result<Option<Place>, OutboundError> {
        self.take(exchanges, names).map_err(too_many)?;
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).take())
    }

    /// Returns the place of an exchange that never started.
    pub(super) fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s15_01_a_client_whose_tokens_have_no_subject_has_the_share_of_one_and_not_that_of_its_namesake() {
        let exchanges = Exchanges::new();
        let place_at = |issuer: &str, client: &str, subject: Option<&str>| {
            let (client, subject) = (Some(client.to_owned()), subject.map(str::to_owned));
            exchanges.place(&Party { issuer: issuer.to_owned(), client, subject })
        };
        let place = |client, subject| place_at("https://id.test", client, subject);
        let busy: Vec<_> = (0..MAX_OF_SUBJECT).map(|_| place("ann", None).expect("its share")).collect();
        assert!(place("ann", None).expect_err("used up").is_transient());
        assert!(place("other", None).is_ok());
        assert!(place_at("https://other.test", "ann", None).is_ok(), "the client of that name of another issuer");
        assert!(place("web", Some("ann")).is_ok(), "the subject of that name");
        assert!(place("ann", Some("bob")).is_ok(), "a subject at that client");
        drop(busy);
        assert!(place("ann", None).is_ok());
    }
}
