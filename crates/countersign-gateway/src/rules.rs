//! The rules of a gateway: routes behind the layer, and the headers that belong to it.

use std::fmt;

use axum::response::IntoResponse as _;
use countersign::app::{RouteMatcher, RouteTable};
use countersign::authenticate::AuthenticateLayer;
use countersign::outbound::OutboundError;
use countersign_core::error::{ConfigError, Fault};
use http::{HeaderMap, HeaderName, Request, Uri, header};

use crate::attach::{CREDENTIALS, SwapRefusal, TXN_TOKEN};
use crate::decision::{EdgeDecision, RequestChanges};
use crate::identity::ReservedHeaders;
use crate::problem::{self, Problem};
use crate::reach::{GuardedRoutes, Reach, Reached, WaitingReach, collected};
use crate::request::{ClientRequest, is_host};
use crate::swap::Swap;
use crate::target::Target;

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
    routes: GuardedRoutes,
    matcher: RouteMatcher,
    headers: ReservedHeaders,
    /// The headers of credentials, which do not pass on routes with a swap.
    credentials: Vec<HeaderName>,
    /// Some of them begin transactions, so that the header belongs to the gateway.
    begins_transactions: bool,
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
        let routes = GuardedRoutes::new(table, authenticator.into())?;
        let matcher = RouteMatcher::new(routes.table());
        Ok(Rules { routes, matcher, headers, credentials: CREDENTIALS.to_vec(), begins_transactions: false })
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
        let mut all = self.routes.swaps().to_vec();
        for swap in swaps {
            let mut fault = |problem: &'static str| faults.push(Fault::new(format!("swap {}", swap.prefix()), problem));
            if all.iter().any(|other| other.prefix() == swap.prefix()) {
                fault("set twice; keep one of them");
            }
            if !self.table().iter().any(|route| swap.covers(route.path())) {
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
        self.routes.set_swaps(all);
        Ok(self)
    }

    /// The routes, with those that the layer serves or opens.
    #[must_use]
    pub fn table(&self) -> &RouteTable {
        self.routes.table()
    }

    #[cfg(any(feature = "metrics", feature = "otel"))]
    pub(crate) fn all_swaps(&self) -> &[Swap] {
        self.routes.swaps()
    }

    /// Decides about a request as the library's `protect` does about one with the same address, in [normal form](Target), and
    /// without the headers that belong to the gateway.
    pub async fn decide(&self, request: ClientRequest, foreign: ForeignHeaders) -> EdgeDecision {
        match self.decide_now(request, foreign) {
            Ok(decision) => decision,
            Err(waiting) => self.decide_after(waiting).await,
        }
    }

    /// The decision, or the request if it has to wait.
    pub(crate) fn decide_now(
        &self,
        request: ClientRequest,
        foreign: ForeignHeaders,
    ) -> Result<EdgeDecision, WaitingDecision> {
        let (asked, marks) = match self.asked(request, foreign) {
            Ok(asked) => asked,
            Err(problem) => return Ok(EdgeDecision::Refused(problem.response())),
        };
        match self.routes.reach(asked, marks.protocols) {
            Reach::Waits(request) => Err(WaitingDecision { request, marks }),
            Reach::Done(Err(answer)) => Ok(EdgeDecision::Refused(*answer)),
            Reach::Done(Ok(reached)) => Ok(match self.changes(reached, marks) {
                Ok(changes) => EdgeDecision::Allowed(changes),
                Err(Refusal::Own(problem)) => EdgeDecision::Refused(problem.response()),
                // Of a swap, which waits.
                Err(Refusal::Outbound(_)) => EdgeDecision::Refused(problem::UNSUITABLE_TOKEN.response()),
            }),
        }
    }

    /// The decision about a request that had to wait.
    pub(crate) async fn decide_after(&self, WaitingDecision { request, marks }: WaitingDecision) -> EdgeDecision {
        // On the heap: the future of an exchange is large, and few requests wait.
        let reached = match Box::pin(self.routes.reach_after(*request)).await {
            Ok(reached) => reached,
            Err(answer) => return EdgeDecision::Refused(*answer),
        };
        match self.changes(reached, marks) {
            Ok(changes) => EdgeDecision::Allowed(changes),
            Err(Refusal::Own(problem)) => EdgeDecision::Refused(problem.response()),
            Err(Refusal::Outbound(error)) => EdgeDecision::Refused(collected(error.into_response()).await),
        }
    }

    /// The request to decide about, if its address and its host have one reading.
    fn asked(&self, request: ClientRequest, foreign: ForeignHeaders) -> Result<(Request<()>, Marks), Problem> {
        let ClientRequest { method, target, mut headers } = request;
        let target = Target::read(target).map_err(|_| problem::AMBIGUOUS)?;
        if !headers.get(header::HOST).is_some_and(is_host) {
            return Err(problem::CONTRADICTION);
        }
        let route = |path| self.matcher.route_of(method.as_str(), path);
        if target.other_readings().any(|path| route(path) != route(target.path())) {
            return Err(problem::AMBIGUOUS);
        }
        let remove: Vec<_> = self.headers.found_in(&headers).cloned().collect();
        let is_replaced = |name: &HeaderName| {
            self.headers.names().any(|set| set == name) || (self.begins_transactions && *name == TXN_TOKEN)
        };
        if foreign == ForeignHeaders::Refuse && !remove.iter().all(is_replaced) {
            return Err(problem::RESERVED_HEADER);
        }
        for name in &remove {
            headers.remove(name);
        }
        let protocols = headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL);
        let mut asked = Request::new(());
        *asked.method_mut() = method;
        *asked.uri_mut() = Uri::try_from(target.into_text()).map_err(|_| problem::AMBIGUOUS)?;
        *asked.headers_mut() = headers;
        Ok((asked, Marks { remove, protocols }))
    }

    /// The changes for a request that reached its route.
    fn changes(&self, reached: Reached, Marks { mut remove, protocols }: Marks) -> Result<RequestChanges, Refusal> {
        let set = match &reached.caller {
            Some(caller) => self.headers.of(caller).ok_or(problem::UNFIT_IDENTITY)?,
            None => HeaderMap::new(),
        };
        let has_all_names = set.len() == self.headers.names().count();
        let mut changes = RequestChanges { set, remove: Vec::new(), answer: reached.answer };
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
        let names = self.headers.names().filter(|_| !has_all_names);
        for name in names.chain(&transaction).filter(|name| !changes.set.contains_key(*name)) {
            if !remove.contains(name) {
                remove.push(name.clone());
            }
        }
        changes.remove = remove;
        Ok(changes)
    }
}

/// A request that waits for keys, a store, an endpoint or a token, or goes through the router.
pub(crate) struct WaitingDecision {
    request: Box<WaitingReach>,
    marks: Marks,
}

/// Facts about a request, from before the layer changed it.
struct Marks {
    /// The headers that belong to the gateway.
    remove: Vec<HeaderName>,
    /// Set if it offers subprotocols of WebSocket.
    protocols: bool,
}

/// The refusal of a request that reached its route: of the gateway itself, or of the client that requests tokens.
enum Refusal {
    Own(Problem),
    Outbound(OutboundError),
}

impl From<SwapRefusal> for Refusal {
    fn from(refusal: SwapRefusal) -> Self {
        match refusal {
            SwapRefusal::Problem(problem, _) => Refusal::Own(problem),
            SwapRefusal::Outbound(error) => Refusal::Outbound(error),
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Refusal::Own(problem)
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("table", self.table()).field("headers", &self.headers).finish_non_exhaustive()
    }
}
