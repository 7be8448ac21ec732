//! The authentication layer around an app.

use std::fmt;

use axum::Router;

use super::access::Access;
use super::routes::Routes;
use super::table::{Route, RouteTable};
use crate::authenticate::AuthenticateLayer;

/// Protects an app: every route and every unknown path needs a token, except routes with
/// [`Access::Public`](super::Access::Public) or [`Access::Optional`](super::Access::Optional).
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
    // Merged last, so that its answers to unknown paths and methods are used.
    let closed = routes.closed.layer(layer);
    Protected { router: open.merge(optional).merge(closed), table }
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
