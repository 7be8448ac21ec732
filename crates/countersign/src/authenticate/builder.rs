//! The settings of the layer.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use countersign_core::error::{ConfigError, Fault};
use countersign_core::pseudonym::Pseudonyms;
#[cfg(feature = "txn")]
use countersign_core::verify::TransactionVerifier;
use countersign_core::verify::Verifier;
use http::{HeaderMap, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::api_key::{ApiKeyCheck, ApiKeySource};
use super::authenticated::LayerContext;
use super::authenticator::{Authenticator, Settings};
use super::cookie::CookieToken;
use super::header::HeaderToken;
use super::layer::AuthenticateLayer;
use super::opaque::Introspector;
use super::preflight::{PreflightEnd, Preflights};
#[cfg(feature = "txn")]
use super::transaction::Transactions;
use crate::audit::{AuditLog, Auditor};
#[cfg(feature = "introspection")]
use crate::introspect::Introspection;
use crate::listed::{AddedLists, with_lists_of_policy};
use crate::proof::{Dpop, MutualTls};
use crate::response::{Detail, Render, ResourceMetadata, Responder};
use crate::revocation::Revocation;
use crate::telemetry::Samples;

/// Builds an [`AuthenticateLayer`]; made by [`AuthenticateLayer::builder`].
///
/// [`build`](Self::build) reports all faults at once.
///
/// ```
/// use axum::{Router, routing::get};
/// use countersign::error::ConfigError;
/// use countersign::prelude::*;
///
/// fn app(verifier: Verifier) -> Result<Router, ConfigError> {
///     let layer = AuthenticateLayer::builder(verifier).public(["/health"]).realm("orders").build()?;
///     Ok(Router::new().route("/health", get(|| async { "ok" })).layer(layer))
/// }
/// # let _ = app;
/// ```
#[derive(Clone, Debug)]
#[must_use = "call build to get the layer"]
pub struct AuthenticateLayerBuilder {
    verifier: Verifier,
    settings: Settings,
    responder: Responder,
    subjects: Option<Pseudonyms>,
    audit: Option<AuditLog>,
    revocation: Option<Revocation>,
    added_lists: AddedLists,
    dpop: Option<Dpop>,
    api_keys: Option<Arc<dyn ApiKeySource>>,
    repeats_api_keys: bool,
    #[cfg(feature = "introspection")]
    introspection: Option<Introspection>,
    #[cfg(feature = "introspection")]
    repeats_introspection: bool,
}

impl AuthenticateLayer {
    /// Creates a layer that requires a token accepted by `verifier` on every path.
    #[must_use]
    pub fn new(verifier: Verifier) -> Self {
        let mut builder = Self::builder(verifier);
        (builder.revocation, builder.added_lists) = with_lists_of_policy(None, &builder.verifier);
        builder.finish(None, None)
    }

    /// Starts a layer with settings of its own.
    pub fn builder(verifier: Verifier) -> AuthenticateLayerBuilder {
        AuthenticateLayerBuilder {
            verifier,
            settings: Settings::default(),
            responder: Responder::default(),
            subjects: None,
            audit: None,
            revocation: None,
            added_lists: AddedLists::default(),
            dpop: None,
            api_keys: None,
            repeats_api_keys: false,
            #[cfg(feature = "introspection")]
            introspection: None,
            #[cfg(feature = "introspection")]
            repeats_introspection: false,
        }
    }
}

/// All settings at their defaults.
impl From<Verifier> for AuthenticateLayer {
    fn from(verifier: Verifier) -> Self {
        AuthenticateLayer::new(verifier)
    }
}

impl AuthenticateLayerBuilder {
    /// Lets requests to these paths through without a token. Paths are compared whole, byte for byte, before any decoding.
    ///
    /// A token that is sent there anyway is ignored. In a nested router, list the whole path that clients request, with the
    /// prefix of the router: `/admin/health`. So a nested `/health` is not public because another one is.
    pub fn public(mut self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.public_paths.add(paths);
        self
    }

    /// Lets requests to these paths through without a token, as anonymous; a token that is sent must be valid. The handler reads
    /// it with `Option<Claims>`.
    ///
    /// Paths are compared as those of [`public`](Self::public). A path in both lists is optional.
    ///
    /// ```
    /// use countersign::error::ConfigError;
    /// use countersign::prelude::*;
    ///
    /// fn layer(verifier: Verifier) -> Result<AuthenticateLayer, ConfigError> {
    ///     AuthenticateLayer::builder(verifier).public(["/health"]).optional(["/catalog"]).build()
    /// }
    /// # let _ = layer;
    /// ```
    pub fn optional(mut self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.optional_paths.add(paths);
        self
    }

    /// Answers requests below these path prefixes in gRPC's form, for a layer around HTTP and gRPC services together.
    ///
    /// A gRPC refusal is HTTP 200 with a status in the headers, so list only paths of gRPC services, such as
    /// `/shop.v1.Orders/`, with the prefix of a router that they are nested in. A request's headers never select this form: a
    /// proxy that asks this service for permission would take the 200 for a yes. Services of tonic in [`grpc`](crate::grpc)
    /// need no list.
    pub fn grpc_paths(mut self, prefixes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.grpc_paths.extend(prefixes.into_iter().map(Into::into));
        self
    }

    /// Lets requests without any token through as anonymous; a bad token is still refused.
    ///
    /// It opens every route that has neither a guard nor an extractor of the caller. To open single paths, list them in
    /// [`optional`](Self::optional) instead. Guards refuse anonymous callers; a handler sees them as `None` in
    /// `Option<Claims>`.
    pub fn allow_anonymous(mut self) -> Self {
        self.settings.allows_anonymous = true;
        self
    }

    /// Stores the caller's token with the request, as [`CallerToken`](super::CallerToken), so that a handler can act on
    /// the caller's behalf.
    pub fn keep_caller_token(mut self) -> Self {
        self.settings.keeps_token = true;
        self
    }

    /// Checks at each request whether its token was revoked, for cached tokens too.
    ///
    /// Status lists that the policy names are checked in any case. [`revocation`](crate::revocation) describes the checks that are
    /// built in, and what happens if the status is unknown.
    pub fn revocation(mut self, revocation: impl Into<Revocation>) -> Self {
        self.revocation = Some(revocation.into());
        self
    }

    /// Accepts tokens that are bound to a key, with a proof for each request (RFC 9449); see [`Dpop`]. Default: bound tokens are
    /// refused.
    ///
    /// ```
    /// use countersign::error::ConfigError;
    /// use countersign::prelude::*;
    /// use countersign::proof::Dpop;
    ///
    /// fn layer(verifier: Verifier) -> Result<AuthenticateLayer, ConfigError> {
    ///     AuthenticateLayer::builder(verifier).dpop(Dpop::at("https://api.example.com")).build()
    /// }
    /// # let _ = layer;
    /// ```
    pub fn dpop(mut self, dpop: Dpop) -> Self {
        self.dpop = Some(dpop);
        self
    }

    /// Accepts opaque tokens too, by asking their authorization server; [`introspect`](crate::introspect) describes it.
    ///
    /// Signed tokens are verified as before. The server's rules in the verifier's policy apply to the answers.
    #[cfg(feature = "introspection")]
    pub fn introspection(mut self, introspection: Introspection) -> Self {
        self.repeats_introspection = self.introspection.is_some();
        self.introspection = Some(introspection);
        self
    }

    /// Accepts tokens that are bound to a certificate of the client (RFC 8705); see [`MutualTls`]. Default: such tokens are
    /// refused.
    ///
    /// ```
    /// use countersign::error::ConfigError;
    /// use countersign::prelude::*;
    /// use countersign::proof::MutualTls;
    ///
    /// fn layer(verifier: Verifier) -> Result<AuthenticateLayer, ConfigError> {
    ///     AuthenticateLayer::builder(verifier).mutual_tls(MutualTls::of_connection()).build()
    /// }
    /// # let _ = layer;
    /// ```
    pub fn mutual_tls(mut self, mutual_tls: MutualTls) -> Self {
        self.settings.mutual_tls = Some(mutual_tls);
        self
    }

    /// Takes transaction tokens (draft-ietf-oauth-transaction-tokens-10) in the header `Txn-Token`, beside the caller's own token.
    ///
    /// A request may have one; if it has, it must be valid. Handlers read it with [`Transaction`](crate::extract::Transaction),
    /// guards with [`transaction`](countersign_core::authz::transaction) and
    /// [`in_transaction`](countersign_core::authz::in_transaction). It proves nothing about the sender, whose own token stays
    /// required: a transaction token of an anonymous caller is refused. On [public](Self::public) paths it is ignored.
    ///
    /// Without this setting, the layer ignores the header, and guards over transactions answer 500.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use countersign::error::ConfigError;
    /// use countersign::keys::RemoteKeys;
    /// use countersign::policy::TransactionService;
    /// use countersign::prelude::*;
    /// use countersign::verify::TransactionVerifier;
    ///
    /// fn layer(verifier: Verifier) -> Result<AuthenticateLayer, ConfigError> {
    ///     let keys = RemoteKeys::from_url("https://sts.shop.example/jwks");
    ///     let service = TransactionService::new("shop.example", Arc::new(keys)).issuer("https://sts.shop.example");
    ///     AuthenticateLayer::builder(verifier).transaction_tokens(TransactionVerifier::new(service)?).build()
    /// }
    /// # let _ = layer;
    /// ```
    #[cfg(feature = "txn")]
    pub fn transaction_tokens(mut self, verifier: TransactionVerifier) -> Self {
        self.settings.transactions = Some(Transactions { verifier, is_required: false });
        self
    }

    /// As [`transaction_tokens`](Self::transaction_tokens), and refuses requests of authenticated callers without one: 403.
    ///
    /// To demand one on single routes, guard them with [`transaction`](countersign_core::authz::transaction).
    #[cfg(feature = "txn")]
    pub fn transaction_tokens_required(mut self, verifier: TransactionVerifier) -> Self {
        self.settings.transactions = Some(Transactions { verifier, is_required: true });
        self
    }

    /// Takes API keys too, such as those of the crate `countersign-apikey`. They arrive in a header of their own or as bearer
    /// tokens, as the source says. A request still brings exactly one credential: a key beside a token is 400.
    ///
    /// The rules, guards and extractors treat their callers as those of tokens. An API key is never kept for outbound calls.
    ///
    /// A layer takes the keys of one source: a second one is a fault.
    pub fn api_keys(mut self, keys: impl ApiKeySource) -> Self {
        self.repeats_api_keys |= self.api_keys.is_some();
        self.settings.locations.api_key = keys.header();
        self.api_keys = Some(Arc::new(keys));
        self
    }

    /// Accepts the token in a cookie too; [`CookieToken`] describes the protection against cross-site requests.
    ///
    /// A request still brings exactly one credential: a cookie beside an `Authorization` header is 400.
    pub fn cookie(mut self, cookie: CookieToken) -> Self {
        self.settings.locations.cookie = Some(cookie);
        self
    }

    /// Accepts the token in a WebSocket handshake's subprotocols too, for browsers, which can set no header there.
    ///
    /// The page offers `bearer.` and the token beside the subprotocol that it means:
    /// `new WebSocket(url, ["chat.v1", "bearer." + token])`. Services behind the layer see only `chat.v1`, so that the token
    /// is never chosen and sent back.
    pub fn websocket_protocol(mut self) -> Self {
        self.settings.locations.protocols.prefixed = true;
        self
    }

    /// Accepts the token in a WebSocket handshake as the subprotocol after `bearer` too, as many servers take it:
    /// `new WebSocket(url, ["bearer", token])`.
    ///
    /// Services behind the layer see only `bearer` and the page's other subprotocols. If they choose none, the layer answers
    /// `bearer`, which browsers need.
    pub fn websocket_protocol_pair(mut self) -> Self {
        self.settings.locations.protocols.pair = true;
        self
    }

    /// Accepts the token in a WebSocket handshake as clients of Kubernetes write it too, as the subprotocol
    /// `base64url.bearer.authorization.k8s.io.` followed by the token in base64url.
    ///
    /// The page must offer a subprotocol beside it that the service chooses. Services behind the layer see only that one.
    pub fn websocket_protocol_kubernetes(mut self) -> Self {
        self.settings.locations.protocols.kubernetes = true;
        self
    }

    /// Accepts the token in this header too, with or without `Bearer` before it, such as `cf-access-jwt-assertion`; see
    /// [`HeaderToken`].
    ///
    /// A request still brings exactly one credential: this header beside an `Authorization` header is 400.
    ///
    /// ```
    /// use countersign::error::ConfigError;
    /// use countersign::prelude::*;
    ///
    /// fn layer(verifier: Verifier) -> Result<AuthenticateLayer, ConfigError> {
    ///     AuthenticateLayer::builder(verifier).header("cf-access-jwt-assertion").build()
    /// }
    /// # let _ = layer;
    /// ```
    pub fn header(mut self, header: impl Into<HeaderToken>) -> Self {
        self.settings.locations.header = Some(header.into());
        self
    }

    /// Does not count a `Basic` credential in the `Authorization` header, for a proxy before the service that checks it, such as
    /// that of a staging environment. Default: such a header beside a token in another location is 400.
    ///
    /// The credential lets nobody in: the request still needs a token.
    pub fn ignore_basic(mut self) -> Self {
        self.settings.locations.ignores_basic = true;
        self
    }

    pub(super) fn token_in_query(mut self) -> Self {
        self.settings.locations.query = true;
        self
    }

    /// Answers CORS preflights with `cors`, for an app whose CORS layer is behind this one.
    ///
    /// Put the CORS layer before this one: it then answers preflights itself and adds its headers to refusals too, and
    /// this is not needed. If it has to be behind, give the same layer here: browsers send preflights without a token. No
    /// handler ever sees a preflight without one.
    ///
    /// ```
    /// use countersign::error::ConfigError;
    /// use countersign::prelude::*;
    /// use tower_http::cors::CorsLayer;
    ///
    /// fn layer(verifier: Verifier, cors: &CorsLayer) -> Result<AuthenticateLayer, ConfigError> {
    ///     AuthenticateLayer::builder(verifier).preflights(cors.clone()).build()
    /// }
    /// # let _ = layer;
    /// ```
    pub fn preflights<L>(mut self, cors: L) -> Self
    where
        L: Layer<PreflightEnd>,
        L::Service:
            Service<Request<Bytes>, Response = Response<Bytes>, Error = Infallible> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request<Bytes>>>::Future: Send,
    {
        self.settings.preflights = Some(Preflights::new(&cors));
        self
    }

    /// Sets the protection space in challenges (`realm`, RFC 9110 §11.5). Default: `api`.
    ///
    /// It must be printable ASCII without quotes and backslashes (RFC 6750 §3).
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.responder = self.responder.realm(realm.into());
        self
    }

    /// Sets the address of this resource's metadata in challenges (`resource_metadata`, RFC 9728 §5.1), if another service
    /// serves the document.
    ///
    /// It must be printable ASCII without quotes and backslashes.
    pub fn resource_metadata_url(mut self, url: impl Into<String>) -> Self {
        self.responder = self.responder.resource_metadata_url(url.into());
        self
    }

    /// Names the scopes that every request needs in the challenges to callers without a valid token (`scope`, RFC 6750 §3), so
    /// that they know which to ask for. It demands none: guards do. Default: none.
    ///
    /// ```
    /// use countersign::error::ConfigError;
    /// use countersign::prelude::*;
    ///
    /// fn layer(verifier: Verifier) -> Result<AuthenticateLayer, ConfigError> {
    ///     AuthenticateLayer::builder(verifier).challenge_scopes(["orders:read"]).build()
    /// }
    /// # let _ = layer;
    /// ```
    pub fn challenge_scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let scopes: Vec<String> = scopes.into_iter().map(Into::into).collect();
        self.responder = self.responder.scopes(&scopes);
        self
    }

    /// Serves this resource's metadata (RFC 9728) to anyone at its path, and names its address in challenges.
    ///
    /// Metadata without authorization servers lists the issuers that the verifier trusts. The layer must see unknown paths:
    /// add it to the router, not as a `route_layer`; of two axum routers that are merged, add it to the one given to
    /// `merge`, whose fallback is used.
    ///
    /// ```
    /// use countersign::error::ConfigError;
    /// use countersign::prelude::*;
    /// use countersign::response::ResourceMetadata;
    ///
    /// fn layer(verifier: Verifier) -> Result<AuthenticateLayer, ConfigError> {
    ///     let metadata = ResourceMetadata::new("https://api.example.com")?.scopes(["orders:read"]);
    ///     AuthenticateLayer::builder(verifier).resource_metadata(metadata).build()
    /// }
    /// # let _ = layer;
    /// ```
    pub fn resource_metadata(mut self, mut metadata: ResourceMetadata) -> Self {
        if !metadata.names_servers() {
            let mut issuers: Vec<String> = self.verifier.issuers().map(|issuer| issuer.issuer().to_owned()).collect();
            issuers.sort_unstable();
            metadata = metadata.authorization_servers(issuers);
        }
        self.responder = self.responder.resource_metadata_url(metadata.url().to_owned());
        self.settings.metadata = Some(metadata);
        self
    }

    /// Writes the bodies of all refusals with `renderer` instead of as problems of RFC 9457; see [`Render`].
    pub fn render(mut self, renderer: impl Render) -> Self {
        self.responder = self.responder.render(renderer);
        self
    }

    /// Sets the answer of [hidden](countersign_core::authz::Requirement::hidden) resources; its status is always 404. Default:
    /// an empty one, as of a router's unknown path.
    ///
    /// Give the app's own answer to unknown paths here, if it has one, so that both are the same. Routes of
    /// [`app::protect`](crate::app::protect) use the app's fallback by themselves.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use countersign::error::ConfigError;
    /// use countersign::prelude::*;
    /// use http::{HeaderMap, Response};
    ///
    /// fn layer(verifier: Verifier) -> Result<AuthenticateLayer, ConfigError> {
    ///     let own = |_: &HeaderMap| Response::new(Bytes::from("no such page"));
    ///     AuthenticateLayer::builder(verifier).not_found(own).build()
    /// }
    /// # let _ = layer;
    /// ```
    pub fn not_found(mut self, answer: impl Fn(&HeaderMap) -> Response<Bytes> + Send + Sync + 'static) -> Self {
        self.responder = self.responder.not_found(answer);
        self
    }

    /// Adds pseudonyms of subjects to log events. Default: no event contains anything of a subject.
    ///
    /// ```
    /// use countersign::prelude::*;
    /// use countersign::{error::ConfigError, pseudonym::Pseudonyms, secret::Secret};
    ///
    /// fn layer(verifier: Verifier, key: &Secret<Vec<u8>>) -> Result<AuthenticateLayer, ConfigError> {
    ///     AuthenticateLayer::builder(verifier).log_subjects(Pseudonyms::new(key)?).build()
    /// }
    /// # let _ = layer;
    /// ```
    pub fn log_subjects(mut self, pseudonyms: Pseudonyms) -> Self {
        self.subjects = Some(pseudonyms);
        self
    }

    /// Records the decisions of this layer, and of the guards and extractors behind it; see [`audit`](crate::audit). Default: no
    /// events.
    ///
    /// ```
    /// use countersign::audit::{AuditEvents, AuditLog};
    /// use countersign::error::ConfigError;
    /// use countersign::prelude::*;
    ///
    /// fn layer(verifier: Verifier) -> Result<AuthenticateLayer, ConfigError> {
    ///     AuthenticateLayer::builder(verifier).audit(AuditLog::new("orders", AuditEvents)).build()
    /// }
    /// # let _ = layer;
    /// ```
    pub fn audit(mut self, log: AuditLog) -> Self {
        self.audit = Some(log);
        self
    }

    /// Sets how much refusals tell callers. Default: [`Detail::Coarse`].
    pub fn detail(mut self, detail: Detail) -> Self {
        self.responder = self.responder.detail(detail);
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    /// `ConfigError` with every fault, on fields `cookie`, `header` and `origins` (see [`CookieToken`] and [`HeaderToken`]), `realm`,
    /// `resource_metadata_url`, `grpc_paths`, `audit`, `revocation`, `introspection`, `api_keys`, `external_url`, `algorithms` and `max_age` of
    /// [`Dpop`], `trusted_proxies` of [`MutualTls`], `clock` of transaction tokens, and `danger`.
    pub fn build(mut self) -> Result<AuthenticateLayer, ConfigError> {
        let mut faults = self.responder.faults();
        (self.revocation, self.added_lists) = with_lists_of_policy(self.revocation.take(), &self.verifier);
        faults.extend(self.settings.locations.faults());
        if let Some(revocation) = &self.revocation {
            faults.extend(revocation.attach(self.verifier.clock()));
            if self.denies_danger() && revocation.fails_open() {
                let problem =
                    "a token of unknown status is accepted (FailOpen), and deny_danger forbids it; use FailClosed";
                faults.push(Fault::new("danger", problem));
            }
        }
        faults.extend(self.audit.iter().flat_map(|audit| audit.faults(self.denies_danger())));
        faults.extend(self.settings.mutual_tls.iter().flat_map(MutualTls::faults));
        if let Some(dpop) = self.dpop.take() {
            let (checker, found) = dpop.build(self.verifier.clock());
            faults.extend(found);
            if let Some(checker) = checker {
                let algorithms = checker.algorithms();
                if let Some(metadata) = &mut self.settings.metadata {
                    metadata.offer_dpop(&algorithms);
                }
                self.responder = self.responder.dpop(algorithms);
                self.settings.locations.dpop = true;
                self.settings.dpop = Some(Arc::new(checker));
            }
        }
        faults.extend(self.transaction_faults());
        let takes_bound = self.settings.dpop.is_some() || self.settings.mutual_tls.is_some();
        let needs_bound = self.verifier.issuers().find(|issuer| issuer.requires_proof_of_possession() && !takes_bound);
        if let Some(issuer) = needs_bound.filter(|_| faults.is_empty()) {
            let problem = format!(
                "{} demands bound tokens, and this layer takes none, so it would refuse everybody; add dpop or mutual_tls",
                issuer.issuer()
            );
            faults.push(Fault::new("proof_of_possession_required", problem));
        }
        let is_prefix = |path: &String| path.len() > 2 && path.starts_with('/') && path.ends_with('/');
        if !self.settings.grpc_paths.iter().all(is_prefix) {
            let problem = "not the prefix of a gRPC service; write /name/, which matches no other service";
            faults.push(Fault::new("grpc_paths", problem));
        }
        if self.denies_danger() && self.responder.tells_detail() {
            let problem = "callers learn why their tokens fail (Detail::Code), and deny_danger forbids it; use Coarse";
            faults.push(Fault::new("danger", problem));
        }
        #[cfg(feature = "introspection")]
        if self.repeats_introspection {
            let problem =
                "set twice, and the second would get the tokens of the first; use one layer for each endpoint";
            faults.push(Fault::new("introspection", problem));
        }
        #[cfg(feature = "introspection")]
        let introspection = {
            let unusable = Fault::new("introspection", "the client of the endpoint cannot be built");
            let built = self.introspection.as_ref().map(|it| Introspector::new(it, &self.verifier));
            built.and_then(|built| without_faults(built, unusable, &mut faults))
        };
        #[cfg(not(feature = "introspection"))]
        let introspection = None;
        if self.repeats_api_keys {
            let problem =
                "set twice, and the keys of the first would be refused; use one source, or one layer for each";
            faults.push(Fault::new("api_keys", problem));
        }
        let unusable = Fault::new("api_keys", "the source gives no keys");
        let api_keys = self.api_keys.as_ref().map(|keys| keys.for_verifier(&self.verifier));
        let api_keys = api_keys.and_then(|built| without_faults(built, unusable, &mut faults));
        ConfigError::check(faults)?;
        Ok(self.finish(introspection, api_keys))
    }

    /// Transaction tokens have the clock and the strictness of the layer.
    fn transaction_faults(&self) -> Vec<Fault> {
        let Some(transactions) = &self.settings.transactions else { return Vec::new() };
        let mut faults = Vec::new();
        if transactions.verifier.clock().id() != self.verifier.clock().id() {
            let problem =
                "the verifier of transaction tokens has another clock than that of the layer; give both the same";
            faults.push(Fault::new("clock", problem));
        }
        if self.denies_danger() && !transactions.verifier.denies_danger() {
            let problem = "the verifier of transaction tokens does not forbid weakenings as that of the layer does; add deny_danger";
            faults.push(Fault::new("danger", problem));
        }
        faults
    }

    /// The layer, whose settings have no fault.
    fn finish(self, introspection: Option<Introspector>, api_keys: Option<Arc<dyn ApiKeyCheck>>) -> AuthenticateLayer {
        let AuthenticateLayerBuilder {
            verifier, settings, responder, subjects, audit, revocation, added_lists, ..
        } = self;
        let clock = Arc::clone(verifier.clock());
        #[cfg(feature = "axum")]
        let copies_requests = audit.is_some() || responder.reads_all_headers();
        let context = LayerContext {
            verifier: verifier.clone(),
            clock,
            responder,
            samples: Samples::default(),
            audit: audit.map(|log| Arc::new(Auditor::new(log, verifier.clone(), subjects.clone()))),
            subjects,
            revocation,
            added_lists,
            introspection,
            api_keys,
            locations: settings.locations.clone(),
            transactions: settings.transactions.as_ref().map(|transactions| transactions.verifier.clone()),
            #[cfg(feature = "axum")]
            copies_requests,
            #[cfg(feature = "axum")]
            coverage: Default::default(),
        };
        AuthenticateLayer { authenticator: Arc::new(Authenticator::new(verifier, settings, context)) }
    }

    pub(super) fn denies_danger(&self) -> bool {
        self.verifier.denies_danger()
    }
}

/// A part that was built, or `None` after its faults were added: at least `unusable`.
fn without_faults<T>(built: Result<T, Vec<Fault>>, unusable: Fault, faults: &mut Vec<Fault>) -> Option<T> {
    match built {
        Ok(part) => Some(part),
        Err(found) => {
            faults.extend(if found.is_empty() { vec![unusable] } else { found });
            None
        }
    }
}
