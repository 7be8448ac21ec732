//! The layer.

use std::sync::Arc;

use tower_layer::Layer;

use super::authenticator::Authenticator;
#[cfg(feature = "axum")]
use super::public_paths::PublicPaths;
use super::service::Authenticate;
#[cfg(feature = "axum")]
use crate::response::ResourceMetadata;

/// Authenticates every request: verifies its bearer token, or answers 400, 401 or 503.
///
/// [`new`](Self::new) requires a token on every path; [`builder`](Self::builder) has all settings.
///
/// Add it last to the router: axum's `Router::layer` covers only routes that were added before it. A line in the log says so at
/// INFO; [`app::protect`](crate::app::protect) covers all.
///
/// ```
/// use axum::{Router, routing::get};
/// use countersign::prelude::*;
///
/// fn app(verifier: Verifier) -> Router {
///     Router::new()
///         .route("/orders", get(|claims: Claims| async move { format!("orders of {}", claims.subject()) }))
///         .layer(AuthenticateLayer::new(verifier))
/// }
/// # let _ = app;
/// ```
#[derive(Clone, Debug)]
pub struct AuthenticateLayer {
    pub(super) authenticator: Arc<Authenticator>,
}

#[cfg(feature = "introspection")]
impl AuthenticateLayer {
    /// The numbers of its [introspection](crate::introspect), if it has one.
    ///
    /// ```
    /// use countersign::prelude::*;
    ///
    /// fn requests_to_the_endpoint(layer: &AuthenticateLayer) -> u64 {
    ///     layer.introspection_stats().map_or(0, |stats| stats.asked)
    /// }
    /// # let _ = requests_to_the_endpoint;
    /// ```
    #[must_use]
    pub fn introspection_stats(&self) -> Option<crate::introspect::IntrospectionStats> {
        self.introspection_numbers().map(|(_, stats)| stats)
    }

    /// The same, with the issuer.
    pub(crate) fn introspection_numbers(&self) -> Option<(&str, crate::introspect::IntrospectionStats)> {
        self.authenticator.introspection().map(|it| (it.issuer(), it.stats()))
    }
}

#[cfg(feature = "status-list")]
impl AuthenticateLayer {
    /// The status lists that the layer checks because its policy names some, or may name some after a reload; for
    /// [`Metrics`](crate::metrics::Metrics), [`Health`](crate::health::Health) and reports. `None` if the layer was given
    /// [`StatusLists`](crate::status::StatusLists).
    ///
    /// ```
    /// use countersign::prelude::*;
    ///
    /// fn lists_in_memory(layer: &AuthenticateLayer) -> usize {
    ///     layer.status_lists().map_or(0, |lists| lists.stats().lists)
    /// }
    /// # let _ = lists_in_memory;
    /// ```
    #[must_use]
    pub fn status_lists(&self) -> Option<&std::sync::Arc<crate::status::StatusLists>> {
        self.authenticator.added_lists()
    }
}

impl AuthenticateLayer {
    /// The numbers of the store of used proofs, if the layer takes proofs and its store counts. [`ReplayStats`](crate::proof::ReplayStats)
    /// has an example.
    #[must_use]
    pub fn replay_stats(&self) -> Option<crate::proof::ReplayStats> {
        self.authenticator.replays()?.stats()
    }
}

/// Used by [`app::protect`](crate::app::protect).
#[cfg(feature = "axum")]
impl AuthenticateLayer {
    /// The same layer with every path public, for routes that an app lists one by one.
    pub(crate) fn with_all_paths_public(&self) -> Self {
        let authenticator = self.authenticator.with_settings(|settings| settings.public_paths = PublicPaths::All);
        AuthenticateLayer { authenticator: Arc::new(authenticator) }
    }

    /// The same layer, open to anonymous callers.
    pub(crate) fn with_anonymous_callers(&self) -> Self {
        let authenticator = self.authenticator.with_settings(|settings| settings.allows_anonymous = true);
        AuthenticateLayer { authenticator: Arc::new(authenticator) }
    }

    /// The same layer, open to anonymous callers and to those that it refuses, which counts as anonymous: for a router that
    /// hands requests back, and leaves the answer to this layer on another router.
    pub(crate) fn with_refused_callers(&self) -> Self {
        let authenticator = self.authenticator.with_settings(|settings| {
            settings.allows_anonymous = true;
            settings.forwards_refused = true;
        });
        AuthenticateLayer { authenticator: Arc::new(authenticator) }
    }

    /// The same layer, which does not keep the caller's token.
    pub(crate) fn without_caller_token(&self) -> Self {
        let authenticator = self.authenticator.with_settings(|settings| settings.keeps_token = false);
        AuthenticateLayer { authenticator: Arc::new(authenticator) }
    }

    /// Returns whether it has an audit log.
    pub(crate) fn is_audited(&self) -> bool {
        self.authenticator.is_audited()
    }

    /// Leaves out the log's line on routes that are added later: there are none.
    pub(crate) fn set_whole_app(&self) {
        self.authenticator.coverage().set_whole();
    }

    /// The paths that are public and those with optional login, as the layer lists them.
    pub(crate) fn open_paths(&self) -> (impl Iterator<Item = &str>, impl Iterator<Item = &str>) {
        let settings = self.authenticator.settings();
        (settings.public_paths.listed(), settings.optional_paths.listed())
    }

    /// Returns whether it takes transaction tokens.
    pub(crate) fn takes_transactions(&self) -> bool {
        self.authenticator.settings().transactions.is_some()
    }

    /// The path of the resource metadata, if the layer serves it.
    pub(crate) fn metadata_path(&self) -> Option<&str> {
        self.authenticator.settings().metadata.as_ref().map(ResourceMetadata::path)
    }
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Authenticate<S> {
        #[cfg(feature = "axum")]
        self.authenticator.coverage().add::<S>();
        Authenticate::new(inner, Arc::clone(&self.authenticator))
    }
}
