//! A client of a token service: its settings, and the token requests that it sends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use countersign_core::clock::SourceClock;
use countersign_core::error::Fault;
use countersign_core::secret::Secret;
use http::{HeaderValue, Method, header};
use reqwest::{Request, Url};
use url::form_urlencoded::{Serializer, byte_serialize};

use super::bound::{BoundTokens, RequestProof};
use super::cached::{CachedTokens, attach_source};
use super::context::OutboundContext;
use super::exchange;
use super::refusal::{self, Refused};
use super::response::{Expected, description_in, is_invalid_client, token_in};
use super::token::OutboundToken;
use super::token_source::{TokenRequest, TokenSource};
use crate::authenticate::CallerToken;
use crate::client::{self, Assertion, Credential, SecretLocation, ServerEndpoint, retry_delay};
use crate::fetch::{self, ConnectionSettings, Endpoint, FetchedResponse, Reach};
use crate::outbound::error::OutboundError;
use crate::outbound::proof::DPOP;
use crate::refresh::RefreshPolicy;
use crate::telemetry;

/// The parameters that have a setter, or that are sent without one.
const RESERVED_PARAMETERS: [&str; 19] = [
    "grant_type",
    "assertion",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "audience",
    "resource",
    "scope",
    "subject_token",
    "subject_token_type",
    "requested_token_type",
    "requested_token_use",
    "request_context",
    "request_details",
    "actor_token",
    "actor_token_type",
    "refresh_token",
    "code",
];

/// The largest response of a token service read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// A client of a token service.
pub(super) struct TokenClient {
    pub(super) endpoint: ServerEndpoint,
    pub(super) connection: ConnectionSettings,
    pub(super) client: Option<(String, Credential)>,
    pub(super) secret_location: SecretLocation,
    pub(super) assertion_audience: Option<String>,
    pub(super) grant: Option<Assertion>,
    /// The key that the tokens are bound to.
    pub(super) bound: Option<BoundTokens>,
    /// Tokens that are not bound to the key are used too.
    pub(super) accepts_bearer: bool,
    pub(super) actor: Option<Actor>,
    pub(super) audiences: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) exchange: exchange::Flow,
    pub(super) requires_all_scopes: bool,
    pub(super) refresh_policy: RefreshPolicy,
    pub(super) clock: SourceClock,
    /// A response stated a lifetime that cannot be read, and a warning was logged.
    pub(super) has_warned: AtomicBool,
    /// A warning about plain HTTP was logged.
    pub(super) has_warned_of_plain_http: AtomicBool,
    /// A warning about a token that is not bound was logged.
    pub(super) has_warned_of_bearer: AtomicBool,
}

/// The source of actor tokens, and their cache once there is a clock.
pub(super) struct Actor {
    source: Arc<dyn TokenSource>,
    tokens: OnceLock<CachedTokens>,
}

/// The proofs of one request: the client's secret or a new assertion, a new grant, and the actor's token.
#[derive(Default)]
struct Proofs {
    client: Option<Arc<Secret<String>>>,
    grant: Option<Secret<String>>,
    actor: Option<Arc<OutboundToken>>,
}

/// The response to a request, and what the request had that no log may show.
pub(super) struct Sent {
    pub(super) answer: FetchedResponse,
    secrets: Vec<Secret<String>>,
    proof: Option<RequestProof>,
}

impl TokenClient {
    pub(super) fn new(endpoint: ServerEndpoint) -> Self {
        TokenClient {
            endpoint,
            connection: ConnectionSettings::new(),
            client: None,
            secret_location: SecretLocation::Basic,
            assertion_audience: None,
            grant: None,
            bound: None,
            accepts_bearer: false,
            actor: None,
            audiences: Vec::new(),
            resources: Vec::new(),
            scopes: Vec::new(),
            parameters: Vec::new(),
            exchange: exchange::Flow::Standard,
            requires_all_scopes: false,
            refresh_policy: RefreshPolicy::for_tokens(),
            clock: SourceClock::default(),
            has_warned: AtomicBool::new(false),
            has_warned_of_plain_http: AtomicBool::new(false),
            has_warned_of_bearer: AtomicBool::new(false),
        }
    }

