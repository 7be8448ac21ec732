//! The dispatch by grant.

use super::{GrantError, Granted, TXN_TOKEN, client_credentials, exchange, identity_assertion, transaction};
use crate::client::Client;
use crate::oauth::Form;
use crate::policy::Grant;
use crate::proof::Possession;
use crate::service::Issuer;

/// The request of an authenticated client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrantRequest {
    /// A token for itself, by the grant with which it authenticated.
    OwnToken(Grant),
    /// A token for the subject of another one.
    Exchange,
    /// A token for the user of an identity assertion.
    IdentityAssertion,
}

impl GrantRequest {
    /// The request of a client that authenticated with a credential of its own.
    pub(crate) fn with_credential(grant: Grant) -> Self {
        match grant {
            Grant::ClientCredentials => GrantRequest::OwnToken(grant),
            Grant::TokenExchange => GrantRequest::Exchange,
            Grant::JwtBearer => GrantRequest::IdentityAssertion,
        }
    }

    /// The grant, by its `grant_type`.
    pub(crate) const fn grant(self) -> Grant {
        match self {
            GrantRequest::OwnToken(grant) => grant,
            GrantRequest::Exchange => Grant::TokenExchange,
            GrantRequest::IdentityAssertion => Grant::JwtBearer,
        }
    }
}

/// Evaluates the request of an authenticated client, who has proven this possession.
pub(crate) async fn evaluate(
    request: GrantRequest,
    issuer: &Issuer,
    client: &Client,
    form: &Form,
    possession: Possession,
) -> Result<Granted, GrantError> {
    match request {
        GrantRequest::OwnToken(_) => client_credentials::evaluate(issuer, client, form),
        GrantRequest::Exchange if is_for_transaction(form) => {
            transaction::evaluate(issuer, client, form, possession).await
        }
        GrantRequest::Exchange => exchange::evaluate(issuer, client, form, possession).await,
        GrantRequest::IdentityAssertion => identity_assertion::evaluate(issuer, client, form, possession).await,
    }
}

/// Returns whether the request is for a transaction token. Without the feature, the type is one that is not supported.
fn is_for_transaction(form: &Form) -> bool {
    cfg!(feature = "txn") && form.one("requested_token_type") == Some(TXN_TOKEN)
}
