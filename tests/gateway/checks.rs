//! Checks that no edge sends, and peers that are none.

use axum::Router;
use countersign::prelude::*;
use countersign_gateway::{Edge, ExtAuthz, ForwardAuth, Gateway, ReservedHeaders, Rules, TrustedPeers};
use countersign_test::TestIssuer;
use countersign_tests::http::Service;
use envoy_types::ext_authz::v3::pb::{CheckRequest, CheckResponse, HeaderValue, HttpResponse};
use envoy_types::pb::envoy::config::core::v3::HeaderMap;
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use tonic::Code;

fn gateway(issuer: &TestIssuer) -> Gateway {
    let table =
        countersign::app::RouteTable::from_json(r#"[{ "method": "GET", "path": "/", "access": "authenticated" }]"#);
    let headers = ReservedHeaders::new().build().expect("names");
    let layer = AuthenticateLayer::new(issuer.verifier_for("orders"));
    Gateway::new(Rules::new(&table.expect("a table"), layer, headers).expect("rules"))
}

fn check(http: HttpRequest) -> CheckRequest {
    let request = Some(Request { http: Some(http), ..Request::default() });
    CheckRequest { attributes: Some(AttributeContext { request, ..AttributeContext::default() }) }
}

/// The status for the client; 200 if the request may pass.
fn status(response: CheckResponse) -> i32 {
    match response.http_response.expect("an answer") {
        HttpResponse::OkResponse(_) => 200,
        HttpResponse::DeniedResponse(denied) => denied.status.expect("a status").code,
        HttpResponse::ErrorResponse(_) => panic!("an error"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_12_a_check_over_grpc_that_is_none_is_refused() {
    let issuer = TestIssuer::with_system_clock();
    let service =
        Service::with_peers(ExtAuthz::new(gateway(&issuer)).trusted_peers(TrustedPeers::loopback()).router()).await;
    let mut client = AuthorizationClient::connect(service.url()).await.expect("connects");
    for empty in [
        CheckRequest::default(),
        CheckRequest { attributes: Some(AttributeContext::default()) },
        CheckRequest {
            attributes: Some(AttributeContext { request: Some(Request::default()), ..AttributeContext::default() }),
        },
    ] {
        assert_eq!(client.check(empty).await.expect_err("no request").code(), Code::InvalidArgument);
    }
    let bearer = format!("Bearer {}", issuer.token().audience("orders").sign());
    let raw = |headers: &[(&str, &[u8])]| {
        let header = |(key, value): &(&str, &[u8])| HeaderValue {
            key: (*key).to_owned(),
            raw_value: value.to_vec(),
            ..HeaderValue::default()
        };
        Some(HeaderMap { headers: headers.iter().map(header).collect() })
    };
    let good = HttpRequest {
        method: "GET".to_owned(),
        host: "shop.example.com".to_owned(),
        path: "/".to_owned(),
        header_map: raw(&[("authorization", bearer.as_bytes()), (":authority", b"evil.test")]),
        ..HttpRequest::default()
    };
    let joined = HttpRequest {
        header_map: None,
        headers: [("authorization".to_owned(), bearer.clone())].into(),
        ..good.clone()
    };
    for (http, expected) in [
        (good.clone(), 200),
        (joined, 200),
        (HttpRequest { method: String::new(), ..good.clone() }, 400),
        (HttpRequest { method: "G T".to_owned(), ..good.clone() }, 400),
        (HttpRequest { host: String::new(), ..good.clone() }, 400),
        (HttpRequest { host: "ann@shop.example.com".to_owned(), ..good.clone() }, 400),
        (HttpRequest { path: String::new(), ..good.clone() }, 400),
        (HttpRequest { path: "//".to_owned(), ..good.clone() }, 400),
        (HttpRequest { query: "a=b".to_owned(), ..good.clone() }, 400),
        (HttpRequest { fragment: "/admin".to_owned(), ..good.clone() }, 400),
        (HttpRequest { header_map: raw(&[("authorization", bearer.as_bytes()), ("a b", b"c")]), ..good.clone() }, 400),
        (
            HttpRequest {
                header_map: raw(&[("authorization", bearer.as_bytes()), ("a", b"b\r\nc: d")]),
                ..good.clone()
            },
            400,
        ),
        (HttpRequest { header_map: raw(&[("authorization", bearer.as_bytes()); 2]), ..good.clone() }, 400),
        (HttpRequest { header_map: None, ..good.clone() }, 401),
    ] {
        let shown = format!("{http:?}");
        assert_eq!(status(client.check(check(http)).await.expect("an answer").into_inner()), expected, "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_03_only_the_edge_may_ask() {
    let issuer = TestIssuer::with_system_clock();
    let bearer = format!("Authorization: Bearer {}", issuer.token().audience("orders").sign());
    let headers = ["X-Countersign-Uri: /", &bearer];
    let router = |peers: TrustedPeers| {
        Router::new().fallback_service(ForwardAuth::new(gateway(&issuer), Edge::Nginx).trusted_peers(peers))
    };
    let other = TrustedPeers::new(["10.1.0.0/16"]).expect("a network");
    let trusted = Service::with_peers(router(TrustedPeers::loopback())).await;
    assert_eq!(trusted.request("GET /check/GET/", &headers).await.status, 200);
    let foreign = Service::with_peers(router(other.clone())).await;
    assert_eq!(foreign.request("GET /check/GET/", &headers).await.code(), "untrusted_peer");
    let unknown = Service::start(router(TrustedPeers::loopback())).await;
    assert_eq!(
        unknown.request("GET /check/GET/", &headers).await.code(),
        "untrusted_peer",
        "its address is not recorded"
    );
    let grpc = Service::with_peers(ExtAuthz::new(gateway(&issuer)).trusted_peers(other).router()).await;
    let mut client = AuthorizationClient::connect(grpc.url()).await.expect("connects");
    let refused = client.check(CheckRequest::default()).await.expect_err("another peer");
    assert_eq!(refused.code(), Code::PermissionDenied);
}
