//! The rules of a gateway: routes behind the layer, and the headers that belong to it.

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use countersign::app::{Protected, RouteMatcher, RouteTable, Routes, try_protect};
use countersign::authenticate::{AuthenticateLayer, Authenticated, AuthenticationStatus};
use countersign_core::error::{ConfigError, Fault};
use countersign_core::verify::Verified;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request as HttpRequest, StatusCode, Uri, header};
use tower::ServiceExt as _;

use crate::attach::{CREDENTIALS, SwapRefusal, TXN_TOKEN};
use crate::decision::{EdgeDecision, RequestChanges};
use crate::identity::ReservedHeaders;
use crate::problem::{self, Problem};
use crate::request::{ClientRequest, is_host};
use crate::swap::Swap;
use crate::target::Target;

/// The longest body of a refusal, in bytes; that of the layer has a few hundred.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The treatment of headers that belong to the gateway, by an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignHeaders {
    /// The edge removes the headers that the decision names.
    Remove,
    /// The edge can only replace headers that its configuration names, so a request with any other spelling is refused.
    Refuse,
}

/// The rules by which requests are decided about: a route table behind an authentication layer.
///
/// ```
/// use countersign::app::RouteTable;
/// use countersign::prelude::*;
/// use countersign_gateway::{ClientRequest, ForeignHeaders, IdentityValue, ReservedHeaders, Rules};
/// use countersign_test::TestIssuer;
/// use http::{HeaderMap, Method};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let issuer = TestIssuer::new();
/// let table = RouteTable::from_json(
///     r#"[{ "method": "GET", "path": "/orders", "access": "required", "rule": { "scope": "orders:read" } }]"#,
/// )?;
/// let headers = ReservedHeaders::new().set("x-caller", IdentityValue::Subject).build()?;
/// let rules = Rules::new(&table, AuthenticateLayer::new(issuer.verifier_for("orders")), headers)?;
/// let request = ClientRequest::new(Method::GET, "shop.example.com", "/orders", HeaderMap::new());
/// assert!(!rules.decide(request, ForeignHeaders::Remove).await.is_allowed());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Rules {
    app: Protected,
    table: RouteTable,
    matcher: RouteMatcher,
    headers: ReservedHeaders,
    /// The headers of credentials, which do not pass on routes with a swap.
    credentials: Vec<HeaderName>,
    /// The longest prefix first.
    swaps: Arc<[Swap]>,
    /// Some of them begin transactions, so that the header belongs to the gateway.
    begins_transactions: bool,
}

/// Request extension: the swaps, of which the handler applies that of its route.
#[derive(Clone)]
struct Swaps(Arc<[Swap]>);

/// In the extensions of a response: the request reached the handler of its route. Only this module can create one.
#[derive(Clone)]
struct Reached {
    caller: Option<Arc<Verified>>,
    /// The headers in place of the credential; `None` if its route has no swap.
    swapped: Option<Result<HeaderMap, SwapRefusal>>,
    /// The subprotocols of a WebSocket handshake, without tokens.
    protocols: Vec<HeaderValue>,
}

impl Rules {
    /// The rules of this table. `headers` are [built](ReservedHeaders::build).
    ///
    /// # Errors
    /// `ConfigError` with every fault of the table.
    pub fn new(
        table: &RouteTable,
        authenticator: impl Into<AuthenticateLayer>,
        headers: ReservedHeaders,
    ) -> Result<Self, ConfigError> {
        let routes: Routes = Routes::from_table(table, reached)?;
        // With its state, or the router would build the services of a route again for each request.
        let app: Protected = try_protect(routes, authenticator)?.with_state(());
        let table = app.table().clone();
        Ok(Rules {
            app,
            matcher: RouteMatcher::new(&table),
            table,
            headers,
            credentials: CREDENTIALS.to_vec(),
            swaps: Arc::default(),
            begins_transactions: false,
        })
    }

