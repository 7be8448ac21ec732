//! Authentication of clients by tokens of other issuers.

use std::collections::HashMap;
use std::sync::Arc;

use countersign_core::claims::Principal;
use countersign_core::clock::Clock;
use countersign_core::error::{ConfigError, VerifyError};
use countersign_core::verify::Verifier;

use crate::client::{Client, Registry};
use crate::policy::Federation;

/// The trusted issuers, and the client of each of their subjects.
pub(crate) struct Federations(Option<Inner>);

struct Inner {
    verifier: Verifier,
    /// By issuer and subject, never by subject only.
    clients: HashMap<(String, String), String>,
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
    pub(crate) fn new(federations: &[Federation], clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        if federations.is_empty() {
            return Ok(Federations(None));
        }
        let mut builder = Verifier::builder().clock(clock);
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
        Ok(Federations(Some(Inner { verifier: builder.build()?, clients })))
    }

    /// The client that the assertion authenticates.
    pub(crate) async fn authenticate(
        &self,
        assertion: &str,
        registry: &Registry,
        log: impl Fn(&VerifyError),
    ) -> Result<Arc<Client>, FederationError> {
        let Inner { verifier, clients } = self.0.as_ref().ok_or(FederationError::Rejected)?;
        let verified = verifier.verify(assertion).await.map_err(|error| {
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
