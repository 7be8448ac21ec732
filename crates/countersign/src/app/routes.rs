//! Routes with their access.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::middleware::from_fn;
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, MethodRouter, Route as AnyRoute, any_service, on};
use http::StatusCode;
use tower_layer::Layer;
use tower_service::Service;

use super::access::Access;
use super::hidden::{guard, hand_back, is_hidden};
use super::same_body::SameBody;
use super::table::{ANY, Route, RouteTable, below};
use crate::guard::require;

/// Routes, each with its [`Access`]; [`protect`](super::protect), which has an example, makes a router of them.
///
/// Paths have the syntax of axum (`/orders/{id}`, `/files/{*path}`), and a path may have several methods.
///
/// # Panics
/// As axum's router during set-up: if a path is malformed, or a method of a path is added twice.
#[must_use = "pass the routes to `protect` to serve them"]
pub struct Routes<S = ()> {
    pub(super) closed: Router<S>,
    pub(super) optional: Router<S>,
    pub(super) open: Router<S>,
    /// Routes that answer as unknown paths do, with their paths.
    pub(super) hidden: Router<S>,
    pub(super) hidden_paths: BTreeSet<String>,
    table: RouteTable,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// Creates an empty set of routes. Unknown paths are answered with 401, and with 404 if the caller has a token.
    pub fn new() -> Self {
        Routes {
            closed: Router::new().fallback(|| async { StatusCode::NOT_FOUND }),
            optional: Router::new(),
            open: Router::new(),
            hidden: Router::new().fallback(hand_back),
            hidden_paths: BTreeSet::new(),
            table: RouteTable::default(),
        }
    }

    /// Adds a handler for `GET` and `HEAD`.
    pub fn get<H: Handler<T, S>, T: 'static>(self, path: &str, access: impl Into<Access>, handler: H) -> Self {
        self.route("GET", path, access.into(), on(MethodFilter::GET, handler))
    }

    /// Adds a handler for `POST`.
    pub fn post<H: Handler<T, S>, T: 'static>(self, path: &str, access: impl Into<Access>, handler: H) -> Self {
        self.route("POST", path, access.into(), on(MethodFilter::POST, handler))
    }

    /// Adds a handler for `PUT`.
    pub fn put<H: Handler<T, S>, T: 'static>(self, path: &str, access: impl Into<Access>, handler: H) -> Self {
        self.route("PUT", path, access.into(), on(MethodFilter::PUT, handler))
    }

    /// Adds a handler for `PATCH`.
    pub fn patch<H: Handler<T, S>, T: 'static>(self, path: &str, access: impl Into<Access>, handler: H) -> Self {
        self.route("PATCH", path, access.into(), on(MethodFilter::PATCH, handler))
    }

    /// Adds a handler for `DELETE`.
    pub fn delete<H: Handler<T, S>, T: 'static>(self, path: &str, access: impl Into<Access>, handler: H) -> Self {
        self.route("DELETE", path, access.into(), on(MethodFilter::DELETE, handler))
    }

    /// Adds a tower service for every method of the path, such as one that serves files.
    pub fn service<T>(self, path: &str, access: impl Into<Access>, service: T) -> Self
    where
        T: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        T::Response: IntoResponse,
        T::Future: Send + 'static,
    {
        self.route(ANY, path, access.into(), any_service(service))
    }

    /// Adds `routes` below `prefix`.
    pub fn nest(mut self, prefix: &str, routes: Routes<S>) -> Self {
        // Without the nested routes' own fallback, of which there can be only one.
        self.closed = self.closed.nest(prefix, routes.closed.reset_fallback());
        self.optional = self.optional.nest(prefix, routes.optional);
        self.open = self.open.nest(prefix, routes.open);
        self.hidden = self.hidden.nest(prefix, routes.hidden.reset_fallback());
        self.hidden_paths.extend(routes.hidden_paths.iter().map(|path| below(prefix, path)));
        self.table.extend(routes.table.below(prefix));
        self
    }

    /// Adds a plain router below `prefix`. All its routes need a token; the table shows them as one.
    pub fn nest_router(mut self, prefix: &str, router: Router<S>) -> Self {
        self.closed = self.closed.nest(prefix, router);
        let path = format!("{}/{{*rest}}", prefix.trim_end_matches('/'));
        self.table.push(Route::new(ANY, path, Access::Authenticated));
        self
    }

    /// Adds the routes of `other`.
    pub fn merge(mut self, other: Routes<S>) -> Self {
        self.closed = self.closed.merge(other.closed.reset_fallback());
        self.optional = self.optional.merge(other.optional);
        self.open = self.open.merge(other.open);
        self.hidden = self.hidden.merge(other.hidden.reset_fallback());
        self.hidden_paths.extend(other.hidden_paths);
        self.table.extend(other.table);
        self
    }

    /// Sets the handler for unknown paths, for callers with a token.
    pub fn fallback<H: Handler<T, S>, T: 'static>(mut self, handler: H) -> Self {
        self.closed = self.closed.fallback(handler);
        self
    }

    /// Wraps all routes so far in a layer that runs after authentication and before the guards.
    ///
    /// Of a hidden route it sees only requests with a verified token. If it answers such a request itself, it must answer all
    /// paths alike: the header `Allow` that axum adds on a path with other methods would be missing for a hidden method.
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<AnyRoute> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.closed = self.closed.layer(layer.clone());
        self.optional = self.optional.layer(layer.clone());
        self.open = self.open.layer(layer.clone());
        self.hidden = self.hidden.layer(layer);
        self
    }

    /// Sets the state of the handlers.
    pub fn with_state<S2: Clone + Send + Sync + 'static>(self, state: S) -> Routes<S2> {
        Routes {
            closed: self.closed.with_state(state.clone()),
            optional: self.optional.with_state(state.clone()),
            open: self.open.with_state(state.clone()),
            hidden: self.hidden.with_state(state),
            hidden_paths: self.hidden_paths,
            table: self.table,
        }
    }

    /// The routes so far.
    #[must_use]
    pub fn table(&self) -> &RouteTable {
        &self.table
    }

    pub(super) fn route(mut self, method: &'static str, path: &str, access: Access, handler: MethodRouter<S>) -> Self {
        match &access {
            Access::Public => self.open = self.open.route(path, handler),
            Access::Optional => self.optional = self.optional.route(path, handler),
            Access::Authenticated => self.closed = self.closed.route(path, handler),
            Access::Required(requirement) if is_hidden(requirement) => {
                let requirement = requirement.clone();
                let guard = from_fn(move |request, next| guard(requirement.clone(), request, next));
                let guarded = if method == ANY { handler.layer(guard) } else { handler.route_layer(guard) };
                self.hidden = self.hidden.route(path, guarded);
                self.hidden_paths.insert(path.to_owned());
            }
            Access::Required(requirement) => {
                let guard = SameBody(require(requirement.clone()));
                // As a `layer`, the guard would apply this method's requirement to the other methods too.
                let guarded = if method == ANY { handler.layer(guard) } else { handler.route_layer(guard) };
                self.closed = self.closed.route(path, guarded);
            }
        }
        self.table.push(Route::new(method, path.to_owned(), access));
        self
    }
}

/// All routes of a plain router, with its own fallback: each needs a token. `protect` takes such a router as it is.
impl<S: Clone + Send + Sync + 'static> From<Router<S>> for Routes<S> {
    fn from(router: Router<S>) -> Self {
        Routes { closed: router, ..Routes::new() }
    }
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> fmt::Debug for Routes<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("table", &self.table).finish_non_exhaustive()
    }
}
