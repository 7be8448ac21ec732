//! The target and the scopes of a request.

use super::GrantError;
use crate::client::Client;
use crate::oauth::Form;
use crate::policy::{Audience, ScopeSet};
use crate::service::Issuer;

/// The target that a request names by `resource` or `audience` (RFC 8707, RFC 8693), or the client's default audience.
pub(super) fn target<'i>(issuer: &'i Issuer, client: &'i Client, form: &Form) -> Result<&'i Audience, GrantError> {
    let named = named(form)?.or_else(|| client.effective_default_audience());
    permitted(issuer, client, named.ok_or(GrantError::InvalidTarget("no audience or resource; name one"))?)
}

/// As [`target`], for a grant that is limited to these resources, if there are any: without a name in the request the only one of
/// them, or the client's default audience if it is among them.
pub(super) fn target_within<'i>(
    issuer: &'i Issuer,
    client: &'i Client,
    form: &Form,
    resources: Option<&[&str]>,
) -> Result<&'i Audience, GrantError> {
    let Some(resources) = resources else { return target(issuer, client, form) };
    let name = match (named(form)?, resources) {
        (Some(name), _) => name,
        (None, [only]) => only,
        (None, _) => client
            .effective_default_audience()
            .filter(|name| resources.contains(name))
            .ok_or(GrantError::InvalidTarget("the assertion has more than one resource; name one"))?,
    };
    match resources.contains(&name) {
        true => permitted(issuer, client, name),
        false => Err(GrantError::InvalidTarget("the assertion is not for that target")),
    }
}

/// The only target that a request names.
fn named(form: &Form) -> Result<Option<&str>, GrantError> {
    let resources: Vec<&str> = form.all("resource").collect();
    let is_absolute = |uri: &&str| url::Url::parse(uri).is_ok_and(|uri| uri.fragment().is_none());
    if !resources.iter().all(is_absolute) {
        return Err(GrantError::InvalidTarget("resource is not an absolute URI without a fragment"));
    }
    let mut named = resources.into_iter().chain(form.all("audience"));
    match (named.next(), named.next()) {
        (name, None) => Ok(name),
        _ => Err(GrantError::InvalidTarget("more than one audience or resource; name one")),
    }
}

/// The audience, if the client may request tokens for it.
fn permitted<'i>(issuer: &'i Issuer, client: &Client, name: &str) -> Result<&'i Audience, GrantError> {
    // The same answer for unknown targets, so that a client learns nothing about targets of others.
    let is_its_own = client.audiences.iter().any(|audience| audience == name);
    issuer
        .audience(name)
        .filter(|_| is_its_own)
        .ok_or(GrantError::InvalidTarget("this client may not request tokens for that target"))
}

/// The granted scopes: all requested ones or none; without a request, all allowed ones.
pub(super) fn scope(form: &Form, allowed: ScopeSet) -> Result<ScopeSet, GrantError> {
    let Some(text) = form.one("scope") else { return Ok(allowed) };
    let requested = ScopeSet::parse(text).ok_or(GrantError::InvalidScope("scope is malformed"))?;
    match requested.is_within(&allowed) {
        true if !requested.is_empty() => Ok(requested),
        true => Err(GrantError::InvalidScope("scope has only spaces; omit it")),
        false => Err(GrantError::InvalidScope("a scope is unknown or not allowed")),
    }
}
