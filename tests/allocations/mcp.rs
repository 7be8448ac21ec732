//! The layer of MCP servers with the requirement of a tool, for a cached token.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use countersign::prelude::*;
use countersign_mcp::McpLayer;
use countersign_test::TestIssuer;
use http::{Request, Response, StatusCode};
use tower::{Layer, Service};

use super::allocations;
use super::guards::now;

/// The most allocations of layer and requirement together.
const MOST: usize = 5;

/// A server that does nothing.
#[derive(Clone)]
struct Bare;

impl Service<Request<()>> for Bare {
    type Response = Response<http_body_util::Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(http_body_util::Full::default())))
    }
}

/// Allocations of a call, and the nanoseconds of the fastest of many.
fn cost<S, B>(mut service: S, template: &Request<()>) -> (usize, u128)
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
{
    let (mut most, mut fastest) = (0, u128::MAX);
    for round in 0..200 {
        let request = template.clone();
        let mut status = None;
        let begun = Instant::now();
        let count = allocations(|| status = Some(now(service.call(request)).map(|response| response.status())));
        fastest = fastest.min(begun.elapsed().as_nanos());
        assert_eq!(status, Some(Ok(StatusCode::OK)));
        most = if round == 0 { 0 } else { most.max(count) };
    }
    (most, fastest)
}

#[test]
fn an_mcp_call_with_a_token_seen_before_takes_few_allocations() {
    let issuer = TestIssuer::new();
    let resource = "https://mcp.test/mcp";
    let mcp = McpLayer::with_verifier(resource, issuer.verifier_for(resource))
        .tool("delete_order", scope("orders:write").and(role("manager")))
        .server_compares_headers_with_body()
        .build()
        .expect("a layer");
    let token = issuer.token().audience(resource).scope("orders:write").role("manager").sign();
    let request = Request::post("/mcp")
        .header("authorization", format!("Bearer {token}"))
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "delete_order")
        .body(())
        .expect("a request");
    let (bare, bare_time) = cost(Bare, &request);
    let (layered, layered_time) = cost(mcp.layer(Bare), &request);
    println!("{bare} and {layered} allocations; {bare_time} and {layered_time} ns in this build");
    assert!(layered <= bare + MOST, "{layered} rather than {bare}");
}
