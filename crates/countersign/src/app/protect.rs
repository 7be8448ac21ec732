//! The authentication layer around an app.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::routing::any;

use super::access::Access;
use super::hidden::{Routers, Stateful, hand_back};
use super::routes::Routes;
use super::table::{ANY, Route, RouteTable};
use crate::authenticate::AuthenticateLayer;

/// Protects an app: every route and every unknown path needs a token, except routes with
/// [`Access::Public`](super::Access::Public) or [`Access::Optional`](super::Access::Optional).
///
/// To callers that may not use it, a [hidden](countersign_core::authz::Requirement::hidden) route answers as a path that
/// does not exist, byte for byte: with the app's own fallback, for every method, with or without a token.
///
/// `authenticator` is a verifier, or an [`AuthenticateLayer`] with settings of its own.
///
/// ```
/// use countersign::app::{Access, Routes, protect};
/// use countersign::prelude::*;
///
/// fn app(verifier: Verifier) -> axum::Router {
///     let routes = Routes::new()
///         .get("/orders", scope("orders:read"), |claims: Claims| async move { claims.subject().to_owned() })
///         .post("/orders", scope("orders:write"), || async { "created" })
///         .get("/health", Access::Public, || async { "ok" });
///     let app = protect(routes, verifier);
///     println!("{}", app.table());
///     app.into_router()
/// }
/// # let issuer = countersign_test::TestIssuer::new();
/// # app(issuer.verifier_for("orders"));
/// ```
pub fn protect<S>(routes: Routes<S>, authenticator: impl Into<AuthenticateLayer>) -> Protected<S>
where
    S: Clone + Send + Sync + 'static,
{
    let layer = authenticator.into();
    let mut table = routes.table().clone();
    if let Some(path) = layer.metadata_path() {
        table.push(Route::new("GET", path.to_owned(), Access::Public));
    }
    let open = routes.open.layer(layer.with_all_paths_public());
    let optional = routes.optional.layer(layer.with_anonymous_callers());
    let has_all_methods = |path: &str| table.iter().any(|route| route.path() == path && route.method() == ANY);
    let without_all_methods = routes.hidden_paths.iter().filter(|path| !has_all_methods(path));
    let hidden = without_all_methods.fold(routes.hidden.clone(), |hidden, path| hidden.route(path, any(hand_back)));
    let hidden = hidden.layer(layer.with_refused_callers());
    let open = open.merge(optional);
    // Merged last, so that its answers to unknown paths and methods are used.
    let others_verified = open.clone().merge(routes.closed.clone());
    let others = open.merge(routes.closed.layer(layer));
    let mut router = others.clone();
    if !routes.hidden_paths.is_empty() {
        let routers = Arc::new(Routers {
            hidden: Stateful::new(hidden),
            others_verified: Stateful::new(others_verified),
            others: Stateful::new(others),
        });
        for path in &routes.hidden_paths {
            router = router.route(path, routers.method_router(path));
        }
    }
    Protected { router, table }
}

/// A protected app with the table of its routes; created by [`protect`], which has an example.
#[must_use = "convert it into a router to serve it"]
pub struct Protected<S = ()> {
    router: Router<S>,
    table: RouteTable,
}

impl<S> Protected<S> {
    /// Every route with its access.
    #[must_use]
    pub fn table(&self) -> &RouteTable {
        &self.table
    }

    /// The router to serve. Layers added to it run before authentication (CORS, tracing, limits). Routes added to it are not
    /// protected.
    pub fn into_router(self) -> Router<S> {
        self.router
    }
}

impl<S> From<Protected<S>> for Router<S> {
    fn from(protected: Protected<S>) -> Self {
        protected.router
    }
}

impl<S> fmt::Debug for Protected<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protected").field("table", &self.table).finish_non_exhaustive()
    }
}
