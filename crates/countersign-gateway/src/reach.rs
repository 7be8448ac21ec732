//! The way of a request through the layer and the guard of its route.
//!
//! Requests for the routes of the table take it without a router. Unknown paths and methods, and paths with hidden routes, go through
//! the library's router, which has an answer to them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, Request as RouterRequest};
use axum::response::{IntoResponse, Response as RouterResponse};
use bytes::Bytes;
use countersign::app::{Protected, RouteTable, Routes, try_protect};
use countersign::authenticate::{AuthenticateLayer, Authenticated, AuthenticationStatus};
use countersign::integration::{AdmittedRequest, DirectDecision, DirectRoutes, DirectWait};
use countersign_core::error::ConfigError;
use countersign_core::verify::Verified;
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use tower::ServiceExt as _;

use crate::attach::SwapRefusal;
use crate::swap::Swap;

/// The longest body of a refusal of the router, in bytes; that of the layer has a few hundred.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Routes behind the layer, with the swaps of their requests.
#[derive(Clone)]
pub(crate) struct GuardedRoutes {
    direct: DirectRoutes,
    /// The same table with the router.
    app: Protected,
    table: RouteTable,
    layer: AuthenticateLayer,
    /// The longest prefix first.
    swaps: Arc<[Swap]>,
}

/// A request that layer and guard let through to its route. Only this module can create one.
#[derive(Clone)]
pub(crate) struct Reached {
    pub(crate) caller: Option<Arc<Verified>>,
    /// The headers in place of the credential; `None` if its route has no swap.
    pub(crate) swapped: Option<Result<HeaderMap, SwapRefusal>>,
    /// The subprotocols of a WebSocket handshake, without tokens.
    pub(crate) protocols: Vec<HeaderValue>,
    /// The headers that the layer adds to the answer for the client.
    pub(crate) answer: HeaderMap,
}

/// The way of a request, as far as nothing waits.
#[expect(clippy::large_enum_variant, reason = "the large one is that of nearly all requests, which stay off the heap")]
pub(crate) enum Reach {
    Done(Result<Reached, Box<Response<Bytes>>>),
    Waits(Box<WaitingReach>),
}

/// A request that goes on with [`GuardedRoutes::reach_after`].
pub(crate) struct WaitingReach {
    request: Request<()>,
    at: At,
}

/// The place at which a request waits.
enum At {
    Router,
    Layer(DirectWait),
    Swap(Box<AdmittedRequest>),
}

/// Request extension: the swaps, of which the handler applies that of its route.
#[derive(Clone)]
struct Swaps(Arc<[Swap]>);

impl GuardedRoutes {
    pub(crate) fn new(table: &RouteTable, layer: AuthenticateLayer) -> Result<Self, ConfigError> {
        let routes: Routes = Routes::from_table(table, reached)?;
        // With its state, or the router would build the services of a route again for each request.
        let app: Protected = try_protect(routes, layer.clone())?.with_state(());
        let direct = DirectRoutes::new(table, &layer, |_| false);
        Ok(GuardedRoutes { direct, app, table: table.clone(), layer, swaps: Arc::default() })
    }

    /// The routes, with those that the layer serves or opens.
    pub(crate) fn table(&self) -> &RouteTable {
        self.app.table()
    }

    pub(crate) fn swaps(&self) -> &[Swap] {
        &self.swaps
    }

    /// Applies these swaps in place of those before, the longest prefix first.
    pub(crate) fn set_swaps(&mut self, swaps: Vec<Swap>) {
        // Elsewhere nobody reads the caller's token, so that it is not copied.
        let needs_token = |path: &str| swap_of(&swaps, path).is_some_and(Swap::reads_credential);
        self.direct = DirectRoutes::new(&self.table, &self.layer, |route| needs_token(route.path()));
        self.swaps = swaps.into();
    }

    /// Sends a request to its route. `offers_protocols` says whether it has subprotocols of WebSocket.
    pub(crate) fn reach(&self, mut request: Request<()>, offers_protocols: bool) -> Reach {
        let waits = |request, at| Reach::Waits(Box::new(WaitingReach { request, at }));
        let Some(route) = self.direct.find(request.method(), request.uri().path()) else {
            return waits(request, At::Router);
        };
        match route.admit(&mut request) {
            DirectDecision::Made(Ok(admitted)) if swap_of(&self.swaps, route.path()).is_some() => {
                waits(request, At::Swap(Box::new(admitted)))
            }
            DirectDecision::Made(Ok(admitted)) => {
                let protocols = if offers_protocols { protocols(request.headers()) } else { Vec::new() };
                Reach::Done(Ok(passed(admitted, protocols)))
            }
            DirectDecision::Made(Err(answer)) => Reach::Done(Err(answer)),
            DirectDecision::Waits(waiting) => waits(request, At::Layer(waiting)),
        }
    }

