//! The layer and its settings.

use std::sync::Arc;

use countersign_core::verify::Verifier;
use tower_layer::Layer;

use super::caller::Shared;
use super::public::PublicPaths;
use super::service::Authenticate;
use crate::response::{Answers, Detail};

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
    pub(super) keeps_token: bool,
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
            keeps_token: false,
            shared: Arc::new(Shared { clock, answers: Answers::default() }),
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

    /// Names the protection space in challenges (`realm`, RFC 9110 §11.5).
    ///
    /// Characters that a challenge cannot hold (quotes, backslashes, anything but printable ASCII) are left out.
    #[must_use]
    pub fn realm(self, realm: &str) -> Self {
        self.with_answers(|answers| answers.realm(realm))
    }

    /// Names the address of this resource's metadata in challenges (`resource_metadata`, RFC 9728 §5.1).
    #[must_use]
    pub fn resource_metadata(self, url: &str) -> Self {
        self.with_answers(|answers| answers.resource_metadata(url))
    }

    /// How much callers are told about refusals. Default: [`Detail::Coarse`].
    #[must_use]
    pub fn detail(self, detail: Detail) -> Self {
        self.with_answers(|answers| answers.detail(detail))
    }

    fn with_answers(mut self, change: impl FnOnce(Answers) -> Answers) -> Self {
        let Shared { clock, answers } = &*self.shared;
        self.shared = Arc::new(Shared { clock: Arc::clone(clock), answers: change(answers.clone()) });
        self
    }
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Authenticate<S> {
        Authenticate::new(inner, self.clone())
    }
}
