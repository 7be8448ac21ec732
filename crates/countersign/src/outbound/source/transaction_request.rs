//! Requests for transaction tokens (draft-ietf-oauth-transaction-tokens-10 §5).

use countersign_core::error::Fault;
use countersign_core::secret::Secret;

use super::client_credentials::ClientCredentials;
use super::context::OutboundContext;
use super::exchange::{self, TransactionForm};
use super::exchanges::Exchanges;
use super::party::Party;
use super::response::transaction_in;
use super::token_client::TokenClient;
use super::token_source::TokenRequest;
use crate::authenticate::CallerToken;
use crate::outbound::error::OutboundError;

/// The token service as it is asked for transaction tokens, with the requests in progress.
pub(in crate::outbound) struct TransactionRequests {
    client: TokenClient,
    exchanges: Exchanges,
}

impl TransactionRequests {
    /// The token service of `credentials`, for tokens of this trust domain.
    pub(in crate::outbound) fn new(credentials: ClientCredentials, trust_domain: &str) -> (Self, Vec<Fault>) {
        let mut client = credentials.into_client();
        let faults = faults(&client);
        client.audiences = vec![trust_domain.to_owned()];
        (TransactionRequests { client, exchanges: Exchanges::new() }, faults)
    }

    pub(in crate::outbound) fn attach(&self, context: &OutboundContext) -> Vec<Fault> {
        self.client.attach(context)
    }

    /// A new transaction token. It counts in the shares of its caller while it is requested.
    pub(in crate::outbound) async fn token(
        &self,
        subject: &CallerToken,
        transaction: TransactionForm,
    ) -> Result<Secret<String>, OutboundError> {
        let _place = self.exchanges.place(&Party::of(subject))?;
        let request = TokenRequest { subject: Some(subject.clone()), transaction: Some(transaction) };
        let (token, _) = self.client.request(&request, |sent, _| transaction_in(&sent.answer)).await?;
        Ok(token)
    }
}

/// The faults of settings that a transaction token cannot have.
fn faults(client: &TokenClient) -> Vec<Fault> {
    [
        (!client.audiences.is_empty(), "audience", "set; it is the trust domain of the verifier"),
        (!client.resources.is_empty(), "resource", "set; a transaction token is for a whole trust domain"),
        (!client.scopes.is_empty(), "scope", "set; each new transaction names its own"),
        (client.bound.is_some(), "dpop", "set; a transaction token is bound to no key"),
        (client.grant.is_some(), "jwt_bearer", "set; a transaction begins with the token of a caller"),
        (client.actor.is_some(), "actor", "set; the client is the only party beside the caller"),
        (client.exchange != exchange::Flow::Standard, "entra_on_behalf_of", "set; it has no transaction tokens"),
    ]
    .into_iter()
    .filter(|(is_wrong, ..)| *is_wrong)
    .map(|(_, field, problem)| Fault::new(field, problem))
    .collect()
}