    /// Passes on the context, and returns the faults of all settings.
    pub(super) fn attach(&self, context: &OutboundContext) -> Vec<Fault> {
        let mut faults = Vec::from_iter(self.clock.attach(context.clock()));
        faults.extend(self.endpoint.fault());
        faults.extend(self.connection.faults());
        if matches!(self.client, Some((_, Credential::Certificate))) && !self.connection.has_certificate() {
            faults.push(Fault::new("client", "no certificate in the connection's settings; set it with `connection`"));
        }
        if self.endpoint.reach == Reach::AnywhereInPlainHttp {
            faults.extend(context.plain_http_fault());
            if !context.denies_danger() && !self.has_warned_of_plain_http.swap(true, Ordering::Relaxed) {
                telemetry::plain_http_allowed("token endpoint");
            }
        }
        match &self.client {
            None if self.grant.is_some() => {}
            None => faults.push(Fault::new("client", "missing; give its id and its secret, key or certificate")),
            Some((id, credential)) => faults.extend(client::faults(id, credential, self.secret_location)),
        }
        if let Some(bound) = &self.bound {
            faults.extend(bound.key.fault().into_iter().chain(context.redirects_fault()));
        }
        let client_assertion = self.client.as_ref().and_then(|(_, credential)| credential.assertion());
        let assertions = || client_assertion.into_iter().chain(&self.grant);
        faults.extend(assertions().flat_map(|assertion| assertion.attach(context.clock())));
        if assertions().any(Assertion::is_signed_here) && self.audience_of_assertions().is_empty() {
            faults.push(Fault::new("assertion_audience", "missing; name the issuer that the assertions are for"));
        }
        let context = context.clone().for_client(false); // of the actor's token, which is sent to the token endpoint only
        faults.extend(self.actor.iter().flat_map(|actor| attach_source(&actor.source, &context)));
        let is_bad_resource = |uri: &String| Url::parse(uri).map_or(true, |uri| uri.fragment().is_some());
        if self.resources.iter().any(is_bad_resource) {
            faults.push(Fault::new("resource", "not an absolute URI without a fragment"));
        }
        let names = || self.parameters.iter().map(|(name, _)| name.as_str());
        let is_repeated = |name: &str| names().filter(|other| *other == name).count() > 1;
        if names().any(|name| name.is_empty() || RESERVED_PARAMETERS.contains(&name) || is_repeated(name)) {
            let problem = "empty, repeated, or one that this client sends itself; use its setter";
            faults.push(Fault::new("parameter", problem));
        }
        if self.exchange == exchange::Flow::Entra && self.actor.is_some() {
            faults.push(Fault::new("actor", "the on-behalf-of flow of Entra has no actor token; remove it"));
        }
        if self.audiences.iter().any(String::is_empty) {
            faults.push(Fault::new("audience", "empty; name the service that the token is for"));
        }
        faults
    }

    pub(super) async fn request_token(&self, request: &TokenRequest) -> Result<OutboundToken, OutboundError> {
        // The flow of Entra does not state the kind of the token.
        let is_exchange = request.subject.is_some() && self.exchange == exchange::Flow::Standard;
        let read = |sent: &Sent, endpoint: &Url| self.token_in(sent, endpoint, is_exchange);
        let (token, endpoint) = self.request(request, read).await?;
        let lacks_one = token.scope().is_some_and(|granted| {
            self.scopes.iter().any(|requested| !granted.split_ascii_whitespace().any(|scope| scope == requested))
        });
        if self.requires_all_scopes && lacks_one {
            let error = OutboundError::refused("not all scopes were granted, and all are required");
            return Err(error.with_context(self.refusal(&endpoint, request, Some("invalid_scope"), None)));
        }
        Ok(token)
    }

    /// The token in a response, if it is as it must be.
    fn token_in(&self, sent: &Sent, endpoint: &Url, is_exchange: bool) -> Result<OutboundToken, OutboundError> {
        let signer = sent.proof.as_ref().map(|proof| &proof.signer);
        let (accepts_bearer, policy) = (self.accepts_bearer, &self.refresh_policy);
        let expected = Expected { is_exchange, signer, accepts_bearer, policy };
        // Without its query, which may hold a secret.
        let shown = || format!("{}{}", endpoint.origin().ascii_serialization(), endpoint.path());
        let token = token_in(&sent.answer, &expected, || {
            if !self.has_warned.swap(true, Ordering::Relaxed) {
                telemetry::token_lifetime_unreadable(&shown());
            }
        })?;
        if signer.is_some() && token.signer().is_none() && !self.has_warned_of_bearer.swap(true, Ordering::Relaxed) {
            telemetry::token_not_bound(&shown());
        }
        Ok(token)
    }

