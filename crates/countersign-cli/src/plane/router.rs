//! The endpoints of a plane.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use countersign::authz::scope;
use countersign::error::ConfigError;
use countersign::extract::Claims;
use countersign::fleet::{FleetReport, REPORTS_PATH};
use countersign::guard::require;
use countersign::prelude::AuthenticateLayer;
use countersign::verify::{Verified, Verifier};
use serde_json::json;

use super::access::Access;
use super::assess::assess;
use super::page;
use super::store::{Full, Store};
use crate::server::add_headers;

/// The path of the list of instances.
const FLEET_PATH: &str = "/v1/fleet";

/// The scope of services that report.
const REPORT_SCOPE: &str = "fleet:report";

/// The scope of those who read the reports.
const READ_SCOPE: &str = "fleet:read";

/// The router of a plane. With a verifier, reports and readers need a token; without one, nobody does.
pub(crate) fn router(store: Arc<Store>, verifier: Option<Verifier>, access: Access) -> Result<Router, ConfigError> {
    let list = |State(store): State<Arc<Store>>, uri: Uri| async move { list(&store, &uri) };
    let router = match verifier {
        None => {
            let report =
                |State(store): State<Arc<Store>>, body: String| async move { report(&store, None, None, &body) };
            Router::new().route(REPORTS_PATH, post(report)).route(FLEET_PATH, get(list)).merge(page::router())
        }
        Some(verifier) => {
            let report = move |State(store): State<Arc<Store>>, claims: Claims, body: String| async move {
                report(&store, Some(claims.verified()), Some(&access), &body)
            };
            // The page has no data: its script asks for them with the token that the reader enters.
            let paths = page::PATHS.into_iter().chain(["/live"]);
            Router::new()
                .route(REPORTS_PATH, post(report).layer(require(scope(REPORT_SCOPE))))
                .route(FLEET_PATH, get(list).layer(require(scope(READ_SCOPE))))
                .merge(page::router())
                .route("/live", get(|| async { "ok" }))
                .layer(AuthenticateLayer::builder(verifier).public(paths).build()?)
        }
    };
    Ok(router.layer(middleware::from_fn(add_headers)).with_state(store))
}

fn report(store: &Store, caller: Option<&Arc<Verified>>, access: Option<&Access>, body: &str) -> Response {
    let report = match FleetReport::from_json(body) {
        Ok(report) => report,
        Err(error) => {
            return problem(StatusCode::BAD_REQUEST, "report_invalid", "the body is not a report", &error.to_string());
        }
    };
    let is_own = match (caller, access) {
        (Some(caller), Some(access)) => access.may_report(caller, &report.service),
        (None, None) => true,
        _ => false,
    };
    if !is_own {
        let detail = "the token's client may report only for the service of its name; see --client";
        return problem(StatusCode::FORBIDDEN, "service_not_own", "the report is about another service", detail);
    }
    match store.put(caller.map(|caller| caller.issuer()), report, body.len()) {
        Ok(answer) => Json(answer).into_response(),
        Err(Full) => {
            let detail = "the instances of this service, or of all, have used up the memory for reports";
            let mut response =
                problem(StatusCode::SERVICE_UNAVAILABLE, "reports_full", "there is no room for the report", detail);
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("60"));
            response
        }
    }
}

fn list(store: &Store, uri: &Uri) -> Response {
    let mut instances = store.instances(uri.query() == Some("policy"));
    let groups = assess(&mut instances, None);
    Json(json!({ "now": store.now(), "groups": groups, "instances": instances })).into_response()
}

/// A problem of RFC 9457.
fn problem(status: StatusCode, code: &str, title: &str, detail: &str) -> Response {
    let body = json!({ "status": status.as_u16(), "code": code, "title": title, "detail": detail });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}
