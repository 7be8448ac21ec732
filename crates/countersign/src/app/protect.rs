//! The authentication layer around an app.

use std::convert::Infallible;
use std::fmt;
use std::future::Ready;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{IntoMakeService, Route as AnyRoute, any};
use axum::serve::{IncomingStream, Listener};
use countersign_core::error::ConfigError;
use tower_layer::Layer;
use tower_service::Service;

use super::access::Access;
use super::hidden::{Routers, Stateful, hand_back, verified_only};
use super::routes::Routes;
use super::same_body::SameBody;
use super::table::{ANY, Route, RouteTable};
use crate::authenticate::AuthenticateLayer;
use crate::telemetry;

/// Protects an app: every route and every unknown path needs a token, except routes with
/// [`Access::Public`](super::Access::Public) or [`Access::Optional`](super::Access::Optional).
///
/// To callers that may not use it, a [hidden](countersign_core::authz::Requirement::hidden) route answers as a path that
/// does not exist, byte for byte: with the app's own fallback, for every method, with or without a token.
///
/// `app` is [`Routes`], or a plain [`Router`] with state, nests and fallbacks. All routes of a plain router are closed, except
/// paths that the layer lists as [`public`](crate::authenticate::AuthenticateLayerBuilder::public) or
/// [`optional`](crate::authenticate::AuthenticateLayerBuilder::optional). The result takes no more routes, so that none is
/// added behind the layer's back:
///
/// ```
/// use axum::{Router, routing::get};
/// use countersign::app::protect;
/// use countersign::error::ConfigError;
/// use countersign::prelude::*;
///
/// async fn serve(router: Router, verifier: Verifier) -> Result<(), Box<dyn std::error::Error>> {
///     let layer = AuthenticateLayer::builder(verifier).public(["/health"]).optional(["/catalog"]).build()?;
///     let app = protect(router, layer);
///     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
///     Ok(axum::serve(listener, app).await?)
/// }
/// # let _ = serve;
/// ```
///
/// `authenticator` is a verifier, or an [`AuthenticateLayer`] with settings of its own. A requirement that names a path
/// parameter which its route does not have is logged at ERROR and refuses every caller; [`try_protect`] returns it as an error.
/// The routes that need no token are logged at INFO, so that one that is open by mistake is seen at start.
///
/// ```
/// use countersign::app::{Access, Protected, Routes, protect};
/// use countersign::prelude::*;
///
/// fn app(verifier: Verifier) -> Protected {
///     let routes = Routes::new()
///         .get("/orders", scope("orders:read"), |claims: Claims| async move { claims.subject().to_owned() })
///         .post("/orders", scope("orders:write"), || async { "created" })
///         .get("/health", Access::Public, || async { "ok" });
///     let app = protect(routes, verifier);
///     println!("{}", app.table());
///     app
/// }
/// # let issuer = countersign_test::TestIssuer::new();
/// # app(issuer.verifier_for("orders"));
/// ```
pub fn protect<S>(app: impl Into<Routes<S>>, authenticator: impl Into<AuthenticateLayer>) -> Protected<S>
where
    S: Clone + Send + Sync + 'static,
{
    let (routes, layer) = (app.into(), authenticator.into());
    if let Err(error) = routes.table().check_for(&layer) {
        telemetry::faulty_routes(&error);
    }
    wrapped(routes, layer)
}

/// As [`protect`], for an app that must not start with a faulty table of routes.
///
/// ```
/// use countersign::app::{Protected, Routes, try_protect};
/// use countersign::error::ConfigError;
/// use countersign::prelude::*;
///
/// fn app(verifier: Verifier) -> Result<Protected, ConfigError> {
///     let routes = Routes::new().get("/{tenant}/orders", tenant_in_path("tennant"), || async { "orders" });
///     try_protect(routes, verifier)
/// }
/// # let issuer = countersign_test::TestIssuer::new();
/// let error = app(issuer.verifier_for("orders")).unwrap_err();
/// assert!(error.to_string().contains("{tennant}") && error.to_string().contains("{tenant}"), "{error}");
/// ```
///
/// # Errors
/// `ConfigError` with every requirement that names a path parameter which its route does not have
/// ([`RouteTable::check_config`]), and every one that reads transactions if the layer takes none.
pub fn try_protect<S>(
    app: impl Into<Routes<S>>,
    authenticator: impl Into<AuthenticateLayer>,
) -> Result<Protected<S>, ConfigError>
where
    S: Clone + Send + Sync + 'static,
{
    let (routes, layer) = (app.into(), authenticator.into());
    routes.table().check_for(&layer)?;
    Ok(wrapped(routes, layer))
}

