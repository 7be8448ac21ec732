//! A token for the caller of the client (RFC 8693). It never has more claims, scopes or lifetime than the subject token.

use std::sync::Arc;

use countersign_core::key::Thumbprint;
use countersign_core::verify::Verified;
use serde_json::{Map, Value, json};

use super::granted::GrantedToken;
use super::request::{scope, target};
use super::{GrantError, Granted};
use crate::client::Client;
use crate::oauth::Form;
use crate::policy::{CLIENT_SUBJECT_CLAIM, ExchangeRule, ScopeSet, TENANT_CLAIM};
use crate::proof::Possession;
use crate::service::Issuer;

pub(super) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
pub(super) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// The longest chain of actors that a verifier accepts.
const MAX_ACTORS: usize = 8;

/// Claims that say that others are stored elsewhere.
const ELSEWHERE: [&str; 3] = ["_claim_names", "_claim_sources", "hasgroups"];

/// Claims about the subject, which hold for any actor.
const COPIED: [&str; 3] = [TENANT_CLAIM, "acr", "auth_time"];

pub(super) async fn evaluate(
    issuer: &Issuer,
    client: &Client,
    form: &Form,
    possession: Possession,
) -> Result<Granted, GrantError> {
    if form.one("requested_token_type").is_some_and(|requested| requested != ACCESS_TOKEN) {
        return Err(GrantError::InvalidRequest("requested_token_type is not an access token; omit it"));
    }
    let subject = presented(issuer, client, form, "subject_token", "subject_token_type").await?;
    let subject = subject.ok_or(GrantError::InvalidRequest("subject_token is missing"))?;
    let actor = presented(issuer, client, form, "actor_token", "actor_token_type").await?;
    let claims = subject.claims::<Map<String, Value>>().map_err(|_| NOT_ACCEPTED)?;

    let target = target(issuer, client, form)?;
    let rule = client
        .exchange_rules
        .iter()
        .find(|rule| rule.allows(target.name(), subject.subject(), subject.audiences()))
        .ok_or_else(|| no_rule(client, &subject, target.name()))?;
    if has_claims_elsewhere(&claims) {
        return Err(GrantError::InvalidRequest("the subject token has claims that are stored elsewhere"));
    }
    check_tenant(client, &subject)?;
    // What was issued to the client itself, for whatever subject, is bound to a key or certificate that it has.
    let is_permitted = rule.bound_subject_tokens && subject.client_id() != Some(client.id());
    let mut is_for_certificate = check_possession(&subject, possession, is_permitted)?;
    if let Some(actor) = &actor {
        is_for_certificate |= check_possession(actor, possession, false)?; // a client has the key of its own token
    }
    let is_client_subject = is_client_subject(&subject, &claims);
    if !is_client_subject && issuer.is_client(subject.subject()) {
        return Err(GrantError::InvalidRequest("the subject has the name of a client"));
    }
    let actor_name = actor_name(client, actor.as_deref())?;
    check_may_act(issuer, &claims, actor_name)?;

    let mut copied = copied_claims(issuer, rule, &claims, actor.is_some(), actor_name)?;
    if is_own(&subject, client) && actor.is_none() {
        copied.remove("act"); // it keeps speaking for itself
    } else if is_client_subject {
        copied.insert(CLIENT_SUBJECT_CLAIM.into(), Value::from(true));
    }
    let subject_scopes: ScopeSet = subject.grants().scopes.iter().map(Box::from).collect();
    let policy = rule.scopes.as_ref().unwrap_or(&client.scopes);
    let scope = scope(form, subject_scopes.intersection(policy).intersection(&target.scopes))?;
    let not_after = [Some(&subject), actor.as_ref()].into_iter().flatten().map(|token| token.expires_at()).min();
    Ok(Granted {
        subject: subject.subject().to_owned(),
        audience: target.name().to_owned(),
        scope,
        not_after,
        claims: copied,
        is_for_certificate,
        token: GrantedToken::Access { issued_token_type: Some(ACCESS_TOKEN) },
        identity_provider: None,
        has_resource: false,
    })
}

/// The same error for every invalid token, so that the response reveals nothing about it.
pub(super) const NOT_ACCEPTED: GrantError = GrantError::InvalidRequest("a presented token is not accepted");

/// A verified token of the request; `None` if both of its parameters are absent.
async fn presented(
    issuer: &Issuer,
    client: &Client,
    form: &Form,
    name: &str,
    type_name: &str,
) -> Result<Option<Arc<Verified>>, GrantError> {
    let token = match (form.one(name), form.one(type_name)) {
        (None, None) => return Ok(None),
        (Some(token), Some(ACCESS_TOKEN | JWT)) => token,
        (Some(_), Some(_)) => {
            return Err(GrantError::InvalidRequest("a token type is not supported; present access tokens"));
        }
        _ => return Err(GrantError::InvalidRequest("a token without its type, or a type without its token")),
    };
    issuer.verify_own(token, client).await?.map(Some).ok_or(NOT_ACCEPTED)
}

/// Returns whether the token is the client's own, with no other subject, client or actor.
fn is_own(token: &Verified, client: &Client) -> bool {
    token.subject() == client.id() && token.client_id() == Some(client.id()) && token.actor().is_none()
}

