//! Authentication of clients by tokens of other issuers.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use countersign_core::claims::Principal;
use countersign_core::clock::Clock;
use countersign_core::error::{ConfigError, VerifyError};
use countersign_core::integration::{OccupancyBudget, Permit, Standing};
use countersign_core::token::Unverified;
use countersign_core::verify::Verifier;

use crate::client::{Client, Registry};
use crate::policy::Federation;

/// The most assertions that wait for keys. An issuer that does not answer has at most half of these places, and the requests of
/// all leave most connections of `countersign issuer` to others.
const MAX_WAITING: u32 = 128;

/// The trusted issuers, and the client of each of their subjects.
pub(crate) struct Federations(Option<Inner>);

struct Inner {
    verifier: Verifier,
    /// By issuer and subject, never by subject only.
    clients: HashMap<(String, String), String>,
    /// By the issuer that an assertion names.
    waiting: OccupancyBudget,
}

/// A refused assertion.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FederationError {
    /// The token is not valid, or its subject is not a client.
    Rejected,
    /// The keys of the other issuer are unavailable.
    KeysUnavailable,
}

impl Federations {
    /// With `danger_denied`, weakened rules are a fault on field `danger`, and test keys authenticate nobody.
    pub(crate) fn new(
        federations: &[Federation],
        clock: Arc<dyn Clock>,
        danger_denied: bool,
    ) -> Result<Self, ConfigError> {
        if federations.is_empty() {
            return Ok(Federations(None));
        }
        let mut builder = Verifier::builder().clock(clock);
        if danger_denied {
            builder = builder.deny_danger();
        }
        let mut clients = HashMap::new();
        for federation in federations {
            for (subject, client) in &federation.subjects {
                clients.insert((federation.trusted.issuer().to_owned(), subject.clone()), client.clone());
            }
            // Neither roles nor tenants are used, so those of two federations need no owner.
            // Assertions name their author as issuer and subject (RFC 7523 §3).
            let trusted = federation.trusted.clone().clients_only();
            builder = builder.trust(trusted.token_type("client-authentication+jwt"));
        }
        Ok(Federations(Some(Inner { verifier: builder.build()?, clients, waiting: OccupancyBudget::new(MAX_WAITING) })))
    }

    /// The client that the assertion authenticates.
    pub(crate) async fn authenticate(
        &self,
        assertion: &str,
        registry: &Registry,
        log: impl Fn(&VerifyError),
    ) -> Result<Arc<Client>, FederationError> {
        let inner = self.0.as_ref().ok_or(FederationError::Rejected)?;
        let Inner { verifier, clients, .. } = inner;
        let mut verification = pin!(verifier.verify(assertion));
        let verified = match poll_fn(|context| Poll::Ready(verification.as_mut().poll(context))).await {
            Poll::Ready(verified) => verified,
            Poll::Pending => {
                let _place = inner.place(assertion)?;
                verification.await
            }
        };
        let verified = verified.map_err(|error| {
            log(&error);
            if error.is_unavailable() { FederationError::KeysUnavailable } else { FederationError::Rejected }
        })?;
        // Who has an actor, or got the token through a client, does not speak for itself: a user may have a workload's name.
        let is_anybody = verified.is_actor_unknown() || verified.is_client_unknown();
        let is_workload = !is_anybody
            && match verified.principal() {
                Principal::Client(_) => true,
                Principal::Subject(_) => verified.client_id().is_none(),
                _ => false,
            };
        if !is_workload {
            return Err(FederationError::Rejected);
        }
        let identity = (verified.issuer().to_owned(), verified.subject().to_owned());
        let client = clients.get(&identity).and_then(|id| registry.find(id));
        client.filter(|client| !client.is_locked()).map(Arc::clone).ok_or(FederationError::Rejected)
    }
}

impl Inner {
    /// A place to wait for keys. Only the assertions of issuers that are trusted wait.
    fn place(&self, assertion: &str) -> Result<Permit, FederationError> {
        let unverified = Unverified::parse(assertion).map_err(|_| FederationError::Rejected)?;
        let place = self.waiting.acquire(&unverified.issuer(), Standing::Known);
        place.map_err(|_| FederationError::KeysUnavailable)
    }
}
