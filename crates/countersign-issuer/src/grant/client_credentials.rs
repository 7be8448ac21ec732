//! A client asks for itself (RFC 6749 §4.4).

use serde_json::{Map, Value};

use super::{Granted, scope, target};
use crate::client::Client;
use crate::endpoint::{Form, OAuthError};
use crate::server::{Issuer, TENANT_CLAIM};

pub(super) fn give(issuer: &Issuer, client: &Client, form: &Form) -> Result<Granted, OAuthError> {
    let audience = target(issuer, client, form)?;
    let scope = scope(form, client.scopes.and(&audience.scopes))?;
    let mut claims = Map::new();
    if let Some(tenant) = &client.tenant {
        claims.insert(TENANT_CLAIM.into(), Value::from(tenant.as_str()));
    }
    Ok(Granted {
        subject: client.id().to_owned(), // RFC 9068 §2.2: no resource owner is involved
        audience: audience.name().to_owned(),
        scope,
        not_after: None,
        claims,
        issued_token_type: None,
    })
}