/// Returns whether the subject of the token is a client: it is the client's own token, or was exchanged from one.
pub(super) fn is_client_subject(subject: &Verified, claims: &Map<String, Value>) -> bool {
    let is_marked = claims.get(CLIENT_SUBJECT_CLAIM) == Some(&Value::from(true));
    is_marked || (subject.client_id() == Some(subject.subject()) && subject.actor().is_none())
}

/// Distinguishes a subject token that no rule accepts from a target that no rule has.
fn no_rule(client: &Client, subject: &Verified, target: &str) -> GrantError {
    let has_target = client.exchange_rules.iter().any(|rule| rule.has_target(target));
    let allows = |rule: &ExchangeRule| rule.allows(target, subject.subject(), subject.audiences());
    if has_target && !client.exchange_rules.iter().any(allows) {
        return GrantError::InvalidRequest("no rule lets this client act on that token");
    }
    GrantError::InvalidTarget("no rule lets this client exchange tokens for that target")
}

/// Only who has the key and the certificate of a bound token exchanges it, unless `is_permitted`: then those of the client
/// replace them. Returns whether the new token has to be bound to the client's certificate.
///
/// The new token is bound to the key of the client's own proof, to its certificate, or to both, and never to none: a bound token
/// must not become one that works for everybody. What `token` is bound to is never copied.
pub(super) fn check_possession(token: &Verified, own: Possession, is_permitted: bool) -> Result<bool, GrantError> {
    let Some(binding) = token.binding() else { return Ok(false) };
    if is_permitted {
        return match own {
            Possession { key: None, certificate: None } => Err(GrantError::InvalidRequest(
                "a presented token is bound to a key or certificate; send a proof by a key of your own, or connect with a \
                 certificate, to which the new token is bound",
            )),
            // A new token is always bound to the key of a proof.
            Possession { key, .. } => Ok(key.is_none()),
        };
    }
    let has = |bound: Option<Thumbprint>, own| bound.is_none() || bound == own;
    if has(binding.key(), own.key) && has(binding.certificate(), own.certificate) {
        return Ok(binding.certificate().is_some());
    }
    Err(GrantError::InvalidRequest(
        "a presented token is bound to a key or certificate; prove that you have it, or have the exchange rule permit it \
         without that",
    ))
}

/// Returns whether claims of the token are stored elsewhere, which a new token would not say.
pub(super) fn has_claims_elsewhere(claims: &Map<String, Value>) -> bool {
    ELSEWHERE.iter().any(|name| claims.contains_key(*name))
}

/// A client with a tenant exchanges only tokens of that tenant.
pub(super) fn check_tenant(client: &Client, subject: &Verified) -> Result<(), GrantError> {
    match &client.tenant {
        Some(own) if subject.tenant() != Some(own) => {
            Err(GrantError::InvalidRequest("no rule lets this client act on that token"))
        }
        _ => Ok(()),
    }
}

/// The actor, which is the authenticated client. An actor token must be the client's own.
fn actor_name<'a>(client: &'a Client, actor: Option<&Verified>) -> Result<&'a str, GrantError> {
    if actor.is_none_or(|actor| is_own(actor, client)) {
        Ok(client.id())
    } else {
        Err(GrantError::InvalidRequest("actor_token was not issued to this client"))
    }
}

/// If the subject token names who may act, nobody else may (RFC 8693 §4.4).
pub(super) fn check_may_act(issuer: &Issuer, claims: &Map<String, Value>, actor: &str) -> Result<(), GrantError> {
    let Some(named) = claims.get("may_act") else { return Ok(()) };
    let issuer_fits = named.get("iss").is_none_or(|iss| iss == issuer.name());
    if named.get("sub").is_some_and(|sub| sub == actor) && issuer_fits {
        Ok(())
    } else {
        Err(GrantError::InvalidRequest("may_act of the subject token does not name this client"))
    }
}

fn copied_claims(
    issuer: &Issuer,
    rule: &ExchangeRule,
    claims: &Map<String, Value>,
    has_actor_token: bool,
    actor: &str,
) -> Result<Map<String, Value>, GrantError> {
    let mut copied = Map::new();
    for name in COPIED.into_iter().chain(rule.copied_claims.iter().map(String::as_str)) {
        if let Some(value) = claims.get(name) {
            copied.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(may_act) = claims.get("may_act") {
        copied.insert("may_act".into(), may_act.clone()); // it also limits the next exchange
    }
    let before = claims.get("act");
    if rule.without_actor && !has_actor_token {
        if let Some(before) = before {
            copied.insert("act".into(), before.clone());
        }
        return Ok(copied);
    }
    let is_client = |link: &Value| link["sub"] == *actor && link["iss"] == *issuer.name();
    let act = match before {
        // A repeated exchange of the client's own delegated token adds no link.
        Some(outermost) if is_client(outermost) => outermost.clone(),
        Some(outermost) => json!({ "sub": actor, "iss": issuer.name(), "act": outermost }),
        None => json!({ "sub": actor, "iss": issuer.name() }),
    };
    if actors(&act) > MAX_ACTORS {
        return Err(GrantError::InvalidRequest("the chain of actors would be longer than 8"));
    }
    copied.insert("act".into(), act);
    Ok(copied)
}

fn actors(act: &Value) -> usize {
    std::iter::successors(Some(act), |link| link.get("act")).take(MAX_ACTORS + 1).count()
}
