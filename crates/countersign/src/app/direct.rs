//! The routes of a table behind a layer, without a router.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use matchit::{Params, Router as Paths};
use percent_encoding::percent_decode_str;

use super::access::Access;
use super::hidden::is_hidden_route;
use super::matcher::of_method;
use super::table::{Route, RouteTable};
use crate::audit::RoutePattern;
use crate::authenticate::AuthenticateLayer;
use crate::authenticate::direct::{AdmittedRequest, LayerDecision, WaitingRequest};
use crate::guard::Require;

/// The routes of a table behind a layer, for code that decides about requests and has no service for them.
///
/// About a request for one of its routes it decides as an app of [`try_protect`](super::try_protect) with the same table and layer does,
/// and answers a refused one alike. It has no answer to unknown paths and methods, and no path that has a hidden route: those are for
/// the app.
#[derive(Clone)]
pub struct DirectRoutes(Arc<Paths<Vec<RouteBehindLayer>>>);

/// The route of a request, with the parameters of its path.
#[derive(Debug)]
pub struct DirectRoute<'r> {
    route: &'r RouteBehindLayer,
    /// Decoded; only if the requirement names one.
    parameters: Vec<(String, String)>,
}

/// A decision about a request, as far as it is there at once.
pub enum DirectDecision {
    /// The request may pass, or gets this answer.
    Made(Result<AdmittedRequest, Box<Response<Bytes>>>),
    /// The layer waits, or answers itself; [`DirectRoute::admit_after`] has the decision.
    Waits(DirectWait),
}

/// A request of which the layer waits.
pub struct DirectWait(WaitingRequest);

#[derive(Debug)]
struct RouteBehindLayer {
    route: Route,
    layer: AuthenticateLayer,
    guard: Option<Require<()>>,
}

/// The layers of all kinds of access, as those of [`try_protect`](super::try_protect).
struct Layers {
    public: AuthenticateLayer,
    optional: AuthenticateLayer,
    closed: AuthenticateLayer,
}

impl Layers {
    fn new(closed: AuthenticateLayer) -> Self {
        Layers { public: closed.with_all_paths_public(), optional: closed.with_anonymous_callers(), closed }
    }

    fn of(&self, access: &Access) -> AuthenticateLayer {
        match access {
            Access::Public => &self.public,
            Access::Optional => &self.optional,
            Access::Authenticated | Access::Required(_) => &self.closed,
        }
        .clone()
    }
}

impl DirectRoutes {
    /// The routes of a table that [`Routes::from_table`](super::Routes::from_table) takes. If the layer keeps the caller's token, it does
    /// so for the routes of which `needs_token` returns true.
    #[must_use]
    pub fn new(table: &RouteTable, layer: &AuthenticateLayer, needs_token: impl Fn(&Route) -> bool) -> Self {
        let (with_token, without_token) = (Layers::new(layer.clone()), Layers::new(layer.without_caller_token()));
        let behind_layer = |route: &Route| RouteBehindLayer {
            layer: if needs_token(route) { &with_token } else { &without_token }.of(route.access()),
            guard: route.rule().map(|requirement| Require::new((), requirement.clone())),
            route: route.clone(),
        };
        let routes: Vec<&Route> = table.iter().collect();
        let mut paths = Paths::new();
        for of_path in routes.chunk_by(|one, other| one.path() == other.path()) {
            let has_hidden = of_path.iter().any(|route| is_hidden_route(route));
            // A path with a hidden route is here without routes: if it were not here, a less specific one would be found.
            let behind_layer = of_path.iter().filter(|_| !has_hidden).map(|route| behind_layer(route));
            if let Some(first) = of_path.first() {
                let _ = paths.insert(first.path(), behind_layer.collect());
            }
        }
        DirectRoutes(Arc::new(paths))
    }

    /// The route of a request with this method and this path, which is without its query.
    #[must_use]
    pub fn find(&self, method: &Method, path: &str) -> Option<DirectRoute<'_>> {
        let found = self.0.at(path).ok()?;
        let route = of_method(found.value, method.as_str(), |route| &route.route)?;
        let needs_path = route.guard.as_ref().is_some_and(Require::needs_path);
        let parameters = if needs_path { decoded(&found.params) } else { Vec::new() };
        Some(DirectRoute { route, parameters })
    }
}

impl DirectRoute<'_> {
    /// The path of the route, such as `/orders/{id}`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.route.route.path()
    }

    /// Decides about the request by the layer and the requirement.
    pub fn admit<B>(&self, request: &mut Request<B>) -> DirectDecision {
        let RouteBehindLayer { route, layer, .. } = self.route;
        if layer.is_audited() {
            request.extensions_mut().insert(RoutePattern::new(route.path().to_owned()));
        }
        match layer.admit(request) {
            LayerDecision::Made(decision) => DirectDecision::Made(self.guarded(decision, request)),
            LayerDecision::Waits(waiting) => DirectDecision::Waits(DirectWait(waiting)),
        }
    }

    /// Goes on after a wait of the same request.
    ///
    /// # Errors
    /// The answer to a refused request, or to one that the layer answers itself.
    pub async fn admit_after<B: Send>(
        &self,
        DirectWait(waiting): DirectWait,
        request: &mut Request<B>,
    ) -> Result<AdmittedRequest, Box<Response<Bytes>>> {
        let decision = waiting.decided(request).await;
        self.guarded(decision, request)
    }

    fn guarded<B>(
        &self,
        decision: Result<AdmittedRequest, Response<Bytes>>,
        request: &Request<B>,
    ) -> Result<AdmittedRequest, Box<Response<Bytes>>> {
        let admitted = decision.map_err(|answer| as_routed(request.method(), answer))?;
        let guard = &self.route.guard;
        match guard.as_ref().and_then(|guard| guard.refusal_of(&admitted.caller, request, &self.parameters)) {
            None => Ok(admitted),
            Some(refused) => {
                let mut answer = refused.answer;
                admitted.answered_with(&mut answer);
                Err(as_routed(request.method(), answer))
            }
        }
    }
}

/// The parameters of a path as axum decodes them; none if one of them is not UTF-8.
fn decoded(parameters: &Params<'_, '_>) -> Vec<(String, String)> {
    let decoded = parameters.iter().map(|(name, value)| {
        let value = percent_decode_str(value).decode_utf8().ok()?;
        Some((name.to_owned(), value.into_owned()))
    });
    decoded.collect::<Option<_>>().unwrap_or_default()
}

/// The answer as axum's router sends it: with its length, and to `HEAD` without its body.
#[cold]
fn as_routed(method: &Method, mut answer: Response<Bytes>) -> Box<Response<Bytes>> {
    if *method == Method::CONNECT && answer.status().is_success() {
        return Box::new(answer);
    }
    let length = HeaderValue::from(answer.body().len());
    answer.headers_mut().entry(header::CONTENT_LENGTH).or_insert(length);
    if *method == Method::HEAD {
        *answer.body_mut() = Bytes::new();
    }
    Box::new(answer)
}

impl fmt::Debug for DirectDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DirectDecision::Made(Ok(_)) => "Made(Ok)",
            DirectDecision::Made(Err(_)) => "Made(Err)",
            DirectDecision::Waits(_) => "Waits",
        })
    }
}

impl fmt::Debug for DirectWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DirectWait")
    }
}

impl fmt::Debug for DirectRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectRoutes").finish_non_exhaustive()
    }
}
