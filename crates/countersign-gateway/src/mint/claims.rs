//! The claims of a minted token: never more than the caller's credential has.

use countersign_core::mint::Draft;
use countersign_core::verify::Verified;
use serde_json::{Map, Value, json};

use super::internal_token::InternalToken;

/// The longest chain of actors that a verifier accepts.
const MAX_ACTORS: usize = 8;

/// Claims that say that others are stored elsewhere. The new token would not say so.
const ELSEWHERE: [&str; 3] = ["_claim_names", "_claim_sources", "hasgroups"];

/// The time of the login.
const AUTH_TIME: &str = "auth_time";

/// The way of the login, in names of the issuer.
const ACR: &str = "acr";

const TENANT: &str = "tenant";

impl InternalToken {
    /// The token for this caller, without its times and its key.
    ///
    /// # Errors
    /// The reason for which the credential cannot be swapped.
    pub(super) fn draft(&self, caller: &Verified) -> Result<Draft, &'static str> {
        let claims = caller.claims::<Map<String, Value>>().map_err(|_| "its claims cannot be decoded")?;
        if ELSEWHERE.iter().any(|name| claims.contains_key(*name)) {
            return Err("it has claims that are stored elsewhere");
        }
        self.check_may_act(&claims)?;
        let mut draft = Draft::access_token()
            .subject(self.subject(caller)?)
            .audience(&self.audience)
            .client_id(&self.client)
            .claim("sub_id", json!({ "format": "iss_sub", "iss": caller.issuer(), "sub": caller.subject() }))
            .claim("act", self.actors(caller, claims.get("act"))?);
        let own = &caller.grants().scopes;
        let scopes: Vec<&str> = self.scopes.iter().map(String::as_str).filter(|scope| own.contains(scope)).collect();
        if !scopes.is_empty() {
            draft = draft.scope(scopes.join(" "));
        }
        let keeps_names = self.keeps_names_of(caller.issuer());
        for name in [AUTH_TIME, ACR].into_iter().chain(self.copied_claims.iter().map(String::as_str)) {
            let value = match name {
                TENANT => caller.tenant().map(|tenant| Value::from(tenant.as_str())),
                AUTH_TIME => claims.get(name).cloned(),
                _ => claims.get(name).filter(|_| keeps_names).cloned(),
            };
            draft = value.into_iter().fold(draft, |draft, value| draft.claim(name, value));
        }
        // It also limits the next exchange.
        Ok(claims.get("may_act").into_iter().fold(draft, |draft, named| draft.claim("may_act", named.clone())))
    }

    /// Returns whether claims of this issuer mean the same in tokens of the gateway's: `gold` of a partner may be something else.
    fn keeps_names_of(&self, issuer: &str) -> bool {
        self.subjects.len() == 1 || self.subjects.get(issuer).is_some_and(String::is_empty)
    }

    /// The name of the caller among those of all issuers.
    fn subject(&self, caller: &Verified) -> Result<String, &'static str> {
        let prefix = self.subjects.get(caller.issuer()).ok_or("subjects does not name its issuer")?;
        let subject = caller.subject();
        if subject.is_empty() {
            return Err("it names no subject");
        }
        let begins_as_another = |other: &String| !other.is_empty() && subject.starts_with(other.as_str());
        if prefix.is_empty() && self.subjects.values().any(begins_as_another) {
            return Err("its subject has a name of another issuer");
        }
        Ok(format!("{prefix}{subject}"))
    }

    /// If the credential names who may act, nobody else may (RFC 8693 §4.4). Without the issuer that the gateway has as an actor, it
    /// names somebody of the issuer of the credential.
    fn check_may_act(&self, claims: &Map<String, Value>) -> Result<(), &'static str> {
        let is_gateway = |named: &Value| named["sub"] == *self.client && named["iss"] == *self.issuer.name();
        if claims.get("may_act").is_none_or(is_gateway) { Ok(()) } else { Err("its may_act does not name the gateway") }
    }

    /// The gateway as the outermost actor, with those of the credential in it. A link without an issuer is a name of the issuer of the
    /// credential, which the new token states: its own issuer is another one.
    fn actors(&self, caller: &Verified, before: Option<&Value>) -> Result<Value, &'static str> {
        let mut links = Vec::new();
        let mut next = before.filter(|act| !act.is_null());
        while let Some(link) = next {
            let name = |claim: &str| link.get(claim).and_then(Value::as_str).filter(|name| !name.is_empty());
            let subject = name("sub").ok_or("it has an actor without a name")?;
            links.push(json!({ "sub": subject, "iss": name("iss").unwrap_or(caller.issuer()) }));
            if links.len() >= MAX_ACTORS {
                return Err("its chain of actors is too long");
            }
            next = link.get("act");
        }
        let inner = links.into_iter().rev().reduce(|inner, link| within(link, inner));
        let gateway = json!({ "sub": self.client, "iss": self.issuer.name() });
        Ok(match inner {
            Some(inner) => within(gateway, inner),
            None => gateway,
        })
    }
}

fn within(mut outer: Value, inner: Value) -> Value {
    outer["act"] = inner;
    outer
}
