//! A gateway with one route, and the checks that nginx and Envoy send of a request for it.

use bytes::{BufMut as _, Bytes, BytesMut};
use countersign::app::RouteTable;
use countersign::authenticate::AuthenticateLayer;
use countersign_core::mint::Signer;
use countersign_gateway::{Gateway, IdentityValue, ReservedHeaders, Rules};
use envoy_types::ext_authz::v3::pb::{
    Authorization, CheckRequest, CheckResponse, HeaderValue, HttpResponse, OkHttpResponse,
};
use envoy_types::pb::envoy::config::core::v3::address::Address as Kind;
use envoy_types::pb::envoy::config::core::v3::socket_address::{PortSpecifier, Protocol};
use envoy_types::pb::envoy::config::core::v3::{Address, HeaderMap, SocketAddress};
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::google::rpc;
use prost::Message as _;

use crate::sample;

/// The host that clients call.
const HOST: &str = "shop.example.com";

/// Path and query of the client's request.
const TARGET: &str = "/orders?page=2";

/// Room for some hundred tokens.
const CACHE_BYTES: usize = 4 << 20;

/// The path of the check over gRPC.
pub const CHECK_METHOD: &str = "/envoy.service.auth.v3.Authorization/Check";

/// The path of nginx's check.
#[must_use]
pub fn check_path() -> String {
    format!("/check/GET{TARGET}")
}

/// A gateway that takes the tokens of this signer, as `countersign gateway` builds it.
#[must_use]
pub fn gateway(signer: &Signer) -> Gateway {
    let layer = AuthenticateLayer::builder(sample::verifier(signer, CACHE_BYTES)).keep_caller_token();
    let table = RouteTable::from_json(
        r#"[{ "method": "GET", "path": "/orders", "access": "required", "rule": { "scope": "orders:read" } }]"#,
    );
    let headers = ReservedHeaders::new().set("x-caller", IdentityValue::Subject).build().expect("names");
    let rules = Rules::new(&table.expect("a table"), layer.build().expect("a layer"), headers);
    Gateway::new(rules.expect("rules"))
}

/// Permits every check over gRPC.
#[derive(Clone, Copy, Debug)]
pub struct AlwaysPermits;

#[tonic::async_trait]
impl Authorization for AlwaysPermits {
    async fn check(&self, _: tonic::Request<CheckRequest>) -> Result<tonic::Response<CheckResponse>, tonic::Status> {
        Ok(tonic::Response::new(CheckResponse {
            status: Some(rpc::Status::default()),
            http_response: Some(HttpResponse::OkResponse(OkHttpResponse::default())),
            ..CheckResponse::default()
        }))
    }
}

/// The message as gRPC sends it.
#[must_use]
pub fn frame(check: &CheckRequest) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0); // not compressed
    frame.put_u32(u32::try_from(check.encoded_len()).expect("a short message"));
    check.encode(&mut frame).expect("room");
    frame.freeze()
}

/// The headers of a browser's request with this token.
fn of_client(token: &str) -> Vec<(&'static str, String)> {
    [
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "application/json, text/plain, */*"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("origin", "https://shop.example.com"),
        ("referer", "https://shop.example.com/"),
    ]
    .into_iter()
    .map(|(name, value)| (name, value.to_owned()))
    .chain([("authorization", format!("Bearer {token}"))])
    .collect()
}

/// The headers of nginx's check.
#[must_use]
pub fn forward_auth_headers(token: &str) -> Vec<(&'static str, String)> {
    let own = [("host", HOST.to_owned()), ("x-countersign-uri", TARGET.to_owned())];
    own.into_iter().chain(of_client(token)).collect()
}

/// The check of Envoy with `encode_raw_headers`.
#[must_use]
pub fn check_request(token: &str) -> CheckRequest {
    let own = [
        (":authority", HOST),
        (":path", TARGET),
        (":method", "GET"),
        (":scheme", "http"),
        ("x-forwarded-proto", "http"),
        ("x-request-id", "01938f2e-7c4a-7b21-9e5d-0d1e2f3a4b5c"),
    ];
    let own = own.into_iter().map(|(name, value)| (name, value.to_owned()));
    let header = |(key, value): (&str, String)| HeaderValue {
        key: key.to_owned(),
        raw_value: value.into_bytes(),
        ..HeaderValue::default()
    };
    let http = HttpRequest {
        id: "1234567890123456789".to_owned(),
        method: "GET".to_owned(),
        path: TARGET.to_owned(),
        host: HOST.to_owned(),
        scheme: "http".to_owned(),
        protocol: "HTTP/1.1".to_owned(),
        header_map: Some(HeaderMap { headers: own.chain(of_client(token)).map(header).collect() }),
        ..HttpRequest::default()
    };
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(peer(52_114)),
            destination: Some(peer(8080)),
            request: Some(Request { http: Some(http), ..Request::default() }),
            ..AttributeContext::default()
        }),
    }
}

fn peer(port: u32) -> Peer {
    let address = SocketAddress {
        protocol: Protocol::Tcp.into(),
        address: "127.0.0.1".to_owned(),
        port_specifier: Some(PortSpecifier::PortValue(port)),
        ..SocketAddress::default()
    };
    Peer { address: Some(Address { address: Some(Kind::SocketAddress(address)) }), ..Peer::default() }
}
