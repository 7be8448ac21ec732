//! A token for the client itself (RFC 6749 §4.4).

use serde_json::{Map, Value};

use super::granted::GrantedToken;
use super::request::{scope, target};
use super::{GrantError, Granted};
use crate::client::Client;
use crate::oauth::Form;
use crate::policy::TENANT_CLAIM;
use crate::service::Issuer;

pub(super) fn evaluate(issuer: &Issuer, client: &Client, form: &Form) -> Result<Granted, GrantError> {
    let audience = target(issuer, client, form)?;
    let scope = scope(form, client.scopes.intersection(&audience.scopes))?;
    let mut claims = Map::new();
    if let Some(tenant) = &client.tenant {
        claims.insert(TENANT_CLAIM.into(), Value::from(tenant.as_str()));
    }
    Ok(Granted {
        subject: client.id().to_owned(), // RFC 9068 §2.2: without a resource owner
        audience: audience.name().to_owned(),
        scope,
        not_after: None,
        claims,
        is_for_certificate: false,
        token: GrantedToken::Access { issued_token_type: None },
        identity_provider: None,
        has_resource: false,
    })
}
