//! Tokens for the service itself (RFC 6749 §4.4), and for its callers by exchange.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::clock::SystemClock;
use countersign_core::error::Fault;
use countersign_core::mint::Signer;
use countersign_core::secret::Secret;
use http::{HeaderValue, Method, header};
use reqwest::{ClientBuilder, Request, Url};
use url::form_urlencoded::Serializer;

use super::assertion::{self, Assertion};
use super::cached::Cached;
use super::credential::{self, Credential, SecretPlace};
use super::response::token_in;
use super::{OutboundToken, TokenFuture, TokenRequest, TokenSource, exchange};
use crate::fetch::{self, Answer, Endpoint, FetchFailure, Reach, checked_url, discover};
use crate::outbound::error::OutboundError;

/// The grant that is an assertion (RFC 7523 §2.1).
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The largest answer of a token service read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// How often a request that met no connection or a 5xx is sent again.
const MAX_RETRIES: u32 = 2;

/// The pause before the first such retry, doubled for the next; each is jittered to between half and the whole.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// The client-credentials grant; on behalf of a caller, the same client exchanges the caller's token (RFC 8693).
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
pub struct ClientCredentials {
    place: Place,
    found: Mutex<Option<Url>>,
    client: Option<(String, Credential)>,
    secret_place: SecretPlace,
    assertion_audience: Option<String>,
    grant: Option<Assertion>,
    actor: Option<Cached>,
    audiences: Vec<String>,
    resources: Vec<String>,
    scopes: Vec<String>,
    requires_all_scopes: bool,
}

enum Place {
    Issuer(String),
    TokenEndpoint(String),
}

/// The assertions of one request, each fresh.
#[derive(Default)]
struct Assertions {
    client: Option<Secret<String>>,
    grant: Option<Secret<String>>,
    actor: Option<Arc<OutboundToken>>,
}

impl ClientCredentials {
    /// At the token endpoint that the issuer's metadata names (OIDC discovery or RFC 8414).
    #[must_use]
    pub fn from_issuer(issuer: &str) -> Self {
        Self::at(Place::Issuer(issuer.to_owned()))
    }

    /// At this token endpoint.
    #[must_use]
    pub fn from_token_endpoint(url: &str) -> Self {
        Self::at(Place::TokenEndpoint(url.to_owned()))
    }

    fn at(place: Place) -> Self {
        ClientCredentials {
            place,
            found: Mutex::default(),
            client: None,
            secret_place: SecretPlace::Basic,
            assertion_audience: None,
            grant: None,
            actor: None,
            audiences: Vec::new(),
            resources: Vec::new(),
            scopes: Vec::new(),
            requires_all_scopes: false,
        }
    }

    /// As this client. Its secret goes into an `Authorization: Basic` header, form-encoded first (RFC 6749 §2.3.1).
    #[must_use]
    pub fn client(self, id: &str, secret: impl Into<Secret<String>>) -> Self {
        ClientCredentials { client: Some((id.to_owned(), Credential::Secret(secret.into()))), ..self }
    }

    /// As this client, which signs a fresh assertion for each request (`private_key_jwt`, RFC 7523 §2.2).
    ///
    /// The assertion's one audience is the issuer (RFC 10070); from a token endpoint alone, say who that is with
    /// [`assertion_audience`](Self::assertion_audience).
    #[must_use]
    pub fn client_key(self, id: &str, signer: impl Into<Arc<Signer>>) -> Self {
        let assertion = Assertion::new(id, id, signer);
        self.client_assertion(id, assertion)
    }

    /// As this client, which the assertion speaks for; such as a projected workload token that the service trusts.
    #[must_use]
    pub fn client_assertion(self, id: &str, assertion: Assertion) -> Self {
        ClientCredentials { client: Some((id.to_owned(), Credential::Assertion(assertion))), ..self }
    }

    /// As this client, which proves itself by the TLS certificate that `tls` was given (RFC 8705 §2).
    ///
    /// Redirects are turned off and our time limits set, whatever it says.
    #[must_use]
    pub fn client_certificate(self, id: &str, tls: ClientBuilder) -> Self {
        let client = fetch::bounded(tls).build().ok();
        ClientCredentials { client: Some((id.to_owned(), Credential::Certificate(client))), ..self }
    }

    /// Names the issuer that assertions signed here are for, where only its token endpoint was given.
    #[must_use]
    pub fn assertion_audience(self, issuer: &str) -> Self {
        ClientCredentials { assertion_audience: Some(issuer.to_owned()), ..self }
    }

