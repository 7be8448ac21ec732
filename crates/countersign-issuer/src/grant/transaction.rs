//! A transaction token for the caller of the client, or in place of another one (draft-ietf-oauth-transaction-tokens-10 §5).
//! It never has more scopes or lifetime than the subject token.

use countersign_core::clock::{Clock, UnixTime};
use countersign_core::verify::Verified;
use serde_json::{Map, Value, json};

use super::context::{added, context};
use super::exchange::{
    ACCESS_TOKEN, JWT, NOT_ACCEPTED, check_may_act, check_possession, check_tenant, has_claims_elsewhere,
    is_client_subject,
};
use super::granted::GrantedToken;
use super::{GrantError, Granted};
use crate::client::Client;
use crate::jti::token_id;
use crate::oauth::Form;
use crate::policy::{ScopeSet, TENANT_CLAIM, TransactionRule, TrustDomain};
use crate::proof::Possession;
use crate::service::{Issuer, OutsideSubject};

pub(crate) const TXN_TOKEN: &str = "urn:ietf:params:oauth:token-type:txn_token";

const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";

/// The workloads that requested the tokens which a token replaces, oldest first.
const CHAIN_CLAIM: &str = "req_wl_chain";

/// The most replacements of a token in a row.
const MAX_REPLACEMENTS: usize = 8;

/// Claims of the subject that hold throughout the transaction.
const COPIED: [&str; 2] = [TENANT_CLAIM, "act"];

pub(super) async fn evaluate(
    issuer: &Issuer,
    client: &Client,
    form: &Form,
    possession: Possession,
) -> Result<Granted, GrantError> {
    let (domain, rule) = trust_domain(issuer, client, form)?;
    let scope =
        form.one("scope").ok_or(GrantError::InvalidRequest("scope is missing; name the purpose of the transaction"))?;
    let requested = ScopeSet::parse(scope).filter(|scope| !scope.is_empty());
    let requested = requested.ok_or(GrantError::InvalidScope("scope is malformed, or has only spaces"))?;
    if form.one("actor_token").is_some() || form.one("actor_token_type").is_some() {
        return Err(GrantError::InvalidRequest("actor_token is not used for transaction tokens; omit it"));
    }
    let subject = form.one("subject_token").ok_or(GrantError::InvalidRequest("subject_token is missing"))?;
    let request = Request { issuer, client, form, domain, rule, subject };
    let granted = match form.one("subject_token_type") {
        None => return Err(GrantError::InvalidRequest("subject_token_type is missing")),
        Some(ACCESS_TOKEN | JWT) => request.begin(possession).await?,
        Some(TXN_TOKEN) => request.replace().await?,
        Some(REFRESH_TOKEN) => {
            return Err(GrantError::InvalidRequest(
                "a refresh token is never a subject token; present an access token",
            ));
        }
        Some(_) => return Err(GrantError::InvalidRequest("a token type is not supported; present an access token")),
    };
    let allowed = granted.scope.intersection(&rule.scopes).intersection(&domain.scopes);
    match requested.is_within(&allowed) {
        true => Ok(Granted { scope: requested, ..granted }),
        false => Err(GrantError::InvalidScope("a scope is unknown or not allowed, or the subject token lacks it")),
    }
}

/// The trust domain that the request names as its only audience, and the rule of the client.
fn trust_domain<'i>(
    issuer: &'i Issuer,
    client: &'i Client,
    form: &Form,
) -> Result<(&'i TrustDomain, &'i TransactionRule), GrantError> {
    if form.all("resource").next().is_some() {
        return Err(GrantError::InvalidTarget(
            "resource is not used for transaction tokens; name the trust domain as audience",
        ));
    }
    let mut named = form.all("audience");
    let name = match (named.next(), named.next()) {
        (Some(name), None) => name,
        (None, _) => return Err(GrantError::InvalidRequest("audience is missing; name the trust domain")),
        (Some(_), Some(_)) => return Err(GrantError::InvalidTarget("more than one audience; name one trust domain")),
    };
    // The same answer for unknown domains, so that a client learns nothing about domains of others.
    let rule = client.transaction_rules.iter().find(|rule| rule.trust_domain == name);
    let known = issuer.trust_domains().get(name).zip(rule);
    known.ok_or(GrantError::InvalidTarget("this client may not request transaction tokens of that trust domain"))
}

/// A request with a subject token, whose scopes become those of [`Granted`].
struct Request<'r> {
    issuer: &'r Issuer,
    client: &'r Client,
    form: &'r Form,
    domain: &'r TrustDomain,
    rule: &'r TransactionRule,
    subject: &'r str,
}