    /// More headers with credentials, such as `Cookie`: like `Authorization` and `DPoP`, they do not pass on routes with a swap.
    #[must_use]
    pub fn credentials(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.credentials.extend(names);
        self
    }

    /// Swaps credentials on the routes of these prefixes; the longest prefix of a route counts. The layer must
    /// [keep](countersign::authenticate::AuthenticateLayerBuilder::keep_caller_token) the caller's token.
    ///
    /// # Errors
    /// `ConfigError` if two swaps have the same prefix, or one has no route.
    pub fn swaps(mut self, swaps: impl IntoIterator<Item = Swap>) -> Result<Self, ConfigError> {
        let mut faults = Vec::new();
        let mut all = self.swaps.to_vec();
        for swap in swaps {
            let mut fault = |problem: &'static str| faults.push(Fault::new(format!("swap {}", swap.prefix()), problem));
            if all.iter().any(|other| other.prefix() == swap.prefix()) {
                fault("set twice; keep one of them");
            }
            if !self.table.iter().any(|route| swap.covers(route.path())) {
                fault("no route has this prefix; correct it, or remove the swap");
            }
            all.push(swap);
        }
        ConfigError::check(faults)?;
        all.sort_by_key(|swap| std::cmp::Reverse(swap.prefix().len()));
        self.begins_transactions = all.iter().any(Swap::begins_transactions);
        if self.begins_transactions {
            self.headers.add(&TXN_TOKEN);
        }
        self.swaps = all.into();
        Ok(self)
    }

    /// The routes, with those that the layer serves or opens.
    #[must_use]
    pub fn table(&self) -> &RouteTable {
        &self.table
    }

    #[cfg(any(feature = "metrics", feature = "otel"))]
    pub(crate) fn all_swaps(&self) -> &[Swap] {
        &self.swaps
    }

    /// Decides about a request as the library's `protect` does about one with the same address, in [normal form](Target), and
    /// without the headers that belong to the gateway.
    pub async fn decide(&self, request: ClientRequest, foreign: ForeignHeaders) -> EdgeDecision {
        match self.decided(request, foreign).await {
            Ok(changes) => EdgeDecision::Allowed(changes),
            Err(Refusal::Own(problem)) => EdgeDecision::Refused(problem.response()),
            Err(Refusal::Of(response)) => EdgeDecision::Refused(collected(response).await),
        }
    }

    async fn decided(&self, request: ClientRequest, foreign: ForeignHeaders) -> Result<RequestChanges, Refusal> {
        let ClientRequest { method, host, target, mut headers } = request;
        let target = Target::read(target).map_err(|_| problem::AMBIGUOUS)?;
        if !is_host(&host) {
            return Err(problem::CONTRADICTION.into());
        }
        let route = |path| self.matcher.route_of(method.as_str(), path);
        if target.other_readings().any(|path| route(path) != route(target.path())) {
            return Err(problem::AMBIGUOUS.into());
        }
        let mut remove: Vec<_> = self.headers.found_in(&headers).cloned().collect();
        let is_replaced = |name: &HeaderName| {
            self.headers.names().any(|set| set == name) || (self.begins_transactions && *name == TXN_TOKEN)
        };
        if foreign == ForeignHeaders::Refuse && !remove.iter().all(is_replaced) {
            return Err(problem::RESERVED_HEADER.into());
        }
        for name in &remove {
            headers.remove(name);
        }
        headers.insert(header::HOST, HeaderValue::try_from(host).map_err(|_| problem::CONTRADICTION)?);
        let protocols = headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL);
        let mut asked = HttpRequest::new(Body::empty());
        *asked.method_mut() = method.clone();
        *asked.uri_mut() = Uri::try_from(target.into_text()).map_err(|_| problem::AMBIGUOUS)?;
        *asked.headers_mut() = headers;
        if !self.swaps.is_empty() {
            asked.extensions_mut().insert(Swaps(Arc::clone(&self.swaps)));
        }
        let Ok(mut answer) = self.app.clone().oneshot(asked).await;
        let Some(reached) = answer.extensions_mut().remove::<Reached>() else {
            return Err(Refusal::Of(answer));
        };
        let set = match &reached.caller {
            Some(caller) => self.headers.of(caller).ok_or(problem::UNFIT_IDENTITY)?,
            None => HeaderMap::new(),
        };
        let mut changes =
            RequestChanges { set, remove: Vec::new(), answer: added(std::mem::take(answer.headers_mut())) };
        if let Some(swapped) = reached.swapped {
            remove.extend(self.credentials.iter().cloned());
            changes.set.extend(swapped?);
        }
        if protocols {
            match reached.protocols.split_first() {
                None => remove.push(header::SEC_WEBSOCKET_PROTOCOL),
                Some((first, rest)) => {
                    changes.set.insert(header::SEC_WEBSOCKET_PROTOCOL, first.clone());
                    for line in rest {
                        changes.set.append(header::SEC_WEBSOCKET_PROTOCOL, line.clone());
                    }
                }
            }
        }
        // Also what the client did not send: the edge may have seen a spelling that the gateway did not.
        let transaction = self.begins_transactions.then_some(TXN_TOKEN);
        remove.retain(|name| !changes.set.contains_key(name));
        for name in self.headers.names().chain(&transaction).filter(|name| !changes.set.contains_key(*name)) {
            if !remove.contains(name) {
                remove.push(name.clone());
            }
        }
        changes.remove = remove;
        Ok(changes)
    }
}

