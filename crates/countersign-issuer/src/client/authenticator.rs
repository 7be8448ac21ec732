//! Authentication of clients by secret, assertion or certificate.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::UnixTime;

use super::secret_check::PresentedSecret;
use super::{AssertionCheck, AuthenticationError, Client, Registry, SecretCheck};
use crate::oauth::{ClientCredential, ClientIdentification, PresentedCertificate};
use crate::store::AsyncStore;

/// Authenticates the registered clients.
pub(crate) struct ClientAuthenticator {
    pub(crate) clients: Registry,
    secrets: SecretCheck,
    /// By client id; only clients with public keys have one.
    assertions: HashMap<String, AssertionCheck>,
    store: AsyncStore,
}

impl ClientAuthenticator {
    pub(crate) fn new(
        clients: Registry,
        secrets: SecretCheck,
        assertions: HashMap<String, AssertionCheck>,
        store: AsyncStore,
    ) -> Self {
        ClientAuthenticator { clients, secrets, assertions, store }
    }

    /// Returns the client that sent `identification`; `now` and `elapsed` are the times of the issuer's clock.
    pub(crate) async fn authenticate(
        &self,
        identification: ClientIdentification,
        peer: Option<IpAddr>,
        (now, elapsed): (UnixTime, Duration),
    ) -> Result<Arc<Client>, AuthenticationError> {
        let ClientIdentification { client_id, credential } = identification;
        let client = self.clients.find(&client_id).filter(|client| !client.is_locked());
        let is_authentic = match credential {
            ClientCredential::Secret(secret) => {
                let presented = PresentedSecret { client_id: &client_id, peer, secret, elapsed };
                self.secrets.is_right(client.map(AsRef::as_ref), presented).await?
            }
            ClientCredential::Assertion(assertion) => match client.zip(self.assertions.get(&client_id)) {
                Some((client, check)) => check.proves(client, &assertion, &self.store).await?,
                None => false,
            },
            ClientCredential::Certificate(certificate) => {
                client.is_some_and(|client| is_certificate_of(client, &certificate, now))
            }
        };
        client.filter(|_| is_authentic).map(Arc::clone).ok_or(AuthenticationError::Rejected)
    }
}

/// Returns whether the certificate is registered itself, or has the registered name and a chain that was verified.
fn is_certificate_of(client: &Client, presented: &PresentedCertificate, now: UnixTime) -> bool {
    match (&client.certificate_name, &presented.verified) {
        (Some(name), Some(verified)) => name.is_in(verified, now),
        (Some(_), None) => false, // whoever signed it could write any name
        (None, _) => client.certificates.contains(&presented.thumbprint),
    }
}
