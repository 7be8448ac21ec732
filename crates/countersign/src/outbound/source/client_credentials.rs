//! Tokens for the service itself (RFC 6749 §4.4), and for its callers by exchange.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use countersign_core::error::Fault;
use countersign_core::secret::Secret;
use http::{HeaderValue, Method, header};
use reqwest::{Request, Url};
use url::form_urlencoded::{Serializer, byte_serialize};

use super::response::token_in;
use super::{OutboundToken, TokenFuture, TokenRequest, TokenSource, exchange};
use crate::fetch::{self, Answer, Endpoint, FetchFailure, checked_url, discover};
use crate::outbound::error::OutboundError;

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
    client: Option<(String, Secret<String>)>,
    authentication: Authentication,
    audiences: Vec<String>,
    resources: Vec<String>,
    scopes: Vec<String>,
    requires_all_scopes: bool,
}

enum Place {
    Issuer(String),
    TokenEndpoint(String),
}

#[derive(Clone, Copy, Debug)]
enum Authentication {
    Basic,
    RawBasic,
    Post,
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
            authentication: Authentication::Basic,
            audiences: Vec::new(),
            resources: Vec::new(),
            scopes: Vec::new(),
            requires_all_scopes: false,
        }
    }

    /// As this client. Its secret goes into an `Authorization: Basic` header, form-encoded first (RFC 6749 §2.3.1).
    #[must_use]
    pub fn client(self, id: &str, secret: impl Into<Secret<String>>) -> Self {
        ClientCredentials { client: Some((id.to_owned(), secret.into())), ..self }
    }

    /// Sends the secret in the body instead, for services that know no other way.
    #[must_use]
    pub fn client_secret_post(self) -> Self {
        ClientCredentials { authentication: Authentication::Post, ..self }
    }

    /// Sends id and secret in `Basic` without form-encoding them, for services that do not follow RFC 6749 here. The id
    /// must have no colon.
    #[must_use]
    pub fn raw_basic(self) -> Self {
        ClientCredentials { authentication: Authentication::RawBasic, ..self }
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
        let answer = match self.send(&endpoint, request).await {
            Ok(answer) => answer,
            Err(failure) => {
                self.remember(None); // the endpoint may have moved: discover anew next time
                return Err(failure.into());
            }
        };
        let token = token_in(&answer, request.subject.is_some())?;
        let lacks_one = token.scope().is_some_and(|granted| {
            self.scopes.iter().any(|wanted| !granted.split_ascii_whitespace().any(|scope| scope == wanted))
        });
        if self.requires_all_scopes && lacks_one {
            return Err(OutboundError::refused("not all scopes were granted, and all are required"));
        }
        Ok(token)
    }

    /// Sends the request, and again where that is harmless and may help.
    async fn send(&self, endpoint: &Url, request: &TokenRequest) -> Result<Answer, FetchFailure> {
        let mut retries = 0;
        loop {
            let sent = match self.http_request(endpoint, request) {
                Some(http_request) => fetch::send(http_request, MAX_ANSWER_BYTES).await,
                None => return Err(FetchFailure::Unusable("the client's id or secret fits no header")),
            };
            let may_mend = match &sent {
                Ok(answer) => answer.status.is_server_error() && answer.retry_after().is_none(),
                Err(failure) => matches!(failure, FetchFailure::Connect | FetchFailure::Broken),
            };
            if !may_mend || retries == MAX_RETRIES {
                return sent;
            }
            tokio::time::sleep(jittered(RETRY_PAUSE.saturating_mul(1 << retries))).await;
            retries += 1;
        }
    }

    fn http_request(&self, endpoint: &Url, request: &TokenRequest) -> Option<Request> {
        let (id, secret) = self.client.as_ref()?;
        let mut http_request = Request::new(Method::POST, endpoint.clone());
        let headers = http_request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let mut form = Serializer::new(String::new());
        match &request.subject {
            None => drop(form.append_pair("grant_type", "client_credentials")),
            Some(subject) => {
                form.append_pair("grant_type", exchange::GRANT);
                exchange::append_subject(&mut form, subject);
            }
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
        // One way of authentication a request, never two (S7.03).
        match self.authentication {
            Authentication::Post => {
                form.append_pair("client_id", id).append_pair("client_secret", secret.expose());
            }
            Authentication::Basic => {
                let encoded = Secret::new(byte_serialize(secret.expose().as_bytes()).collect::<String>());
                let id: String = byte_serialize(id.as_bytes()).collect();
                headers.insert(header::AUTHORIZATION, basic(&id, &encoded)?);
            }
            Authentication::RawBasic => drop(headers.insert(header::AUTHORIZATION, basic(id, secret)?)),
        }
        *http_request.body_mut() = Some(form.finish().into());
        Some(http_request)
    }

    async fn endpoint(&self) -> Result<Url, OutboundError> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let endpoint = match (&self.place, found) {
            (_, Some(found)) => return Ok(found),
            (Place::Issuer(issuer), None) => discover(issuer, Endpoint::Token).await?,
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
            None => faults.push(Fault::new("client", "not named; give the client's id and secret")),
            Some((id, secret)) => {
                if id.is_empty() || secret.expose().is_empty() {
                    faults.push(Fault::new("client", "id or secret is empty; give both"));
                }
                if matches!(self.authentication, Authentication::RawBasic) && id.contains(':') {
                    faults.push(Fault::new("client", "the id has a colon, which raw_basic cannot carry"));
                }
            }
        }
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

/// `Basic` credentials, hidden from `Debug` as headers are.
fn basic(id: &str, secret: &Secret<String>) -> Option<HeaderValue> {
    let pair = Secret::new(format!("{id}:{}", secret.expose()));
    let encoded = Secret::new(base64_simd::STANDARD.encode_to_string(pair.expose()));
    let text = Secret::new(format!("Basic {}", encoded.expose()));
    let mut value = HeaderValue::from_str(text.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Between half of `pause` and all of it.
fn jittered(pause: Duration) -> Duration {
    let random = u32::try_from(RandomState::new().hash_one(0_u8) % 1024).unwrap_or(0);
    pause / 2 + pause / 2 * random / 1024
}