fn wrapped<S>(routes: Routes<S>, layer: AuthenticateLayer) -> Protected<S>
where
    S: Clone + Send + Sync + 'static,
{
    layer.set_whole_app();
    // Of the routes themselves: the paths that the layer opens are no routes.
    let routed = routes.table().clone();
    let mut table = routed.clone();
    let (public, optional) = layer.open_paths();
    let optional: Vec<&str> = optional.collect();
    let public = public.filter(|path| !optional.contains(path)).map(|path| (path, Access::Public));
    for (path, access) in public.chain(optional.iter().map(|path| (*path, Access::Optional))) {
        table.push(Route::new(ANY, path.to_owned(), access));
    }
    if let Some(path) = layer.metadata_path() {
        table.push(Route::new("GET", path.to_owned(), Access::Public));
    }
    let listed = table.public().map(|route| format!("{} {} ({})", route.method(), route.path(), route.access().kind()));
    telemetry::open_routes(&listed.collect::<Vec<_>>());
    let open = routes.open.layer(SameBody(layer.with_all_paths_public()));
    let optional = routes.optional.layer(SameBody(layer.with_anonymous_callers()));
    let has_all_methods = |path: &str| routed.iter().any(|route| route.path() == path && route.method() == ANY);
    let without_all_methods = routes.hidden_paths.iter().filter(|path| !has_all_methods(path));
    let hidden = without_all_methods.fold(routes.hidden.clone(), |hidden, path| hidden.route(path, any(hand_back)));
    let hidden = hidden.layer(from_fn(verified_only)).layer(SameBody(layer.with_refused_callers()));
    let open = open.merge(optional);
    // Merged last, so that its answers to unknown paths and methods are used.
    let others_verified = open.clone().merge(routes.closed.clone());
    let others = open.merge(routes.closed.layer(SameBody(layer)));
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
///
/// `axum::serve` takes it, `Router::nest_service` too, and as a tower service it can be tested. It takes no more
/// routes. A route that needs no token has [`Access::Public`]; a router that is open as a whole can `merge` a protected app.
#[derive(Clone)]
#[must_use = "serve it"]
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

    /// Wraps the app in a layer that runs before authentication (CORS, tracing, limits).
    pub fn layer<L>(self, layer: L) -> Self
    where
        S: Clone + Send + Sync + 'static,
        L: Layer<AnyRoute> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        Protected { router: self.router.layer(layer), table: self.table }
    }

    /// Sets the state of the handlers.
    pub fn with_state<S2>(self, state: S) -> Protected<S2>
    where
        S: Clone + Send + Sync + 'static,
    {
        Protected { router: self.router.with_state(state), table: self.table }
    }
}

impl Protected {
    /// A service for servers other than `axum::serve`.
    #[must_use]
    pub fn into_make_service(self) -> IntoMakeService<Router> {
        self.router.into_make_service()
    }

    /// A service for `axum::serve` that records the address of the client, or other data of its connection.
    #[must_use]
    pub fn into_make_service_with_connect_info<C>(self) -> IntoMakeServiceWithConnectInfo<Router, C> {
        self.router.into_make_service_with_connect_info()
    }
}

impl Service<Request> for Protected {
    type Response = Response;
    type Error = Infallible;
    type Future = <Router as Service<Request>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(())) // as the router
    }

    fn call(&mut self, request: Request) -> Self::Future {
        Service::<Request>::call(&mut self.router, request)
    }
}

/// Makes the service of a connection, for `axum::serve`.
impl<L: Listener> Service<IncomingStream<'_, L>> for Protected {
    type Response = Router;
    type Error = Infallible;
    type Future = Ready<Result<Router, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, stream: IncomingStream<'_, L>) -> Self::Future {
        Service::<IncomingStream<'_, L>>::call(&mut self.router, stream)
    }
}

/// For `Router::merge` and `Router::nest`. Routes that are added to a plain router need no token, and the log says so at INFO;
/// serve the app itself instead.
impl<S> From<Protected<S>> for Router<S> {
    fn from(protected: Protected<S>) -> Self {
        telemetry::app_left_open();
        protected.router
    }
}

impl<S> fmt::Debug for Protected<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protected").field("table", &self.table).finish_non_exhaustive()
    }
}