impl Request<'_> {
    /// Begins a transaction for the subject of an access token.
    async fn begin(&self, possession: Possession) -> Result<Granted, GrantError> {
        let Request { issuer, client, domain, .. } = *self;
        if let Some(outside) = issuer.verify_outside_subject(domain.name(), self.subject).await? {
            return self.begin_for(outside, possession);
        }
        let subject = issuer.verify_own(self.subject, client).await?.ok_or(NOT_ACCEPTED)?;
        let claims = self.checked_claims(&subject, possession)?;
        check_tenant(client, &subject)?;
        check_may_act(issuer, &claims, client.id())?;
        if !is_client_subject(&subject, &claims) && issuer.is_client(subject.subject()) {
            return Err(GrantError::InvalidRequest("the subject has the name of a client"));
        }
        if issuer.trust_domains().is_outside_name(domain.name(), subject.subject()) {
            return Err(GrantError::InvalidRequest("the subject has the name of one of another issuer"));
        }
        let copied = COPIED.iter().filter_map(|name| Some(((*name).to_owned(), claims.get(*name)?.clone())));
        self.begun(subject.subject(), &subject, copied.collect())
    }

    /// Begins a transaction for a subject of another issuer, under its name in the trust domain.
    fn begin_for(
        &self,
        OutsideSubject { verified, name }: OutsideSubject,
        possession: Possession,
    ) -> Result<Granted, GrantError> {
        let claims = self.checked_claims(&verified, possession)?;
        // Tenants and actors of another issuer have names of their own.
        if self.client.tenant.is_some() || claims.contains_key("may_act") {
            return Err(GrantError::InvalidRequest("no rule lets this client act on that token"));
        }
        if self.issuer.is_client(&name) {
            return Err(GrantError::InvalidRequest("the subject has the name of a client"));
        }
        let actor = verified.actor().zip(verified.actor_issuer());
        let actor = actor.map(|(actor, issuer)| ("act".to_owned(), json!({ "sub": actor, "iss": issuer })));
        self.begun(&name, &verified, actor.into_iter().collect())
    }

    /// The claims of a verified subject token, after the checks for every issuer.
    fn checked_claims(&self, subject: &Verified, possession: Possession) -> Result<Map<String, Value>, GrantError> {
        let rule = self.rule;
        let claims = subject.claims::<Map<String, Value>>().map_err(|_| NOT_ACCEPTED)?;
        if !subject.audiences().any(|audience| rule.subject_audiences.iter().any(|name| name == audience)) {
            return Err(GrantError::InvalidRequest("no rule lets this client act on that token"));
        }
        if has_claims_elsewhere(&claims) {
            return Err(GrantError::InvalidRequest("the subject token has claims that are stored elsewhere"));
        }
        // Nothing binds a transaction token, so the key or certificate of the client does not replace that of the sender.
        if !rule.bound_subject_tokens {
            check_possession(subject, possession, false)?;
        }
        // An unknown scope is not every scope (draft §11.15).
        if !["scope", "scp"].iter().any(|name| claims.contains_key(*name)) {
            return Err(GrantError::InvalidRequest("the scope of the subject token is unknown: it names none"));
        }
        Ok(Map::clone(&claims))
    }

    /// A new transaction for `name`, with the scopes and the expiry of its token.
    fn begun(&self, name: &str, token: &Verified, copied: Map<String, Value>) -> Result<Granted, GrantError> {
        let id = token_id(self.issuer.clock().now()).ok_or(GrantError::Unavailable)?;
        let mut new = self.context(None)?;
        new.insert("txn".into(), Value::from(id));
        new.extend(copied);
        Ok(self.granted(name, token.grants().scopes.iter(), token.expires_at(), new))
    }

    /// Replaces a transaction token by a narrower one.
    async fn replace(&self) -> Result<Granted, GrantError> {
        let Request { issuer, client, domain, rule, .. } = *self;
        if !rule.replacements {
            return Err(GrantError::InvalidRequest("no rule lets this client replace transaction tokens"));
        }
        let before = issuer.verify_transaction(domain.name(), self.subject).await?.ok_or(NOT_ACCEPTED)?;
        let claims = before.claims::<Map<String, Value>>().map_err(|_| NOT_ACCEPTED)?;
        if client.tenant.as_ref().is_some_and(|own| claims.get(TENANT_CLAIM) != Some(&Value::from(own.as_str()))) {
            return Err(GrantError::InvalidRequest("no rule lets this client act on that token"));
        }
        let mut new = self.context(Some(&claims))?;
        let mut chain = claims.get(CHAIN_CLAIM).and_then(Value::as_array).cloned().unwrap_or_default();
        if chain.len() >= MAX_REPLACEMENTS {
            return Err(GrantError::InvalidRequest("the transaction token was replaced 8 times already"));
        }
        chain.push(Value::from(before.requesting_workload()));
        new.insert(CHAIN_CLAIM.into(), Value::from(chain));
        new.insert("txn".into(), Value::from(before.id()));
        let copied = COPIED.iter().filter_map(|name| Some(((*name).to_owned(), claims.get(*name)?.clone())));
        new.extend(copied);
        Ok(self.granted(before.subject(), before.scopes(), before.expires_at(), new))
    }

    /// The context of the request, added to that of a token that is replaced.
    fn context(&self, before: Option<&Map<String, Value>>) -> Result<Map<String, Value>, GrantError> {
        let mut claims = Map::new();
        for (parameter, claim) in [("request_context", "rctx"), ("request_details", "tctx")] {
            let new = context(self.form, parameter, self.subject)?;
            let all = added(before.and_then(|before| before.get(claim)), new)?;
            if !all.is_empty() {
                claims.insert(claim.into(), Value::Object(all));
            }
        }
        Ok(claims)
    }

    fn granted<'s>(
        &self,
        subject: &str,
        scopes: impl Iterator<Item = &'s str>,
        not_after: UnixTime,
        mut claims: Map<String, Value>,
    ) -> Granted {
        claims.insert("req_wl".into(), Value::from(self.client.id()));
        Granted {
            subject: subject.to_owned(),
            audience: self.domain.name().to_owned(),
            scope: scopes.map(Box::from).collect(),
            not_after: Some(not_after),
            claims,
            is_for_certificate: false,
            token: GrantedToken::Transaction,
            identity_provider: None,
            has_resource: false,
        }
    }
}
