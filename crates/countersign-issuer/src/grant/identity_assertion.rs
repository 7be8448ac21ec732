//! A token for a user whom an identity provider asserts (draft-ietf-oauth-identity-assertion-authz-grant-03 §4.4, RFC 7523 §2.1).

use std::iter;

use countersign_core::claims::TenantId;
use countersign_core::verify::Verified;
use serde_json::{Map, Value, json};

use super::exchange::{check_possession, has_claims_elsewhere};
use super::granted::GrantedToken;
use super::request::{scope, target_within};
use super::{GrantError, Granted};
use crate::client::Client;
use crate::oauth::{Form, jwt_type};
use crate::policy::{IdentityProvider, ScopeSet, TENANT_CLAIM};
use crate::proof::Possession;
use crate::service::{Asserted, IDENTITY_ASSERTION_TYPE, Issuer, OutsideSubject};

/// Claims that limit the grant in ways that are not understood here.
const NOT_UNDERSTOOD: [&str; 2] = ["authorization_details", "may_act"];

/// The time of the login. Its way (`acr`) is a name of the provider.
const AUTH_TIME: &str = "auth_time";

pub(super) async fn evaluate(
    issuer: &Issuer,
    client: &Client,
    form: &Form,
    possession: Possession,
) -> Result<Granted, GrantError> {
    let assertion = form.one("assertion").ok_or(GrantError::InvalidRequest("assertion is missing"))?;
    if !is_identity_assertion(assertion) {
        return Err(GrantError::InvalidGrant("wrong_type"));
    }
    let asserted = issuer.verify_identity_assertion(assertion).await?;
    let Asserted { provider, subject } = asserted.ok_or(GrantError::InvalidGrant("not_verified"))?;
    let OutsideSubject { verified, name } = subject;
    let claims = verified.claims::<Map<String, Value>>().map_err(|_| GrantError::InvalidGrant("not_verified"))?;
    check(issuer, client, provider, &verified, &claims)?;
    if issuer.is_client(&name) {
        return Err(GrantError::InvalidGrant("subject_is_client")); // services would take the user for the client
    }
    let is_for_certificate =
        check_possession(&verified, possession, false).map_err(|_| GrantError::InvalidGrant("not_bound"))?;

    let resources = resources(&claims)?;
    let target = target_within(issuer, client, form, resources.as_deref())?;
    let asserted = asserted_scopes(provider, &claims)?;
    let allowed = client.scopes.intersection(&target.scopes).intersection(&asserted);
    if allowed.is_empty() && !asserted.is_empty() {
        // A response without `scope` would say that all of them were granted (RFC 6749 §5.1).
        return Err(GrantError::InvalidScope("no scope of the assertion is allowed for this client and target"));
    }
    let scope = scope(form, allowed)?;
    // After everything that a client can correct, so that it may present the assertion again.
    if !issuer.identity_providers().record_use(client, &verified).await? {
        return Err(GrantError::InvalidGrant("used"));
    }
    Ok(Granted {
        subject: name,
        audience: target.name().to_owned(),
        scope,
        not_after: None, // like a code, the assertion is used once, and its end is not that of the access
        claims: copied_claims(provider, &verified, &claims),
        is_for_certificate,
        token: GrantedToken::Access { issued_token_type: None },
        identity_provider: Some(verified.issuer().to_owned()),
        has_resource: resources.is_some(),
    })
}

/// Returns whether the header names the type of identity assertions.
pub(crate) fn is_identity_assertion(assertion: &str) -> bool {
    jwt_type(assertion).flatten().is_some_and(|name| name == IDENTITY_ASSERTION_TYPE)
}

/// The rules of the draft, and those that keep names of two issuers apart.
fn check(
    issuer: &Issuer,
    client: &Client,
    provider: &IdentityProvider,
    verified: &Verified,
    claims: &Map<String, Value>,
) -> Result<(), GrantError> {
    let refuse = |reason| Err(GrantError::InvalidGrant(reason));
    // Here too, since a weakened trusted issuer could have let another audience pass.
    let mut audiences = verified.audiences();
    if audiences.next() != Some(issuer.name()) || audiences.next().is_some() {
        return refuse("wrong_audience");
    }
    if claims.get("client_id").and_then(Value::as_str) != Some(client.id()) {
        return refuse("another_client");
    }
    if verified.subject().is_empty() {
        return refuse("no_subject");
    }
    let lifetime = verified.issued_at().map(|start| verified.expires_at().saturating_since(start));
    if lifetime.is_none_or(|lifetime| lifetime > provider.max_lifetime) {
        return refuse("too_long");
    }
    if has_claims_elsewhere(claims) || verified.is_actor_unknown() {
        return refuse("claims_elsewhere");
    }
    if NOT_UNDERSTOOD.iter().any(|name| claims.contains_key(*name)) {
        return refuse("not_understood");
    }
    let text = |name: &str| claims.get(name).filter(|value| !value.is_null());
    let is = |name: &str, expected: Option<&str>| text(name).map(Value::as_str) == expected.map(Some);
    if !is("tenant", provider.only_tenant.as_deref()) {
        return refuse("another_tenant");
    }
    let own = provider.tenant.as_ref().map(TenantId::as_str);
    if text("aud_tenant").is_some() && !is("aud_tenant", own) {
        return refuse("another_tenant");
    }
    match client.tenant.as_ref().map(TenantId::as_str) {
        Some(of_client) if own != Some(of_client) => refuse("another_tenant"),
        _ => Ok(()),
    }
}

/// The resources that the assertion is limited to (RFC 8707 §2); `None` if it names none.
fn resources(claims: &Map<String, Value>) -> Result<Option<Vec<&str>>, GrantError> {
    const WRONG: GrantError = GrantError::InvalidGrant("wrong_resource");
    match claims.get("resource") {
        None => Ok(None),
        Some(Value::String(one)) => Ok(Some(vec![one])),
        Some(Value::Array(items)) if !items.is_empty() => {
            items.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(Some).ok_or(WRONG)
        }
        Some(_) => Err(WRONG),
    }
}

/// The scopes that the provider authorized. An assertion without any does not stand for all of them.
fn asserted_scopes(provider: &IdentityProvider, claims: &Map<String, Value>) -> Result<ScopeSet, GrantError> {
    match claims.get("scope") {
        None | Some(Value::Null) => Ok(provider.default_scopes.clone()),
        Some(Value::String(text)) => ScopeSet::parse(text).ok_or(GrantError::InvalidGrant("wrong_scope")),
        Some(_) => Err(GrantError::InvalidGrant("wrong_scope")),
    }
}

/// The tenant is the one that the provider's users have here. The actor is a name of its issuer.
fn copied_claims(provider: &IdentityProvider, verified: &Verified, claims: &Map<String, Value>) -> Map<String, Value> {
    let names = iter::once(AUTH_TIME).chain(provider.copied_claims.iter().map(String::as_str));
    let value = |name| claims.get(name).filter(|value| !value.is_null()).cloned();
    let mut copied: Map<_, _> = names.filter_map(|name| Some((name.to_owned(), value(name)?))).collect();
    if let Some(tenant) = &provider.tenant {
        copied.insert(TENANT_CLAIM.into(), Value::from(tenant.as_str()));
    }
    if let Some((actor, issuer)) = verified.actor().zip(verified.actor_issuer()) {
        copied.insert("act".into(), json!({ "sub": actor, "iss": issuer }));
    }
    copied
}