/// The refusal of a request: of the gateway itself, or of the layer.
enum Refusal {
    Own(Problem),
    Of(Response),
}

impl From<SwapRefusal> for Refusal {
    fn from(refusal: SwapRefusal) -> Self {
        match refusal {
            SwapRefusal::Problem(problem, _) => Refusal::Own(problem),
            SwapRefusal::Outbound(error) => Refusal::Of(error.into_response()),
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Refusal::Own(problem)
    }
}

/// The handler of all routes. A request without a mark of the layer would be a fault of this crate: it is refused.
async fn reached(request: Request) -> Response {
    let (request, _) = request.into_parts();
    let caller = match Authenticated::status(&request.extensions) {
        AuthenticationStatus::Verified(caller) => Some(Arc::clone(caller)),
        AuthenticationStatus::Anonymous => None,
        _ => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    let protocols = request.headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().cloned().collect();
    let swapped = swapped(caller.as_deref(), &request).await;
    // The status is in the audit event of the request.
    let status = match &swapped {
        Some(Err(refusal)) => refusal.status(),
        _ => StatusCode::OK,
    };
    let mut response = status.into_response();
    response.extensions_mut().insert(Reached { caller, swapped, protocols });
    response
}

/// The headers in place of the credential of a request, if its route has a swap. Anonymous callers get none.
async fn swapped(caller: Option<&Verified>, request: &Parts) -> Option<Result<HeaderMap, SwapRefusal>> {
    let Swaps(swaps) = request.extensions.get::<Swaps>()?;
    let route = request.extensions.get::<MatchedPath>()?.as_str();
    let swap = swaps.iter().find(|swap| swap.covers(route))?;
    let Some(caller) = caller else { return Some(Ok(HeaderMap::new())) };
    let about = (&request.method, request.uri.path(), route);
    // Boxed: the future of an exchange is large, and that of the handler is moved several times, also without a swap.
    Some(Box::pin(swap.headers(caller, &request.extensions, about)).await)
}

/// The headers that the layer adds to an answer, without those of the handler above.
fn added(mut headers: HeaderMap) -> HeaderMap {
    headers.remove(header::CONTENT_LENGTH);
    headers
}

/// The answer with its body. One that cannot be read is refused without it.
async fn collected(answer: Response) -> http::Response<Bytes> {
    let (parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, MAX_BODY_BYTES).await.unwrap_or_default();
    http::Response::from_parts(parts, body)
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("table", &self.table).field("headers", &self.headers).finish_non_exhaustive()
    }
}
