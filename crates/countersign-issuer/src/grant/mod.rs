//! What each grant gives to a client that has proved who it is.

mod client_credentials;
mod exchange;

use std::fmt;

use countersign_core::clock::UnixTime;
use serde_json::{Map, Value};

use crate::client::Client;
use crate::endpoint::{Form, OAuthError};
use crate::policy::{Audience, ScopeSet};
use crate::server::Issuer;

/// A way to get a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Grant {
    /// A client asks for itself (RFC 6749 §4.4).
    ClientCredentials,
    /// A client asks in the name of the caller whose token it shows (RFC 8693).
    TokenExchange,
    /// A workload shows the token of its platform (RFC 7523), as a [`Federation`](crate::Federation) allows.
    JwtBearer,
}

impl Grant {
    pub(crate) const ALL: [Grant; 3] = [Grant::ClientCredentials, Grant::TokenExchange, Grant::JwtBearer];

    /// As a request's `grant_type` writes it.
    ///
    /// ```
    /// use countersign_issuer::Grant;
    ///
    /// assert_eq!(Grant::ClientCredentials.name(), "client_credentials");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Grant::ClientCredentials => "client_credentials",
            Grant::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
            Grant::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
        }
    }

    /// The token to be made, or why not.
    pub(crate) async fn give(self, issuer: &Issuer, client: &Client, form: &Form) -> Result<Granted, OAuthError> {
        match self {
            // Both are asked by a client for itself; they differ in how it proved who it is.
            Grant::ClientCredentials | Grant::JwtBearer => client_credentials::give(issuer, client, form),
            Grant::TokenExchange => exchange::give(issuer, client, form).await,
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A token to be made.
pub(crate) struct Granted {
    pub(crate) subject: String,
    pub(crate) audience: String,
    pub(crate) scope: ScopeSet,
    /// It ends no later, whatever the audience allows.
    pub(crate) not_after: Option<UnixTime>,
    /// Claims beside the registered ones; `act` among them.
    pub(crate) claims: Map<String, Value>,
    /// Named in the answer to an exchange.
    pub(crate) issued_token_type: Option<&'static str>,
}

/// The one target that a request names by `resource` or `audience` (RFC 8707, RFC 8693), or the client's default.
fn target<'i>(issuer: &'i Issuer, client: &'i Client, form: &Form) -> Result<&'i Audience, OAuthError> {
    let resources: Vec<&str> = form.all("resource").collect();
    let is_absolute = |uri: &&str| url::Url::parse(uri).is_ok_and(|uri| uri.fragment().is_none());
    if !resources.iter().all(is_absolute) {
        return Err(OAuthError::invalid_target("resource is no absolute URI without a fragment"));
    }
    let mut named = resources.into_iter().chain(form.all("audience"));
    let name = match (named.next(), named.next()) {
        (Some(name), None) => name,
        (None, _) => client.audience_by_default().ok_or(OAuthError::invalid_target("name one audience or resource"))?,
        (Some(_), Some(_)) => return Err(OAuthError::invalid_target("one audience or resource a token")),
    };
    // A client learns nothing about targets that are not its own.
    let is_its_own = client.audiences.iter().any(|audience| audience == name);
    issuer
        .audience(name)
        .filter(|_| is_its_own)
        .ok_or(OAuthError::invalid_target("this client may not ask for tokens for that target"))
}

/// What is given of what is asked: all of it or nothing; where nothing is asked, all that is allowed.
fn scope(form: &Form, allowed: ScopeSet) -> Result<ScopeSet, OAuthError> {
    let Some(text) = form.one("scope") else { return Ok(allowed) };
    let asked = ScopeSet::parse(text).ok_or(OAuthError::invalid_scope("scope is malformed"))?;
    match asked.is_within(&allowed) {
        true if !asked.is_empty() => Ok(asked),
        true => Ok(allowed),
        false => Err(OAuthError::invalid_scope("a scope is unknown, or may not be had here")),
    }
}
