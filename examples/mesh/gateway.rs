//! `gateway`: the only door; it verifies, then calls `orders` with a token of its own that still names the caller.

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

/// What forwarding needs: a client whose tokens go to `orders` alone.
#[derive(Clone)]
pub struct Gateway {
    pub http: reqwest::Client,
    pub outbound: Outbound,
    pub orders: String,
}

/// Says exactly why a token is refused ([`Detail::Code`]), since this is a network of its own; the default says less.
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
    let url = format!("{}{}", gateway.orders, uri.path()); // matched by a route above, so it is one of orders' paths
    let request = gateway.http.request(method, url).body(body);
    match gateway.outbound.on_behalf_of(&caller).send(request).await {
        Ok(answer) => relay(answer).await,
        Err(error) => {
            eprintln!("  gateway: the call to orders failed: {error}");
            let is_transient = error.is_transient();
            if is_transient { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::BAD_GATEWAY }.into_response()
        }
    }
}

/// Status, content type and body; a 401 between services is our trouble and not the caller's (502).
async fn relay(answer: reqwest::Response) -> Response {
    let status = if answer.status() == StatusCode::UNAUTHORIZED { StatusCode::BAD_GATEWAY } else { answer.status() };
    let content_type = answer.headers().get(header::CONTENT_TYPE).cloned();
    let Ok(body) = answer.bytes().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let mut response = (status, Body::from(body)).into_response();
    if let Some(content_type) = content_type {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    response
}
