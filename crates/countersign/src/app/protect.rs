//! The authenticator around a whole app.

use std::fmt;

use axum::Router;

use super::access::Access;
use super::routes::Routes;
use super::table::{Route, RouteTable};
use crate::authenticate::AuthenticateLayer;

/// Closes a whole app: every route, and every path that is no route, needs a token, but for routes that say
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
    let open = routes.open.layer(layer.clone().public_everywhere());
    let optional = routes.optional.layer(layer.clone().allow_anonymous());
    // Merged last, its answers to unknown paths and methods are the ones that count.
    let closed = routes.closed.layer(layer);
    Protected { router: open.merge(optional).merge(closed), table }
}

/// An app that is closed, and the table of its routes.
#[must_use = "it answers nothing until it is made a router"]
pub struct Protected<S = ()> {
    router: Router<S>,
    table: RouteTable,
}

impl<S> Protected<S> {
    /// Every route and who may call it.
    #[must_use]
    pub fn table(&self) -> &RouteTable {
        &self.table
    }

    /// The router to serve. Layers added to it stand before the authenticator (CORS, tracing, limits); routes added to it
    /// are not covered.
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
