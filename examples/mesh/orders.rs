//! `orders`: serves orders by tenant, and calls `inventory` on behalf of the caller.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use countersign::authenticate::CallerToken;
use countersign::error::ConfigError;
use countersign::outbound::OutboundError;
use countersign::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::policy::{asked_by, may_write};

/// Schema 2 of the claims, which added `region`. Tokens of schema 1 still decode.
#[derive(Deserialize)]
struct OrderClaims {
    plan: String,
    #[serde(default)]
    region: Option<String>,
}

/// State of the handlers: a client whose tokens are sent only to `inventory`.
#[derive(Clone)]
pub struct Orders {
    pub http: reqwest::Client,
    pub outbound: Outbound,
    pub inventory: String,
}

pub fn app(verifier: Verifier, orders: Orders) -> Result<Router, ConfigError> {
    Ok(Router::new()
        .route("/orders", get(list).layer(require(scope("orders:read"))))
        .route("/orders", post(create).layer(require(may_write())))
        .route("/tenants/{tenant}/orders", get(of_tenant).layer(require(tenant_in_path("tenant"))))
        .route("/plan", get(plan))
        .with_state(orders)
        .layer(AuthenticateLayer::builder(verifier).keep_caller_token().build()?)) // last: every route above requires a token
}

async fn list(State(orders): State<Orders>, claims: Claims, caller: CallerToken) -> Result<Json<Value>, Unavailable> {
    let request = orders.http.get(format!("{}/stock/bolts", orders.inventory));
    let response = orders.outbound.on_behalf_of(&caller).send(request).await?;
    let stock: Value = response.error_for_status()?.json().await?;
    Ok(Json(json!({ "orders_of": claims.subject(), "asked_by": asked_by(&claims), "stock": stock })))
}

async fn create(claims: Claims) -> Json<Value> {
    Json(json!({ "created_by": claims.subject() }))
}

async fn of_tenant(tenant: Tenant) -> Json<Value> {
    Json(json!({ "orders_of_tenant": tenant.as_str() }))
}

async fn plan(claims: Claims<OrderClaims>) -> Json<Value> {
    Json(json!({ "subject": claims.subject(), "plan": claims.plan, "region": claims.region }))
}

/// A failed call to `inventory`: 503 if the failure is transient, otherwise 502.
pub struct Unavailable(StatusCode);

impl From<OutboundError> for Unavailable {
    fn from(error: OutboundError) -> Self {
        eprintln!("  orders: the call to inventory failed: {error}");
        Unavailable(if error.is_transient() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::BAD_GATEWAY })
    }
}

impl From<reqwest::Error> for Unavailable {
    fn from(error: reqwest::Error) -> Self {
        eprintln!("  orders: inventory sent an invalid response: {}", error.without_url());
        Unavailable(StatusCode::BAD_GATEWAY)
    }
}

impl IntoResponse for Unavailable {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}
