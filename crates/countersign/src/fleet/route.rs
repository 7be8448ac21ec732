//! The report as a route of the service.

use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};

use super::member::FleetMember;
use crate::extract::Claims;

impl FleetMember {
    /// A route with the report as JSON, and with the rules in force if the query is `?policy`.
    ///
    /// A report tells which checks are weakened. The route therefore needs a verified caller: without a layer before it the answer
    /// is 500, and an anonymous caller gets 401. Guard it, so that not every caller of the service may read it.
    ///
    /// ```
    /// use axum::Router;
    /// use countersign::fleet::FleetMember;
    /// use countersign::prelude::*;
    ///
    /// let verifier = Verifier::new(oidc("https://id.example.com").audience("orders"))?;
    /// let report = FleetMember::new("orders", &verifier).route();
    /// let app: Router = Router::new()
    ///     .route("/fleet", report.layer(require(scope("fleet:read"))))
    ///     .layer(AuthenticateLayer::new(verifier));
    /// # let _ = app;
    /// # Ok::<(), countersign::error::ConfigError>(())
    /// ```
    pub fn route<S: Clone + Send + Sync + 'static>(&self) -> MethodRouter<S> {
        let member = self.clone();
        get(move |_: Claims, uri: Uri| async move { respond(&member, uri.query() == Some("policy")) })
    }
}

fn respond(member: &FleetMember, has_policy: bool) -> Response {
    let report = if has_policy { member.report_with_policy() } else { member.report() };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, report.to_json()).into_response()
}
