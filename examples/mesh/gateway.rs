//! `gateway`: the public entry point. The crate `countersign-gateway` decides about each request in this process, by the table of
//! routes in `routes.json`, and swaps the caller's token for one that only `orders` accepts. A handler forwards the rest.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use countersign::app::RouteTable;
use countersign::error::ConfigError;
use countersign::prelude::*;
use countersign::response::Detail;
use countersign_gateway::{DecideLayer, Gateway, ReservedHeaders, Rules, Swap};

/// State of the handler: the service behind, and a client without tokens of its own.
#[derive(Clone)]
pub struct Behind {
    pub http: reqwest::Client,
    pub orders: String,
}

/// Reports the exact reason of a refusal ([`Detail::Code`]), which suits an internal network. The default reports less.
pub fn app(verifier: Verifier, swap: Swap, behind: Behind) -> Result<Router, ConfigError> {
    let table = RouteTable::from_json(include_str!("routes.json"))?;
    let layer = AuthenticateLayer::builder(verifier).keep_caller_token().detail(Detail::Code).build()?;
    let rules = Rules::new(&table, layer, ReservedHeaders::new().build()?)?.swaps([swap])?;
    Ok(Router::new()
        .route("/health", get(|| async { "ok" }))
        .fallback(forward)
        .with_state(behind)
        .layer(DecideLayer::new(Gateway::new(rules)))) // last: it decides about every request
}

/// Forwards a request that may pass. Its `Authorization` is that of the swap by now.
async fn forward(
    State(behind): State<Behind>,
    method: Method,
    uri: Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(target) = uri.path_and_query() else { return StatusCode::BAD_REQUEST.into_response() };
    let mut request = behind.http.request(method, format!("{}{target}", behind.orders)).body(body);
    for name in [header::AUTHORIZATION, header::CONTENT_TYPE] {
        if let Some(value) = headers.remove(&name) {
            request = request.header(name, value);
        }
    }
    match request.send().await {
        Ok(response) => relay(response).await,
        Err(error) => {
            eprintln!("  gateway: the call to orders failed: {}", error.without_url());
            StatusCode::BAD_GATEWAY.into_response()
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
