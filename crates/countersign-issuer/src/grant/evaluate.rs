//! The dispatch by grant.

use super::{GrantError, Granted, TXN_TOKEN, client_credentials, exchange, transaction};
use crate::client::Client;
use crate::oauth::Form;
use crate::policy::Grant;
use crate::proof::Possession;
use crate::service::Issuer;

/// Evaluates the request of an authenticated client, who has proven this possession.
pub(crate) async fn evaluate(
    grant: Grant,
    issuer: &Issuer,
    client: &Client,
    form: &Form,
    possession: Possession,
) -> Result<Granted, GrantError> {
    match grant {
        // In both a client requests a token for itself; they differ in how it authenticated.
        Grant::ClientCredentials | Grant::JwtBearer => client_credentials::evaluate(issuer, client, form),
        Grant::TokenExchange if is_for_transaction(form) => {
            transaction::evaluate(issuer, client, form, possession).await
        }
        Grant::TokenExchange => exchange::evaluate(issuer, client, form, possession).await,
    }
}

/// Returns whether the request is for a transaction token. Without the feature, the type is one that is not supported.
fn is_for_transaction(form: &Form) -> bool {
    cfg!(feature = "txn") && form.one("requested_token_type") == Some(TXN_TOKEN)
}
