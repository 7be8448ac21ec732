//! Hidden routes: to callers that may not use them, the app answers as if they did not exist.
//!
//! They are in a router of their own. If its guard refuses, it hands the request back, and the router without hidden routes
//! answers it. So status, headers and body are those of the app itself, whatever it answers to an unknown path or method.
//! Layers of the routes do not see a request without a verified token, and what they change is undone.

use std::any::TypeId;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Waker};

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, NestedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use countersign_core::authz::Requirement;
use http::{Extensions, StatusCode, Uri};
use tower_service::Service;

use super::table::{Route, parameters};
use crate::audit::{Trail, TrailOwner};
use crate::authenticate::{Authenticated, AuthenticationStatus};
use crate::guard::{Require, path_parameters};

/// In the extensions of a request: holds the request after a hidden route did not admit it.
#[derive(Clone, Default)]
struct HandedBack(Arc<Mutex<Option<Request>>>);

impl HandedBack {
    fn slot(&self) -> MutexGuard<'_, Option<Request>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether a route with this requirement is hidden.
pub(super) fn is_hidden(requirement: &Requirement) -> bool {
    requirement.may_hide() && !requirement.is_shadow()
}

/// Returns whether a route is hidden.
pub(super) fn is_hidden_route(route: &Route) -> bool {
    route.rule().is_some_and(is_hidden)
}

/// The guard of a hidden route, behind [`verified_only`].
pub(super) async fn guard(requirement: Requirement, mut request: Request, next: Next) -> Response {
    match Require::new((), requirement).refusal(&mut request) {
        None => next.run(request).await,
        Some(refused) if refused.is_hidden => hand_back(request).await,
        Some(refused) => refused.answer.map(Body::from),
    }
}

/// Hands the request back. It is also the handler of all other methods of hidden routes.
pub(super) async fn hand_back(mut request: Request) -> Response {
    if let Some(handed_back) = request.extensions_mut().remove::<HandedBack>() {
        if let Some(trail) = Trail::of(request.extensions()) {
            trail.hand_back();
        }
        *handed_back.slot() = Some(request);
    }
    StatusCode::NOT_FOUND.into_response()
}

/// Runs outside all layers of the routes: without a verified token the request goes back at once, and one that the guard
/// hands back is as it was before these layers.
pub(super) async fn verified_only(request: Request, next: Next) -> Response {
    if !matches!(Authenticated::status(request.extensions()), AuthenticationStatus::Verified(_)) {
        return hand_back(request).await;
    }
    let (original, body) = request.into_parts();
    let response = next.run(Request::from_parts(original.clone(), body)).await;
    if let Some(handed_back) = original.extensions.get::<HandedBack>().cloned() {
        let mut slot = handed_back.slot();
        *slot = slot.take().map(|request| Request::from_parts(original, request.into_body()));
    }
    response
}

/// The routers of an app with hidden routes, each complete.
pub(super) struct Routers<S> {
    /// The hidden routes.
    pub(super) hidden: Stateful<S>,
    /// All others, for requests with a verified token.
    pub(super) others_verified: Stateful<S>,
    /// All others behind authentication.
    pub(super) others: Stateful<S>,
}

impl<S: Clone + Send + Sync + 'static> Routers<S> {
    /// Answers every method of the hidden path `path`.
    pub(super) fn method_router(self: &Arc<Self>, path: &str) -> MethodRouter<S> {
        let (routers, own_parameters) = (Arc::clone(self), parameters(path).count());
        any(move |State(state): State<S>, request: Request| async move {
            routers.answer(request, state, own_parameters).await
        })
    }

    async fn answer(&self, mut request: Request, state: S, own_parameters: usize) -> Response {
        let uri = request.uri().clone();
        let nested = request.extensions_mut().remove::<NestedPath>();
        let outer = parameters_before(request.extensions_mut(), own_parameters);
        let reset = |request: &mut Request| {
            request.extensions_mut().remove::<MatchedPath>();
            request.extensions_mut().remove::<NestedPath>();
            request.extensions_mut().extend(outer.clone());
            if let Some(nested) = &nested {
                request.extensions_mut().insert(nested.clone());
            }
        };
        reset(&mut request);
        let handed_back = HandedBack::default();
        request.extensions_mut().insert(handed_back.clone());
        let response = call(self.hidden.router(&state), request).await;
        let Some(mut request) = handed_back.slot().take() else { return response };
        request.extensions_mut().remove::<HandedBack>();
        let audit = TrailOwner::claim(request.extensions());
        *request.uri_mut() = with_path(request.uri(), uri);
        reset(&mut request);
        let others = match Authenticated::status(request.extensions()) {
            AuthenticationStatus::Verified(_) => &self.others_verified,
            _ => &self.others,
        };
        let response = call(others.router(&state), request).await;
        if let Some(audit) = audit {
            audit.finish(&response);
        }
        response
    }
}

/// A router that gets its state with the request.
pub(super) struct Stateful<S> {
    router: Router<S>,
    /// The router itself, if it needs no state.
    ready: OnceLock<Router>,
}

impl<S: Clone + Send + Sync + 'static> Stateful<S> {
    pub(super) fn new(router: Router<S>) -> Self {
        Stateful { router, ready: OnceLock::new() }
    }

    fn router(&self, state: &S) -> Router {
        let make = || self.router.clone().with_state(state.clone());
        match TypeId::of::<S>() == TypeId::of::<()>() {
            true => self.ready.get_or_init(make).clone(),
            false => make(),
        }
    }
}

async fn call(mut router: Router, request: Request) -> Response {
    let Ok(response) = router.call(request).await;
    response
}

/// `uri` with its path as it was before nested routers removed their prefix, and the query that is left.
fn with_path(left: &Uri, uri: Uri) -> Uri {
    if left.query() == uri.query() {
        return uri;
    }
    let path = match left.query() {
        Some(query) => format!("{}?{query}", uri.path()),
        None => uri.path().to_owned(),
    };
    let mut parts = uri.into_parts();
    parts.path_and_query = path.parse().ok();
    Uri::from_parts(parts).unwrap_or_default()
}

/// The extensions of a request with the path parameters that routers before this one matched, and no others.
///
/// axum appends the parameters of each router and offers no way to remove them; only a router can make its list of them.
fn parameters_before(extensions: &mut Extensions, own: usize) -> Extensions {
    static NONE: OnceLock<Extensions> = OnceLock::new();
    let mut parameters = path_parameters(extensions);
    parameters.truncate(parameters.len().saturating_sub(own));
    if parameters.is_empty() {
        return NONE.get_or_init(|| routed("/", "/")).clone();
    }
    let (mut pattern, mut path) = (String::new(), String::new());
    for (name, value) in &parameters {
        pattern.push_str(&format!("/{{{name}}}"));
        path.push('/');
        value.bytes().for_each(|byte| path.push_str(&format!("%{byte:02X}")));
    }
    routed(&pattern, &path)
}

/// The extensions that a router with this path gives to a request for `path`.
fn routed(pattern: &str, path: &str) -> Extensions {
    let seen = Arc::new(Mutex::new(Extensions::new()));
    let record = Arc::clone(&seen);
    let handler = any(move |request: Request| async move {
        *record.lock().unwrap_or_else(PoisonError::into_inner) = request.into_parts().0.extensions;
    });
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = path.parse().unwrap_or_default();
    // Nothing in it waits: it is ready at once.
    let future = pin!(Router::new().route(pattern, handler).call(request));
    let _ = future.poll(&mut Context::from_waker(Waker::noop()));
    let mut extensions = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    extensions.remove::<MatchedPath>();
    extensions
}