    /// Sends the request, and reads the response with `read`. Returns the endpoint too.
    pub(super) async fn request<T>(
        &self,
        request: &TokenRequest,
        read: impl FnOnce(&Sent, &Url) -> Result<T, OutboundError>,
    ) -> Result<(T, Arc<Url>), OutboundError> {
        let endpoint = match &self.client {
            Some((_, Credential::Certificate)) => Endpoint::TokenWithCertificate,
            _ => Endpoint::Token,
        };
        let endpoint = self.endpoint.url(endpoint, &self.connection, &self.clock).await?;
        let sent = self.send(&endpoint, request).await;
        let sent = sent.map_err(|error| error.with_context(self.refusal(&endpoint, request, None, None)))?;
        let read = read(&sent, &endpoint).map_err(|error| {
            let secrets = sent.secrets.iter().map(|secret| secret.expose().as_str());
            let description = description_in(&sent.answer).and_then(|text| refusal::description(&text, secrets));
            let context = self.refusal(&endpoint, request, error.oauth_error(), description.as_deref());
            error.with_context(context)
        })?;
        Ok((read, endpoint))
    }

    /// The description of a refusal by this endpoint.
    fn refusal(&self, endpoint: &Url, request: &TokenRequest, code: Option<&str>, description: Option<&str>) -> String {
        let client = self.client.as_ref().map(|(id, credential)| (id.as_str(), credential));
        let scopes = match &request.transaction {
            Some(transaction) => std::slice::from_ref(&transaction.scope),
            None => &self.scopes[..],
        };
        let (is_exchange, is_bound) = (request.subject.is_some(), self.bound.is_some());
        Refused { endpoint, client, scopes, is_exchange, is_bound }.context(code, description)
    }

    /// Sends the request, and again if that is harmless and may help. Each attempt has new assertions.
    async fn send(&self, endpoint: &Arc<Url>, request: &TokenRequest) -> Result<Sent, OutboundError> {
        let (mut attempt, mut was_refused, mut has_repeated) = (0, false, false);
        loop {
            let used = self.credential_in_use().await?;
            let proofs = self.proofs(request).await?;
            let Some(mut http_request) = self.http_request(endpoint, request, &proofs) else {
                return Err(OutboundError::refused("the client's id or secret does not fit into a header"));
            };
            let proof = match &self.bound {
                Some(bound) => Some(bound.proof(endpoint, self.clock.get().now()).await?),
                None => None,
            };
            if let Some(proof) = &proof {
                http_request.headers_mut().insert(DPOP, proof.value.clone());
            }
            let secrets = secrets_in(&http_request, request, &proofs);
            let reach = self.endpoint.reach;
            let sent = fetch::send_within(&self.connection, reach, http_request, MAX_ANSWER_BYTES).await;
            if sent.as_ref().is_ok_and(|answer| matches!(answer.status.as_u16(), 404 | 405 | 410)) {
                self.endpoint.has_failed(endpoint); // it has moved: the next request reads the metadata again
            }
            if let (Ok(answer), Some(bound), Some(proof)) = (&sent, &self.bound, &proof)
                && bound.demands_nonce(endpoint, answer, proof)
                && !std::mem::replace(&mut has_repeated, true)
            {
                continue;
            }
            if let Ok(answer) = &sent
                && !was_refused
                && is_invalid_client(answer)
                && self.credential_in_use().await? != used
            {
                was_refused = true; // the secret was rotated meanwhile
                continue;
            }
            let Some(delay) = retry_delay(&sent, attempt) else {
                return sent.map(|answer| Sent { answer, secrets, proof }).map_err(|failure| {
                    self.endpoint.has_failed(endpoint);
                    failure.into()
                });
            };
            tokio::time::sleep(delay).await;
            attempt += 1;
        }
    }

