//! `gateway`: the public entry point. It verifies requests and calls `orders` with an exchanged token that names the caller.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use countersign::authenticate::CallerToken;
use countersign::error::ConfigError;
use countersign::prelude::*;
use countersign::response::Detail;

use crate::policy::may_write;

/// State of the handlers: a client whose tokens are sent only to `orders`.
#[derive(Clone)]
pub struct Gateway {
    pub http: reqwest::Client,
    pub outbound: Outbound,
    pub orders: String,
}

/// Reports the exact reason of a refusal ([`Detail::Code`]), which suits an internal network. The default reports less.
pub fn app(verifier: Verifier, gateway: Gateway) -> Result<Router, ConfigError> {
    let layer = AuthenticateLayer::builder(verifier).public(["/health"]).keep_caller_token().detail(Detail::Code);
    Ok(Router::new()
        .route("/orders", get(forward).layer(require(scope("orders:read"))))
        .route("/orders", post(forward).layer(require(may_write())))
        .route("/tenants/{tenant}/orders", get(forward))
        .route("/plan", get(forward))
        .route("/health", get(|| async { "ok" }))
        .with_state(gateway)
        .layer(layer.build()?))
}

async fn forward(
    State(gateway): State<Gateway>,
    caller: CallerToken,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response {
    let url = format!("{}{}", gateway.orders, uri.path()); // a route above matched it, so it is a path of orders
    let request = gateway.http.request(method, url).body(body);
    match gateway.outbound.on_behalf_of(&caller).send(request).await {
        Ok(response) => relay(response).await,
        Err(error) => {
            eprintln!("  gateway: the call to orders failed: {error}");
            let is_transient = error.is_transient();
            if is_transient { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::BAD_GATEWAY }.into_response()
        }
    }
}

/// Copies status, content type and body. A 401 between services is not the fault of the caller and becomes 502.
async fn relay(received: reqwest::Response) -> Response {
    let status =
        if received.status() == StatusCode::UNAUTHORIZED { StatusCode::BAD_GATEWAY } else { received.status() };
    let content_type = received.headers().get(header::CONTENT_TYPE).cloned();
    let Ok(body) = received.bytes().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let mut response = (status, Body::from(body)).into_response();
    if let Some(content_type) = content_type {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    response
}