    /// Asks by this assertion as the grant (RFC 7523 §2.1) instead of as the client itself.
    #[must_use]
    pub fn jwt_bearer(self, assertion: Assertion) -> Self {
        ClientCredentials { grant: Some(assertion), ..self }
    }

    /// Adds who acts to every exchange (RFC 8693 `actor_token`): a token of this source, such as the service's own.
    ///
    /// It is kept and refreshed like any other. Where it cannot be had, the exchange fails.
    #[must_use]
    pub fn actor(self, source: impl TokenSource) -> Self {
        let tokens = Cached::new(Arc::new(source), Arc::new(SystemClock), "the actor of an exchange");
        ClientCredentials { actor: Some(tokens), ..self }
    }

    /// Sends the secret in the body instead, for services that know no other way.
    #[must_use]
    pub fn client_secret_post(self) -> Self {
        ClientCredentials { secret_place: SecretPlace::Body, ..self }
    }

    /// Sends id and secret in `Basic` without form-encoding them, for services that do not follow RFC 6749 here. The id
    /// must have no colon.
    #[must_use]
    pub fn raw_basic(self) -> Self {
        ClientCredentials { secret_place: SecretPlace::RawBasic, ..self }
    }

    /// Wants the token for this audience; may be said again for more.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.audiences.push(audience.to_owned());
        self
    }

    /// Wants the token for this resource, an absolute URI (RFC 8707); may be said again for more.
    #[must_use]
    pub fn resource(mut self, resource: &str) -> Self {
        self.resources.push(resource.to_owned());
        self
    }

    /// Wants this scope; several may be named at once, parted by spaces, or one after the other.
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        self.scopes.extend(scope.split_ascii_whitespace().map(str::to_owned));
        self
    }

    /// Refuses a token whose answer says that not all scopes were granted. By default it is used.
    #[must_use]
    pub fn require_all_scopes(self) -> Self {
        ClientCredentials { requires_all_scopes: true, ..self }
    }

    async fn request_token(&self, request: &TokenRequest) -> Result<OutboundToken, OutboundError> {
        let endpoint = self.endpoint().await?;
        let answer = self.send(&endpoint, request).await?;
        let token = token_in(&answer, request.subject.is_some())?;
        let lacks_one = token.scope().is_some_and(|granted| {
            self.scopes.iter().any(|wanted| !granted.split_ascii_whitespace().any(|scope| scope == wanted))
        });
        if self.requires_all_scopes && lacks_one {
            return Err(OutboundError::refused("not all scopes were granted, and all are required"));
        }
        Ok(token)
    }

    /// Sends the request, and again where that is harmless and may help. Each has assertions of its own.
    async fn send(&self, endpoint: &Url, request: &TokenRequest) -> Result<Answer, OutboundError> {
        let mut retries = 0;
        loop {
            let assertions = self.assertions(request).await?;
            let Some(http_request) = self.http_request(endpoint, request, &assertions) else {
                return Err(OutboundError::refused("the client's id or secret fits no header"));
            };
            let sent = match &self.client {
                Some((_, Credential::Certificate(Some(tls)))) => {
                    fetch::send_by(tls, http_request, MAX_ANSWER_BYTES).await
                }
                _ => fetch::send(http_request, MAX_ANSWER_BYTES).await,
            };
            let may_mend = match &sent {
                Ok(answer) => answer.status.is_server_error() && answer.retry_after().is_none(),
                Err(failure) => matches!(failure, FetchFailure::Connect | FetchFailure::Broken),
            };
            if !may_mend || retries == MAX_RETRIES {
                return sent.map_err(|failure| {
                    self.remember(None); // the endpoint may have moved: discover anew next time
                    failure.into()
                });
            }
            tokio::time::sleep(jittered(RETRY_PAUSE.saturating_mul(1 << retries))).await;
            retries += 1;
        }
    }

    async fn assertions(&self, request: &TokenRequest) -> Result<Assertions, OutboundError> {
        let mut fresh = Assertions::default();
        let audience = self.audience_of_assertions();
        if let Some((_, Credential::Assertion(assertion))) = &self.client {
            fresh.client = Some(assertion.token(assertion::CLIENT_AUTHENTICATION, audience).await?);
        }
        match (&request.subject, &self.grant, &self.actor) {
            (None, Some(grant), _) => fresh.grant = Some(grant.token(assertion::GRANT, audience).await?),
            (Some(_), _, Some(actor)) => fresh.actor = Some(actor.token(None).await?),
            _ => {}
        }
        Ok(fresh)
    }

    fn audience_of_assertions(&self) -> &str {
        match (&self.assertion_audience, &self.place) {
            (Some(issuer), _) | (None, Place::Issuer(issuer)) => issuer,
            (None, Place::TokenEndpoint(_)) => "", // a fault of the set-up where an assertion is signed here
        }
    }

    fn http_request(&self, endpoint: &Url, request: &TokenRequest, fresh: &Assertions) -> Option<Request> {
        let mut http_request = Request::new(Method::POST, endpoint.clone());
        let headers = http_request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let mut form = Serializer::new(String::new());
        match (&request.subject, &fresh.grant) {
            (Some(subject), _) => {
                form.append_pair("grant_type", exchange::GRANT);
                exchange::append_subject(&mut form, subject);
            }
            (None, Some(assertion)) => {
                form.append_pair("grant_type", JWT_BEARER).append_pair("assertion", assertion.expose());
            }
            (None, None) => drop(form.append_pair("grant_type", "client_credentials")),
        }
        if let Some(actor) = &fresh.actor {
            exchange::append_actor(&mut form, actor);
        }
        for audience in &self.audiences {
            form.append_pair("audience", audience);
        }
        for resource in &self.resources {
            form.append_pair("resource", resource);
        }
        if !self.scopes.is_empty() {
            form.append_pair("scope", &self.scopes.join(" "));
        }
        match &self.client {
            Some((id, proof)) => {
                credential::authenticate((id, proof), self.secret_place, fresh.client.as_ref(), &mut form, headers)?;
            }
            // An assertion as the grant may stand for itself (RFC 7523 §3.1).
            None if fresh.grant.is_some() => {}
            None => return None,
        }
        *http_request.body_mut() = Some(form.finish().into());
        Some(http_request)
    }

    async fn endpoint(&self) -> Result<Url, OutboundError> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let endpoint = match (&self.place, found) {
            (_, Some(found)) => return Ok(found),
            (Place::Issuer(issuer), None) => discover(issuer, Endpoint::Token, Reach::Anywhere).await?,
            (Place::TokenEndpoint(url), None) => checked_url(url, "token_endpoint")
                .map_err(|_| OutboundError::refused("the token endpoint is no usable address"))?,
        };
        self.remember(Some(endpoint.clone()));
        Ok(endpoint)
    }

    fn remember(&self, endpoint: Option<Url>) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = endpoint;
    }
}

