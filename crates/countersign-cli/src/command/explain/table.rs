//! The app of a route table that another app has printed, or the rules of a gateway, which decide about the request.

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, Response, header};
use countersign::app::{Protected, Route, RouteTable, Routes, protect};
use countersign::verify::Verifier;
use countersign_gateway::{ClientRequest, EdgeDecision, ForeignHeaders, GatewayConfig, Rules};
use tower::ServiceExt;

use crate::exit::Failure;

/// Response header set by a handler that was reached.
const REACHED: &str = "x-countersign-reached";

/// The host of a request to a gateway, if no header names one.
const HOST: &str = "localhost";

/// An app or a gateway that decides about the request.
pub(super) enum Decider {
    /// An app with the routes of a table, protected by `protect`; its handlers mark their response.
    App(Protected),
    /// The rules of a gateway, which looks at address and headers first.
    Gateway(Box<Rules>, ForeignHeaders),
}

impl Decider {
    pub(super) fn app(table: &RouteTable, verifier: Verifier) -> Result<Self, Failure> {
        let routes: Routes = Routes::from_table(table, || async { [(REACHED, "yes")] })?;
        Ok(Decider::App(protect(routes, verifier)))
    }

    /// The gateway of this configuration, without its swaps: nothing is asked of a token service.
    pub(super) fn gateway(config: &GatewayConfig, verifier: &Verifier) -> Result<Self, Failure> {
        let (mut config, policy) = (config.clone(), config.read_policy()?);
        config.swaps.clear();
        let rules = config.rules(config.layer(verifier, &policy)?, &policy)?;
        Ok(Decider::Gateway(Box::new(rules), config.edge.foreign_headers()))
    }

    /// The response, and whether a handler was reached.
    pub(super) async fn decide(
        self,
        method: &Method,
        target: &str,
        headers: &HeaderMap,
    ) -> Result<(Response<Body>, bool), Failure> {
        match self {
            Decider::App(app) => {
                let request = Request::builder().method(method.clone()).uri(target).body(Body::empty());
                let mut request = request.map_err(|_| Failure::usage("the path is not a valid URL path"))?;
                request.headers_mut().extend(headers.clone());
                let Ok(response) = app.oneshot(request).await;
                let is_reached = response.headers().contains_key(REACHED);
                Ok((response, is_reached))
            }
            Decider::Gateway(rules, foreign) => {
                let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or(HOST);
                let request = ClientRequest::new(method.clone(), host, target, headers.clone());
                Ok(match rules.decide(request, foreign).await {
                    EdgeDecision::Refused(response) => (response.map(Body::from), false),
                    _ => (Response::new(Body::empty()), true),
                })
            }
        }
    }
}

/// The faults of a route that refuse every caller: path parameters that the requirement names and the path lacks.
pub(super) fn faults(table: &RouteTable, route: &Route) -> Vec<String> {
    let field = format!("{} {}", route.method(), route.path());
    let Err(error) = table.check_config() else { return Vec::new() };
    error.faults().iter().filter(|fault| fault.field == field).map(|fault| fault.problem.clone().into_owned()).collect()
}
