//! A client asks in the name of its caller (RFC 8693). The new token never says, reaches or lasts more than the old.

use std::sync::Arc;

use countersign_core::verify::Verified;
use serde_json::{Map, Value, json};

use super::{Granted, scope, target};
use crate::client::Client;
use crate::endpoint::{Form, OAuthError};
use crate::policy::{ExchangeRule, ScopeSet};
use crate::server::{Issuer, TENANT_CLAIM};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// The longest chain of actors; verifiers here follow no longer one.
const MAX_ACTORS: usize = 8;

/// Claims that stay true of the subject whoever acts.
const CARRIED: [&str; 3] = [TENANT_CLAIM, "acr", "auth_time"];

pub(super) async fn give(issuer: &Issuer, client: &Client, form: &Form) -> Result<Granted, OAuthError> {
    if form.one("requested_token_type").is_some_and(|wanted| wanted != ACCESS_TOKEN) {
        return Err(OAuthError::invalid_request("only access tokens are issued; leave requested_token_type out"));
    }
    let subject = presented(issuer, form, "subject_token", "subject_token_type").await?;
    let subject = subject.ok_or(OAuthError::invalid_request("subject_token is missing"))?;
    let actor = presented(issuer, form, "actor_token", "actor_token_type").await?;
    let claims = subject.claims::<Map<String, Value>>().map_err(|_| NOT_ACCEPTED)?;

    let target = target(issuer, client, form)?;
    let rule = client
        .exchange_rules
        .iter()
        .find(|rule| rule.covers(target.name(), subject.subject(), subject.audiences()))
        .ok_or_else(|| why_no_rule(client, &subject, target.name()))?;
    stays_in_its_tenant(client, &subject)?;
    let actor_name = acting(client, actor.as_deref())?;
    may_act(issuer, &claims, actor_name)?;

    let held: ScopeSet = subject.grants().scopes.iter().map(Box::from).collect();
    let policy = rule.scopes.as_ref().unwrap_or(&client.scopes);
    let scope = scope(form, held.and(policy).and(&target.scopes))?;
    let ends = [Some(&subject), actor.as_ref()].into_iter().flatten().map(|token| token.expires_at()).min();
    Ok(Granted {
        subject: subject.subject().to_owned(),
        audience: target.name().to_owned(),
        scope,
        not_after: ends,
        claims: carried(issuer, rule, &claims, actor.is_some(), actor_name)?,
        issued_token_type: Some(ACCESS_TOKEN),
    })
}

/// One answer for every token that is not accepted: the caller's business is with whoever gave it (S8.20).
const NOT_ACCEPTED: OAuthError = OAuthError::invalid_request("a presented token is not accepted");

/// A token of the request, judged in full. Both of its parameters are there, or neither.
async fn presented(
    issuer: &Issuer,
    form: &Form,
    name: &str,
    type_name: &str,
) -> Result<Option<Arc<Verified>>, OAuthError> {
    let token = match (form.one(name), form.one(type_name)) {
        (None, None) => return Ok(None),
        (Some(token), Some(ACCESS_TOKEN | JWT)) => token,
        (Some(_), Some(_)) => return Err(OAuthError::invalid_request("a token type that is not exchanged here")),
        _ => return Err(OAuthError::invalid_request("a token and its type come together")),
    };
    issuer.verify_own(token).await?.map(Some).ok_or(NOT_ACCEPTED)
}

/// A token for somebody else is a bad token here; a target that no rule names is a bad target.
fn why_no_rule(client: &Client, subject: &Verified, target: &str) -> OAuthError {
    let reaches = client.exchange_rules.iter().any(|rule| rule.towards.iter().any(|name| name == target));
    let is_ours = |rule: &ExchangeRule| rule.covers(target, subject.subject(), subject.audiences());
    if reaches && !client.exchange_rules.iter().any(is_ours) {
        return OAuthError::invalid_request("no rule lets this client act on that token");
    }
    OAuthError::invalid_target("no rule lets this client exchange tokens for that target")
}

/// A client of one tenant acts on tokens of that tenant alone.
fn stays_in_its_tenant(client: &Client, subject: &Verified) -> Result<(), OAuthError> {
    match &client.tenant {
        Some(own) if subject.tenant() != Some(own) => {
            Err(OAuthError::invalid_request("no rule lets this client act on that token"))
        }
        _ => Ok(()),
    }
}

/// Who acts: the client that authenticated. An actor token may only say the same.
fn acting<'a>(client: &'a Client, actor: Option<&Verified>) -> Result<&'a str, OAuthError> {
    let Some(actor) = actor else { return Ok(client.id()) };
    let is_its_own =
        actor.subject() == client.id() && actor.client_id() == Some(client.id()) && actor.actor().is_none();
    if is_its_own { Ok(client.id()) } else { Err(OAuthError::invalid_request("actor_token is not this client's own")) }
}

/// A subject that says who may act for it means nobody else (RFC 8693 §4.4).
fn may_act(issuer: &Issuer, claims: &Map<String, Value>, actor: &str) -> Result<(), OAuthError> {
    let Some(named) = claims.get("may_act") else { return Ok(()) };
    let issuer_fits = named.get("iss").is_none_or(|iss| iss == issuer.name());
    if named.get("sub").is_some_and(|sub| sub == actor) && issuer_fits {
        Ok(())
    } else {
        Err(OAuthError::invalid_request("the subject does not let this client act for it"))
    }
}

fn carried(
    issuer: &Issuer,
    rule: &ExchangeRule,
    claims: &Map<String, Value>,
    has_actor_token: bool,
    actor: &str,
) -> Result<Map<String, Value>, OAuthError> {
    let mut carried = Map::new();
    for name in CARRIED.into_iter().chain(rule.carried.iter().map(String::as_str)) {
        if let Some(value) = claims.get(name) {
            carried.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(may_act) = claims.get("may_act") {
        carried.insert("may_act".into(), may_act.clone()); // still means nobody else further on
    }
    let before = claims.get("act");
    if rule.without_actor && !has_actor_token {
        if let Some(before) = before {
            carried.insert("act".into(), before.clone());
        }
        return Ok(carried);
    }
    let is_it = |link: &Value| link["sub"] == *actor && link["iss"] == *issuer.name();
    let act = match before {
        // Exchanging its own delegated token again adds no link.
        Some(outermost) if is_it(outermost) => outermost.clone(),
        Some(outermost) => json!({ "sub": actor, "iss": issuer.name(), "act": outermost }),
        None => json!({ "sub": actor, "iss": issuer.name() }),
    };
    if actors(&act) > MAX_ACTORS {
        return Err(OAuthError::invalid_request("the chain of actors would be longer than 8"));
    }
    carried.insert("act".into(), act);
    Ok(carried)
}

fn actors(act: &Value) -> usize {
    std::iter::successors(Some(act), |link| link.get("act")).take(MAX_ACTORS + 1).count()
}
