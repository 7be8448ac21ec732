//! Tokens for the service itself (RFC 6749 §4.4), and for its callers by token exchange (RFC 8693).

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use countersign_core::error::Fault;
use countersign_core::key::Algorithm;
use countersign_core::mint::Signer;

use super::bound::BoundTokens;
use super::context::OutboundContext;
use super::dpop_key::DpopKey;
use super::exchange;
use super::token_client::{Actor, TokenClient};
use super::token_source::{TokenFuture, TokenRequest, TokenSource};
use crate::client::{Assertion, Credential, SecretLocation, SecretSource, ServerEndpoint};
use crate::fetch::{ConnectionSettings, Reach};
use crate::refresh::RefreshPolicy;

/// The client-credentials grant. On behalf of a caller, the same client exchanges the caller's token (RFC 8693).
///
/// ```
/// use countersign::outbound::ClientCredentials;
/// use countersign::secret::Secret;
///
/// let tokens = ClientCredentials::from_issuer("https://id.example.com") // its metadata names the token endpoint
///     .client("orders", Secret::from("from-the-vault"))
///     .audience("billing")
///     .scope("invoices:write");
/// assert!(!format!("{tokens:?}").contains("from-the-vault"));
/// ```
pub struct ClientCredentials(TokenClient);

impl ClientCredentials {
    /// Tokens of the endpoint in the issuer's metadata (OIDC discovery or RFC 8414).
    #[must_use]
    pub fn from_issuer(issuer: impl Into<String>) -> Self {
        ClientCredentials(TokenClient::new(ServerEndpoint::from_issuer(issuer.into(), "token_endpoint")))
    }

    /// Tokens of this token endpoint, such as the internal address of an issuer with a public name.
    #[must_use]
    pub fn from_token_endpoint(url: impl Into<String>) -> Self {
        ClientCredentials(TokenClient::new(ServerEndpoint::from_url(url.into(), "token_endpoint")))
    }

    /// The client and its secret, sent form-encoded in an `Authorization: Basic` header (RFC 6749 §2.3.1).
    ///
    /// [`Secret::from_file`](countersign_core::secret::Secret::from_file) names a file that is read again as it changes.
    #[must_use]
    pub fn client(self, id: impl Into<String>, secret: impl Into<SecretSource>) -> Self {
        ClientCredentials(TokenClient { client: Some((id.into(), Credential::Secret(secret.into()))), ..self.0 })
    }

    /// The client and its key, which signs a new assertion for each request (`private_key_jwt`, RFC 7523 §2.2).
    ///
    /// The assertion's only audience is the issuer (RFC 10070). If only the token endpoint is given, name the issuer with
    /// [`assertion_audience`](Self::assertion_audience).
    #[must_use]
    pub fn client_key(self, id: impl Into<String>, signer: impl Into<Arc<Signer>>) -> Self {
        let id = id.into();
        let assertion = Assertion::new(id.as_str(), id.as_str(), signer);
        self.client_assertion(id, assertion)
    }

    /// As [`client_key`](Self::client_key), with a key in a PKCS#8 PEM file that is read again as it changes.
    #[must_use]
    pub fn client_key_file(self, id: impl Into<String>, path: impl Into<PathBuf>, algorithm: Algorithm) -> Self {
        let id = id.into();
        let assertion = Assertion::with_key_file(id.as_str(), id.as_str(), path, algorithm);
        self.client_assertion(id, assertion)
    }

    /// The client and the assertion that authenticates it, such as a projected workload token that the service trusts.
    #[must_use]
    pub fn client_assertion(self, id: impl Into<String>, assertion: Assertion) -> Self {
        ClientCredentials(TokenClient { client: Some((id.into(), Credential::Assertion(assertion))), ..self.0 })
    }

    /// The client that the certificate of its [`connection`](Self::connection) authenticates (RFC 8705 §2).
    ///
    /// ```
    /// use countersign::connection::ConnectionSettings;
    /// use countersign::outbound::ClientCredentials;
    ///
    /// let tokens = ClientCredentials::from_issuer("https://id.example.com")
    ///     .client_certificate("orders")
    ///     .connection(ConnectionSettings::new().certificate_files("/run/tls/tls.crt", "/run/tls/tls.key"));
    /// # let _ = tokens;
    /// ```
    #[must_use]
    pub fn client_certificate(self, id: impl Into<String>) -> Self {
        ClientCredentials(TokenClient { client: Some((id.into(), Credential::Certificate)), ..self.0 })
    }

    /// The settings of the connections to the token endpoint and for its discovery. Default: roots and proxy of the system.
    #[must_use]
    pub fn connection(self, settings: ConnectionSettings) -> Self {
        ClientCredentials(TokenClient { connection: settings, ..self.0 })
    }

    /// The issuer as the audience of assertions signed here, if only its token endpoint is given.
    #[must_use]
    pub fn assertion_audience(self, issuer: impl Into<String>) -> Self {
        ClientCredentials(TokenClient { assertion_audience: Some(issuer.into()), ..self.0 })
    }

    /// Uses this assertion as the grant (RFC 7523 §2.1) instead of the client's own authority.
    #[must_use]
    pub fn jwt_bearer(self, assertion: Assertion) -> Self {
        ClientCredentials(TokenClient { grant: Some(assertion), ..self.0 })
    }