    async fn proofs(&self, request: &TokenRequest) -> Result<Proofs, OutboundError> {
        let mut proofs = Proofs::default();
        let audience = self.audience_of_assertions();
        match &self.client {
            Some((_, Credential::Assertion(assertion))) => {
                proofs.client = Some(Arc::new(assertion.token(client::CLIENT_AUTHENTICATION, audience).await?));
            }
            Some((_, Credential::Secret(secret))) => proofs.client = Some(secret.current().await?),
            Some((_, Credential::Certificate)) | None => {}
        }
        match (&request.subject, &self.grant, &self.actor) {
            (None, Some(grant), _) => proofs.grant = Some(grant.token(client::GRANT, audience).await?),
            (Some(_), _, Some(actor)) => proofs.actor = Some(actor.tokens(&self.clock).token(None).await?),
            _ => {}
        }
        Ok(proofs)
    }

    /// The identity of a secret or key that is read from a file; `None` for other credentials.
    async fn credential_in_use(&self) -> Result<Option<usize>, OutboundError> {
        Ok(match &self.client {
            Some((_, credential)) if !credential.may_change() => None,
            Some((_, Credential::Secret(secret))) => Some(Arc::as_ptr(&secret.current().await?).addr()),
            Some((_, Credential::Assertion(assertion))) => assertion.key().await?.map(|key| Arc::as_ptr(&key).addr()),
            Some((_, Credential::Certificate)) | None => None,
        })
    }

    /// Empty if unknown, which is a configuration fault when an assertion is signed here.
    fn audience_of_assertions(&self) -> &str {
        self.assertion_audience.as_deref().or(self.endpoint.issuer()).unwrap_or_default()
    }

    fn http_request(&self, endpoint: &Url, request: &TokenRequest, proofs: &Proofs) -> Option<Request> {
        let mut http_request = Request::new(Method::POST, endpoint.clone());
        let headers = http_request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let mut form = Serializer::new(String::new());
        match (&request.subject, &proofs.grant) {
            (Some(subject), _) => {
                exchange::append_subject(&mut form, subject, self.exchange, request.transaction.as_ref());
            }
            (None, Some(assertion)) => {
                form.append_pair("grant_type", exchange::JWT_BEARER).append_pair("assertion", assertion.expose());
            }
            (None, None) => drop(form.append_pair("grant_type", "client_credentials")),
        }
        if let Some(actor) = &proofs.actor {
            exchange::append_actor(&mut form, actor);
        }
        for audience in &self.audiences {
            form.append_pair("audience", audience);
        }
        for resource in &self.resources {
            form.append_pair("resource", resource);
        }
        match &request.transaction {
            Some(transaction) => exchange::append_transaction(&mut form, transaction),
            None if self.scopes.is_empty() => {}
            None => drop(form.append_pair("scope", &self.scopes.join(" "))),
        }
        for (name, value) in &self.parameters {
            form.append_pair(name, value);
        }
        match &self.client {
            Some((id, proof)) => {
                client::authenticate((id, proof), self.secret_location, proofs.client.as_deref(), &mut form, headers)?;
            }
            // An assertion as the grant may stand for itself (RFC 7523 §3.1).
            None if proofs.grant.is_some() => {}
            None => return None,
        }
        *http_request.body_mut() = Some(form.finish().into());
        Some(http_request)
    }
}

/// The secret texts of a request, in the forms in which they were sent and in which they are known.
fn secrets_in(http_request: &Request, request: &TokenRequest, proofs: &Proofs) -> Vec<Secret<String>> {
    let headers = [header::AUTHORIZATION, DPOP].into_iter().filter_map(|name| http_request.headers().get(name));
    let headers = headers.filter_map(|value| value.to_str().ok());
    let client = proofs.client.as_deref().map(Secret::expose);
    let encoded = client.map(|secret| byte_serialize(secret.as_bytes()).collect::<String>());
    let known = [client, proofs.grant.as_ref().map(Secret::expose)].into_iter().flatten().map(String::as_str);
    let known = known.chain(headers).chain(request.subject.as_ref().map(CallerToken::expose)).map(Secret::from);
    let actor = proofs.actor.iter().map(|token| Secret::from(token.expose()));
    known.chain(encoded.map(Secret::new)).chain(actor).collect()
}

impl Actor {
    pub(super) fn new(source: impl TokenSource) -> Self {
        Actor { source: Arc::new(source), tokens: OnceLock::new() }
    }

    fn tokens(&self, clock: &SourceClock) -> &CachedTokens {
        self.tokens.get_or_init(|| {
            CachedTokens::new(Arc::clone(&self.source), Arc::clone(clock.get()), "the actor of an exchange", 0)
        })
    }
}
