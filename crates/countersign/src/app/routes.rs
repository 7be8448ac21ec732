//! Routes that remember themselves.

use std::convert::Infallible;
use std::fmt;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, MethodRouter, Route as AnyRoute, any_service, on};
use http::StatusCode;
use tower_layer::Layer;
use tower_service::Service;

use super::access::Access;
use super::table::{ANY, Route, RouteTable};
use crate::guard::require;

/// Routes, each with who may call it; [`protect`](super::protect) makes a router of them.
///
/// Paths are written as axum's are (`/orders/{id}`, `/files/{*path}`), and a path may have several methods.
///
/// # Panics
/// As axum's router does while it is set up: where a path is malformed, or a method of a path is given twice.
#[must_use = "routes answer nothing until they are given to `protect`"]
pub struct Routes<S = ()> {
    pub(super) closed: Router<S>,
    pub(super) optional: Router<S>,
    pub(super) open: Router<S>,
    table: RouteTable,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes; any other path is answered 401, or 404 to those who have a token.
    pub fn new() -> Self {
        Routes {
            closed: Router::new().fallback(|| async { StatusCode::NOT_FOUND }),
            optional: Router::new(),
            open: Router::new(),
            table: RouteTable::default(),
        }
    }

    /// Answers `GET`, and `HEAD` with it.
    pub fn get<H: Handler<T, S>, T: 'static>(self, path: &str, access: impl Into<Access>, handler: H) -> Self {
        self.route("GET", path, access.into(), on(MethodFilter::GET, handler))
    }

    /// Answers `POST`.
    pub fn post<H: Handler<T, S>, T: 'static>(self, path: &str, access: impl Into<Access>, handler: H) -> Self {
        self.route("POST", path, access.into(), on(MethodFilter::POST, handler))
    }

    /// Answers `PUT`.
    pub fn put<H: Handler<T, S>, T: 'static>(self, path: &str, access: impl Into<Access>, handler: H) -> Self {
        self.route("PUT", path, access.into(), on(MethodFilter::PUT, handler))
    }

    /// Answers `PATCH`.
    pub fn patch<H: Handler<T, S>, T: 'static>(self, path: &str, access: impl Into<Access>, handler: H) -> Self {
        self.route("PATCH", path, access.into(), on(MethodFilter::PATCH, handler))
    }

    /// Answers `DELETE`.
    pub fn delete<H: Handler<T, S>, T: 'static>(self, path: &str, access: impl Into<Access>, handler: H) -> Self {
        self.route("DELETE", path, access.into(), on(MethodFilter::DELETE, handler))
    }

    /// Hands every method of the path to a tower service, such as a folder of files.
    pub fn service<T>(self, path: &str, access: impl Into<Access>, service: T) -> Self
    where
        T: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        T::Response: IntoResponse,
        T::Future: Send + 'static,
    {
        self.route(ANY, path, access.into(), any_service(service))
    }

    /// Puts `routes` beneath `prefix`.
    pub fn nest(mut self, prefix: &str, routes: Routes<S>) -> Self {
        // The nested routes' own answer to unknown paths would be a second one.
        self.closed = self.closed.nest(prefix, routes.closed.reset_fallback());
        self.optional = self.optional.nest(prefix, routes.optional);
        self.open = self.open.nest(prefix, routes.open);
        self.table.extend(routes.table.beneath(prefix));
        self
    }

    /// Puts a plain router beneath `prefix`: all of it needs a token, and its routes do not show in the table one by one.
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
        self.table.extend(other.table);
        self
    }

    /// Answers callers with a token who ask for an unknown path.
    pub fn fallback<H: Handler<T, S>, T: 'static>(mut self, handler: H) -> Self {
        self.closed = self.closed.fallback(handler);
        self
    }

    /// Wraps all routes so far in a layer that stands behind the authenticator and before the guards.
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
        self.open = self.open.layer(layer);
        self
    }

    /// Gives the handlers their state.
    pub fn with_state<S2: Clone + Send + Sync + 'static>(self, state: S) -> Routes<S2> {
        Routes {
            closed: self.closed.with_state(state.clone()),
            optional: self.optional.with_state(state.clone()),
            open: self.open.with_state(state),
            table: self.table,
        }
    }

    /// The routes so far.
    #[must_use]
    pub fn table(&self) -> &RouteTable {
        &self.table
    }

    fn route(mut self, method: &'static str, path: &str, access: Access, handler: MethodRouter<S>) -> Self {
        match &access {
            Access::Public => self.open = self.open.route(path, handler),
            Access::Optional => self.optional = self.optional.route(path, handler),
            Access::Authenticated => self.closed = self.closed.route(path, handler),
            Access::Required(requirement) => {
                let guard = require(requirement.clone());
                // A guard before the answer to other methods would ask for what is this method's requirement alone.
                let guarded = if method == ANY { handler.layer(guard) } else { handler.route_layer(guard) };
                self.closed = self.closed.route(path, guarded);
            }
        }
        self.table.push(Route::new(method, path.to_owned(), access));
        self
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