    /// Binds the tokens to this key (DPoP, RFC 9449): each token request and each call has a proof, and whoever has only the
    /// token cannot use it.
    ///
    /// A token that the service does not bind is refused (`token_not_bound`), unless
    /// [`accept_bearer_tokens`](Self::accept_bearer_tokens) is set. The client must
    /// [follow no redirects](crate::outbound::OutboundBuilder::client_follows_no_redirects).
    #[must_use]
    pub fn dpop(self, key: DpopKey) -> Self {
        ClientCredentials(TokenClient { bound: Some(BoundTokens::new(key)), ..self.0 })
    }

    /// Uses also tokens that the token service does not bind to the key, as `Bearer`, such as until it supports DPoP.
    ///
    /// A warning is logged when it issues the first one. Without [`dpop`](Self::dpop) it has no effect.
    #[must_use]
    pub fn accept_bearer_tokens(self) -> Self {
        ClientCredentials(TokenClient { accepts_bearer: true, ..self.0 })
    }

    /// Adds the actor to every exchange (RFC 8693 `actor_token`): a token of this source, such as the service's own.
    ///
    /// It is cached and refreshed like any other. If it is unavailable, the exchange fails.
    #[must_use]
    pub fn actor(self, source: impl TokenSource) -> Self {
        ClientCredentials(TokenClient { actor: Some(Actor::new(source)), ..self.0 })
    }

    /// Sends the secret in the body, for services that do not support `Basic`.
    #[must_use]
    pub fn client_secret_post(self) -> Self {
        ClientCredentials(TokenClient { secret_location: SecretLocation::Body, ..self.0 })
    }

    /// Sends id and secret in `Basic` without form-encoding them, for services that do not follow RFC 6749 here.
    ///
    /// The id must not contain a colon.
    #[must_use]
    pub fn raw_basic(self) -> Self {
        ClientCredentials(TokenClient { secret_location: SecretLocation::RawBasic, ..self.0 })
    }

    /// The audience of the token, in place of those before.
    #[must_use]
    pub fn audience(self, audience: impl Into<String>) -> Self {
        ClientCredentials(TokenClient { audiences: vec![audience.into()], ..self.0 })
    }

    /// Adds an audience of the token.
    #[must_use]
    pub fn add_audience(mut self, audience: impl Into<String>) -> Self {
        self.0.audiences.push(audience.into());
        self
    }

    /// The resource that the token is for, an absolute URI (RFC 8707), in place of those before.
    #[must_use]
    pub fn resource(self, resource: impl Into<String>) -> Self {
        ClientCredentials(TokenClient { resources: vec![resource.into()], ..self.0 })
    }

    /// Adds a resource that the token is for.
    #[must_use]
    pub fn add_resource(mut self, resource: impl Into<String>) -> Self {
        self.0.resources.push(resource.into());
        self
    }

    /// Adds a scope to request, or several, separated by spaces.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.0.scopes.extend(scope.into().split_ascii_whitespace().map(str::to_owned));
        self
    }

    /// Adds a parameter to each token request, for services with parameters of their own.
    ///
    /// Parameters that have a setter, or that this crate sends itself, are a fault when the client is built.
    ///
    /// ```
    /// use countersign::outbound::ClientCredentials;
    /// use countersign::secret::Secret;
    ///
    /// let tokens = ClientCredentials::from_issuer("https://id.example.com")
    ///     .client("orders", Secret::from("from-the-vault"))
    ///     .parameter("organization", "acme");
    /// # let _ = tokens;
    /// ```
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.parameters.push((name.into(), value.into()));
        self
    }

    /// Exchanges callers' tokens by the on-behalf-of flow of Microsoft Entra instead of RFC 8693.
    ///
    /// The caller's token is the assertion of a JWT bearer grant with `requested_token_use=on_behalf_of`. Set the target's
    /// [`scope`](Self::scope), such as `api://billing/.default`.
    #[must_use]
    pub fn entra_on_behalf_of(self) -> Self {
        ClientCredentials(TokenClient { exchange: exchange::Flow::Entra, ..self.0 })
    }

    /// The policy for caching and refreshing tokens. Default: [`RefreshPolicy::for_tokens`].
    #[must_use]
    pub fn refresh_policy(self, refresh_policy: RefreshPolicy) -> Self {
        ClientCredentials(TokenClient { refresh_policy, ..self.0 })
    }

    /// Allows plain `http` for the token endpoint and the issuer's metadata, such as inside a mesh that encrypts connections.
    ///
    /// Anyone on the network path can read the client's secret and the tokens. A warning is logged when an outbound client is
    /// built with it, and [`deny_danger`](crate::outbound::OutboundBuilder::deny_danger) forbids it.
    #[must_use]
    pub fn danger_allow_plain_http(mut self) -> Self {
        self.0.endpoint.reach = Reach::AnywhereInPlainHttp;
        self
    }

    /// The client itself, for requests of another kind.
    #[cfg(feature = "txn")]
    pub(super) fn into_client(self) -> TokenClient {
        self.0
    }

    /// Refuses a token if the response says that not all scopes were granted. By default it is used.
    #[must_use]
    pub fn require_all_scopes(self) -> Self {
        ClientCredentials(TokenClient { requires_all_scopes: true, ..self.0 })
    }
}

impl TokenSource for ClientCredentials {
    fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        Box::pin(self.0.request_token(request))
    }

    fn refresh_policy(&self) -> Option<RefreshPolicy> {
        Some(self.0.refresh_policy.clone())
    }

    fn attach(&self, context: &OutboundContext) -> Vec<Fault> {
        self.0.attach(context)
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("client", &self.0.client.as_ref().map(|(id, _)| id))
            .field("audiences", &self.0.audiences)
            .field("scopes", &self.0.scopes)
            .finish_non_exhaustive()
    }
}