impl TokenSource for ClientCredentials {
    fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        Box::pin(self.request_token(request))
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let place = match &self.place {
            Place::Issuer(issuer) => fetch::metadata_urls(issuer).err(),
            Place::TokenEndpoint(url) => checked_url(url, "token_endpoint").err(),
        };
        faults.extend(place);
        match &self.client {
            None if self.grant.is_some() => {}
            None => faults.push(Fault::new("client", "not named; give the client's id and what proves it")),
            Some((id, credential)) => faults.extend(credential::faults(id, credential, self.secret_place)),
        }
        let by_client = self.client.as_ref().and_then(|(_, credential)| match credential {
            Credential::Assertion(assertion) => Some(assertion),
            _ => None,
        });
        let signs = by_client.into_iter().chain(&self.grant).any(Assertion::is_signed_here);
        if signs && self.audience_of_assertions().is_empty() {
            faults.push(Fault::new(
                "assertion_audience",
                "not said; assertions are for the issuer, not for its endpoint",
            ));
        }
        faults.extend(self.grant.as_ref().and_then(Assertion::faults));
        faults.extend(self.actor.iter().flat_map(Cached::faults));
        let is_bad_resource = |uri: &String| Url::parse(uri).map_or(true, |uri| uri.fragment().is_some());
        if self.resources.iter().any(is_bad_resource) {
            faults.push(Fault::new("resource", "not an absolute URI without a fragment"));
        }
        if self.audiences.iter().any(String::is_empty) {
            faults.push(Fault::new("audience", "empty; name the service that the token is for"));
        }
        faults
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("client", &self.client.as_ref().map(|(id, _)| id))
            .field("audiences", &self.audiences)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// Between half of `pause` and all of it.
fn jittered(pause: Duration) -> Duration {
    let random = u32::try_from(RandomState::new().hash_one(0_u8) % 1024).unwrap_or(0);
    pause / 2 + pause / 2 * random / 1024
}
