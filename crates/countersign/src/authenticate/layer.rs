//! The layer and its settings.

use std::sync::Arc;

use countersign_core::error::ConfigError;
use countersign_core::policy::TrustedIssuer;
use countersign_core::pseudonym::Pseudonyms;
use countersign_core::verify::Verifier;
use tower_layer::Layer;

use super::caller::Shared;
use super::place::{CookieToken, Places};
use super::public::PublicPaths;
use super::service::Authenticate;
use crate::response::{Answers, Detail, Render, ResourceMetadata, is_quotable};
use crate::revocation::Revocation;
use crate::telemetry::Samples;

/// Authenticates every request: verifies its bearer token, or answers 400, 401 or 503.
///
/// Put it last on the router: axum's `Router::layer` covers only routes that were added before it.
///
/// ```
/// use axum::{Router, routing::get};
/// use countersign::prelude::*;
///
/// fn app(verifier: Verifier) -> Router {
///     Router::new()
///         .route("/orders", get(|claims: Claims| async move { format!("orders of {}", claims.subject()) }))
///         .route("/health", get(|| async { "ok" }))
///         .layer(AuthenticateLayer::new(verifier).public(["/health"]))
/// }
/// # let _ = app;
/// ```
#[derive(Clone, Debug)]
pub struct AuthenticateLayer {
    pub(super) verifier: Verifier,
    pub(super) public: Arc<PublicPaths>,
    pub(super) allows_anonymous: bool,
    pub(super) passes_preflights: bool,
    pub(super) keeps_token: bool,
    pub(super) revocation: Option<Revocation>,
    pub(super) metadata: Option<Arc<ResourceMetadata>>,
    pub(super) places: Arc<Places>,
    pub(super) shared: Arc<Shared>,
}

impl AuthenticateLayer {
    /// Requires a token that `verifier` accepts, on every path.
    #[must_use]
    pub fn new(verifier: Verifier) -> Self {
        let clock = Arc::clone(verifier.clock());
        AuthenticateLayer {
            verifier,
            public: Arc::default(),
            allows_anonymous: false,
            passes_preflights: false,
            keeps_token: false,
            revocation: None,
            metadata: None,
            places: Arc::default(),
            shared: Arc::new(Shared {
                clock,
                answers: Answers::default(),
                samples: Samples::default(),
                subjects: None,
            }),
        }
    }

    /// Lets these paths through without a token: the whole path, letter by letter, before any decoding.
    ///
    /// A token that is sent there anyway is not looked at.
    #[must_use]
    pub fn public(mut self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Arc::make_mut(&mut self.public).add(paths);
        self
    }

    /// Every path is public: for routes that an app names so one by one.
    #[cfg(feature = "axum")]
    pub(crate) fn public_everywhere(mut self) -> Self {
        self.public = Arc::new(PublicPaths::Every);
        self
    }

    /// Lets requests without any token through as anonymous; a bad token is refused all the same.
    ///
    /// Guards refuse anonymous callers; `Option<Claims>` tells a handler.
    #[must_use]
    pub fn allow_anonymous(mut self) -> Self {
        self.allows_anonymous = true;
        self
    }

    /// Keeps the caller's token with the request, as [`CallerToken`](super::CallerToken), so that a handler can act on
    /// the caller's behalf.
    #[must_use]
    pub fn keep_caller_token(mut self) -> Self {
        self.keeps_token = true;
        self
    }

    /// Asks at each request whether its token was revoked, of tokens found in the cache too.
    ///
    /// See [`revocation`](crate::revocation) for what is built in, and for the posture where nobody can tell.
    #[must_use]
    pub fn revocation(mut self, revocation: impl Into<Revocation>) -> Self {
        self.revocation = Some(revocation.into());
        self
    }

    /// Takes the token from a cookie too; see [`CookieToken`] for the rule against requests that other sites cause.
    ///
    /// Exactly one credential a request still holds: a cookie beside an `Authorization` header is 400.
    #[must_use]
    pub fn cookie(mut self, cookie: CookieToken) -> Self {
        Arc::make_mut(&mut self.places).cookie = Some(cookie);
        self
    }

    /// Takes the token from a WebSocket handshake's subprotocols too, for browsers, which can set no header there.
    ///
    /// The page offers `bearer.` and the token beside the subprotocol that it means:
    /// `new WebSocket(url, ["chat.v1", "bearer." + token])`. What is behind the layer sees `chat.v1` alone, so that the token
    /// is never chosen and sent back.
    #[must_use]
    pub fn websocket_protocol(mut self) -> Self {
        Arc::make_mut(&mut self.places).websocket_protocol = true;
        self
    }

    pub(super) fn with_query(mut self) -> Self {
        Arc::make_mut(&mut self.places).query = true;
        self
    }

    /// Lets CORS preflights through without a token; for a CORS layer that stands behind this one.
    ///
    /// Where it stands before this layer, as it should, it answers preflights itself, and this is not needed. Nothing
    /// but a CORS layer stops a preflight that is let through: a handler for any method or `OPTIONS` would run.
    #[must_use]
    pub fn pass_preflights(mut self) -> Self {
        self.passes_preflights = true;
        self
    }

