//! The dispatch by grant.

use super::{GrantError, Granted, client_credentials, exchange};
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
        Grant::TokenExchange => exchange::evaluate(issuer, client, form, possession).await,
    }
}