    /// Goes on with a request that waited. `Err` is the answer of the layer, the guard or the router.
    pub(crate) async fn reach_after(&self, waiting: WaitingReach) -> Result<Reached, Box<Response<Bytes>>> {
        let WaitingReach { mut request, at } = waiting;
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let (route, admitted) = match (self.direct.find(&method, uri.path()), at) {
            (None, _) | (_, At::Router) => return self.reach_by_router(request).await.map_err(Box::new),
            (Some(route), At::Layer(waiting)) => {
                let admitted = route.admit_after(waiting, &mut request).await?;
                (route, admitted)
            }
            (Some(route), At::Swap(admitted)) => (route, *admitted),
        };
        let Some(swap) = swap_of(&self.swaps, route.path()) else {
            return Ok(passed(admitted, protocols(request.headers())));
        };
        admitted.record_on(&mut request);
        let caller = admitted.caller().cloned();
        let swapped = swapped(swap, caller.as_deref(), &request, route.path()).await;
        let (protocols, status) = (protocols(request.headers()), status_of(Some(&swapped)));
        Ok(Reached { caller, swapped: Some(swapped), protocols, answer: admitted.answered(status) })
    }

    async fn reach_by_router(&self, request: Request<()>) -> Result<Reached, Response<Bytes>> {
        let mut request = request.map(|()| Body::empty());
        if !self.swaps.is_empty() {
            request.extensions_mut().insert(Swaps(Arc::clone(&self.swaps)));
        }
        let Ok(mut answer) = self.app.clone().oneshot(request).await;
        match answer.extensions_mut().remove::<Reached>() {
            Some(reached) => {
                let mut answer = std::mem::take(answer.headers_mut());
                answer.remove(header::CONTENT_LENGTH); // of the handler
                Ok(Reached { answer, ..reached })
            }
            None => Err(collected(answer).await),
        }
    }
}

/// The handler of all routes of the router. A request without a mark of the layer would be a fault of this crate: it is refused.
async fn reached(request: RouterRequest) -> RouterResponse {
    let request = request.map(drop);
    let caller = match Authenticated::status(request.extensions()) {
        AuthenticationStatus::Verified(caller) => Some(Arc::clone(caller)),
        AuthenticationStatus::Anonymous => None,
        _ => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    let swapped = match matched(request.extensions()) {
        None => None,
        Some((swap, path)) => Some(swapped(swap, caller.as_deref(), &request, path).await),
    };
    let mut response = status_of(swapped.as_ref()).into_response();
    let protocols = protocols(request.headers());
    response.extensions_mut().insert(Reached { caller, swapped, protocols, answer: HeaderMap::new() });
    response
}

/// A request to a route without a swap.
fn passed(admitted: AdmittedRequest, protocols: Vec<HeaderValue>) -> Reached {
    let caller = admitted.caller().cloned();
    Reached { caller, swapped: None, protocols, answer: admitted.answered(StatusCode::OK) }
}

/// The swap of the route that the router matched, with its path.
fn matched(extensions: &Extensions) -> Option<(&Swap, &str)> {
    let (Swaps(swaps), path) = (extensions.get::<Swaps>()?, extensions.get::<MatchedPath>()?.as_str());
    Some((swap_of(swaps, path)?, path))
}

/// The swap of a route with this path.
fn swap_of<'s>(swaps: &'s [Swap], path: &str) -> Option<&'s Swap> {
    swaps.iter().find(|swap| swap.covers(path))
}

/// The headers in place of the credential of a request for a route with this path. Anonymous callers get none.
async fn swapped(
    swap: &Swap,
    caller: Option<&Verified>,
    request: &Request<()>,
    path: &str,
) -> Result<HeaderMap, SwapRefusal> {
    let Some(caller) = caller else { return Ok(HeaderMap::new()) };
    let about: (&Method, _, _) = (request.method(), request.uri().path(), path);
    // Boxed: the future of an exchange is large, and those around it are moved several times, also without a swap.
    Box::pin(swap.headers(caller, request.extensions(), about)).await
}

/// The status of the answer, which is in the audit event of the request.
fn status_of(swapped: Option<&Result<HeaderMap, SwapRefusal>>) -> StatusCode {
    match swapped {
        Some(Err(refusal)) => refusal.status(),
        _ => StatusCode::OK,
    }
}

fn protocols(headers: &HeaderMap) -> Vec<HeaderValue> {
    headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().cloned().collect()
}

/// The answer with its body. One that cannot be read is refused without it.
pub(crate) async fn collected(answer: RouterResponse) -> Response<Bytes> {
    let (parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, MAX_BODY_BYTES).await.unwrap_or_default();
    Response::from_parts(parts, body)
}