    /// Names the protection space in challenges (`realm`, RFC 9110 §11.5). Default: `api`.
    ///
    /// # Errors
    /// `ConfigError` on field `realm` where a challenge cannot hold it: quotes, backslashes, anything but printable
    /// ASCII (RFC 6750 §3).
    pub fn realm(self, realm: &str) -> Result<Self, ConfigError> {
        quotable("realm", realm)?;
        Ok(self.with_answers(|answers| answers.realm(realm)))
    }

    /// Names the address of this resource's metadata in challenges (`resource_metadata`, RFC 9728 §5.1).
    ///
    /// # Errors
    /// `ConfigError` on field `resource_metadata` where a challenge cannot hold it.
    pub fn resource_metadata_url(self, url: &str) -> Result<Self, ConfigError> {
        quotable("resource_metadata", url)?;
        Ok(self.with_answers(|answers| answers.resource_metadata(url)))
    }

    /// Answers this resource's metadata (RFC 9728) to anyone who asks at its path, and names its address in challenges.
    ///
    /// Where it names no authorization servers, they are the issuers that the verifier trusts. The layer must stand where
    /// unknown paths come by: on the router, not as a `route_layer`; of two axum routers that are merged, on the one given to
    /// `merge`, whose fallback is the one that stays.
    ///
    /// ```
    /// use countersign::prelude::*;
    /// use countersign::response::ResourceMetadata;
    ///
    /// # fn layer(verifier: Verifier) -> Result<AuthenticateLayer, countersign::error::ConfigError> {
    /// let metadata = ResourceMetadata::new("https://api.example.com")?.scopes(["orders:read"]);
    /// Ok(AuthenticateLayer::new(verifier).resource_metadata(metadata))
    /// # }
    /// ```
    #[must_use]
    pub fn resource_metadata(mut self, mut metadata: ResourceMetadata) -> Self {
        if !metadata.names_servers() {
            let mut issuers: Vec<&str> = self.verifier.issuers().map(TrustedIssuer::issuer).collect();
            issuers.sort_unstable();
            metadata = metadata.authorization_servers(issuers);
        }
        self = self.with_answers(|answers| answers.resource_metadata(metadata.url()));
        self.metadata = Some(Arc::new(metadata));
        self
    }

    /// The path at which the layer answers metadata, if it does.
    #[cfg(feature = "axum")]
    pub(crate) fn metadata_path(&self) -> Option<&str> {
        self.metadata.as_ref().map(|metadata| metadata.path())
    }

    /// Writes the bodies of all refusals by `renderer` instead of as problems of RFC 9457; see [`Render`].
    #[must_use]
    pub fn render(self, renderer: impl Render) -> Self {
        self.with_answers(|answers| answers.render(renderer))
    }

    /// Tells callers apart in the log by pseudonyms of their subjects; without it, no event holds anything of a subject.
    ///
    /// ```
    /// use countersign::prelude::*;
    /// use countersign::{error::ConfigError, pseudonym::Pseudonyms, secret::Secret};
    ///
    /// fn layer(verifier: Verifier, key: &Secret<Vec<u8>>) -> Result<AuthenticateLayer, ConfigError> {
    ///     Ok(AuthenticateLayer::new(verifier).log_subjects(Pseudonyms::new(key)?))
    /// }
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn log_subjects(mut self, pseudonyms: Pseudonyms) -> Self {
        let Shared { clock, answers, .. } = &*self.shared;
        let (clock, answers) = (Arc::clone(clock), answers.clone());
        self.shared = Arc::new(Shared { clock, answers, samples: Samples::default(), subjects: Some(pseudonyms) });
        self
    }

    /// How much callers are told about refusals. Default: [`Detail::Coarse`].
    #[must_use]
    pub fn detail(self, detail: Detail) -> Self {
        self.with_answers(|answers| answers.detail(detail))
    }

    fn with_answers(mut self, change: impl FnOnce(Answers) -> Answers) -> Self {
        let Shared { clock, answers, subjects, .. } = &*self.shared;
        let (clock, answers, subjects) = (Arc::clone(clock), change(answers.clone()), subjects.clone());
        self.shared = Arc::new(Shared { clock, answers, samples: Samples::default(), subjects });
        self
    }
}

/// All settings at their defaults.
impl From<Verifier> for AuthenticateLayer {
    fn from(verifier: Verifier) -> Self {
        AuthenticateLayer::new(verifier)
    }
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Authenticate<S> {
        Authenticate::new(inner, self.clone())
    }
}

/// What a challenge cannot hold is a fault of set-up, not something to be left out in silence (S5.12).
fn quotable(field: &'static str, text: &str) -> Result<(), ConfigError> {
    let fault = "a challenge holds only printable ASCII without quotes and backslashes, and it must not be empty";
    if is_quotable(text) { Ok(()) } else { Err(ConfigError::new(field, fault)) }
}
