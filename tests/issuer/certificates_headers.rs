//! Certificates in headers at the token endpoint: only of named proxies. CONFORMANCE S6.22.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use axum::routing::any;
use axum::{Extension, Router, body::Body};
use base64_simd::STANDARD;
use countersign::proof::{MutualTls, PeerCertificate, ReadCertificateLayer, TlsPeer};
use countersign_core::secret::Secret;
use countersign_issuer::{Client, IssuerBuilder};
use serde_json::json;
use tower::ServiceExt;

use crate::direct::{CC, basic};
use crate::dpop::{Answer, World};
use crate::service::{SECRET, shop};

/// DER of the right form, which no server here reads further.
const DER: &[u8] = &[0x30, 0x03, 1, 2, 3];
const OTHER: &[u8] = &[0x30, 0x03, 1, 2, 4];

const PROXY: &str = "10.0.0.5:4000";
const UNTRUSTED: &str = "10.0.0.9:4000";

fn rfc9440(der: &[u8]) -> (&'static str, String) {
    ("client-cert", format!(":{}:", STANDARD.encode_to_string(der)))
}

fn envoy(der: &[u8]) -> (&'static str, String) {
    let thumbprint = PeerCertificate::from_der(der).thumbprint();
    let hash: String = thumbprint.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    ("x-forwarded-client-cert", format!("By=spiffe://a/b;Hash={hash};Subject=\"CN=client\""))
}

fn with_clients(builder: IssuerBuilder) -> IssuerBuilder {
    let bound = Client::new("bound").secret(Secret::from(SECRET)).audiences(["billing"]);
    let own = [PeerCertificate::from_der(DER).thumbprint()];
    shop(builder)
        .add_client(bound.certificate_bound_access_tokens())
        .add_client(Client::new("mesh").audiences(["billing"]).certificates(own))
}

/// A token request of `bound`, or of `mesh` if it has no secret.
fn request(world: &World, client: &str, peer: Option<&str>, headers: &[(&'static str, String)]) -> Request<Body> {
    let mut request = match client {
        "mesh" => world.request("", &[], &format!("{CC}&client_id=mesh")),
        client => world.request(&basic(client, SECRET), &[], CC),
    };
    for (name, value) in headers {
        request.headers_mut().append(*name, HeaderValue::from_str(value).expect("a value"));
    }
    let peer: Option<SocketAddr> = peer.map(|peer| peer.parse().expect("an address"));
    peer.map(|peer| request.extensions_mut().insert(ConnectInfo(peer)));
    request
}

async fn answer(router: Router, request: Request<Body>) -> Answer {
    Answer::of(router.oneshot(request).await.expect("infallible")).await
}

fn layer(mutual_tls: MutualTls) -> ReadCertificateLayer {
    ReadCertificateLayer::new(mutual_tls).expect("sound")
}

#[tokio::test]
async fn s6_22_a_header_never_counts_without_a_layer_that_names_the_proxy() {
    let world = World::with(with_clients);
    let chain = ("client-cert-chain", rfc9440(DER).1);
    let all = [rfc9440(DER), envoy(DER), chain];
    let untrusted = [
        world.issuer.router(),
        world.issuer.router().layer(layer(MutualTls::of_connection())),
        world.issuer.router().layer(layer(MutualTls::from_proxies(["10.0.0.6", "::1"]))),
        world.issuer.router().layer(layer(MutualTls::from_envoy(["10.0.0.6"]))),
    ];
    for router in untrusted {
        for header in &all {
            for peer in [Some(PROXY), None] {
                let of = async |client| {
                    answer(router.clone(), request(&world, client, peer, std::slice::from_ref(header))).await
                };
                of("bound").await.assert_refused("invalid_request");
                of("mesh").await.assert_not_authenticated();
                of("orders").await.token_of(None, None);
            }
        }
    }
}

#[tokio::test]
async fn s6_22_the_header_of_a_named_proxy_binds_and_authenticates() {
    let world = World::with(with_clients);
    let own = Some(PeerCertificate::from_der(DER));
    type Header = fn(&[u8]) -> (&'static str, String);
    let cases: [(MutualTls, Header, Header); 2] = [
        (MutualTls::from_proxies(["10.0.0.5"]), rfc9440, envoy),
        (MutualTls::from_envoy(["10.0.0.0/30", "10.0.0.5"]), envoy, rfc9440),
    ];
    for (mutual_tls, header, foreign) in cases {
        let router = world.issuer.router().layer(layer(mutual_tls));
        let ask = async |client: &str, peer: Option<&str>, headers: &[(&'static str, String)]| {
            answer(router.clone(), request(&world, client, peer, headers)).await
        };
        ask("bound", Some(PROXY), &[header(DER)]).await.token_of(None, own);
        ask("bound", Some(PROXY), &[header(OTHER)]).await.token_of(None, Some(PeerCertificate::from_der(OTHER)));
        ask("mesh", Some(PROXY), &[header(DER)]).await.token_of(None, None);
        ask("mesh", Some(PROXY), &[header(OTHER)]).await.assert_not_authenticated();

        // Another peer, and one that nobody told.
        for peer in [Some(UNTRUSTED), None] {
            ask("bound", peer, &[header(DER)]).await.assert_refused("invalid_request");
            ask("mesh", peer, &[header(DER)]).await.assert_not_authenticated();
        }
        // A client's own header, which the proxy passes on because it writes another one.
        ask("bound", Some(PROXY), &[foreign(DER)]).await.assert_refused("invalid_request");
        ask("bound", Some(PROXY), &[foreign(OTHER), header(DER)]).await.token_of(None, own);
        // What cannot be read is no request without a certificate.
        let garbled = (header(DER).0, "x".to_owned());
        for headers in [vec![header(DER), header(DER)], vec![header(DER), header(OTHER)], vec![garbled]] {
            for client in ["bound", "mesh", "orders"] {
                ask(client, Some(PROXY), &headers).await.assert_refused("invalid_request");
            }
        }
        ask("orders", Some(UNTRUSTED), &[header(DER), header(DER)]).await.token_of(None, None);
    }
}

/// With TLS between proxy and issuer, the connection has the certificate of the proxy.
#[tokio::test]
async fn s6_22_the_certificate_of_the_proxy_is_not_that_of_its_client() {
    let world = World::with(with_clients);
    let router = world.issuer.router().layer(layer(MutualTls::from_proxies(["10.0.0.5"])));
    let of_proxy = PeerCertificate::from_der(OTHER);
    let ask = async |peer: &str, headers: &[(&'static str, String)]| {
        let mut request = request(&world, "bound", None, headers);
        let peer = TlsPeer::new(peer.parse().expect("an address"), Some(of_proxy));
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(of_proxy);
        answer(router.clone(), request).await
    };
    ask(PROXY, &[]).await.assert_refused("invalid_request");
    ask(UNTRUSTED, &[rfc9440(DER)]).await.assert_refused("invalid_request");
    ask(PROXY, &[rfc9440(DER)]).await.token_of(None, Some(PeerCertificate::from_der(DER)));
}

#[tokio::test]
async fn s6_22_s8_27_the_inner_service_sees_no_header_of_others_and_the_address_of_the_client() {
    let seen = |headers: HeaderMap, peer: Option<Extension<ConnectInfo<SocketAddr>>>| async move {
        let names = ["client-cert", "client-cert-chain", "x-forwarded-client-cert"];
        let peer = peer.map(|Extension(ConnectInfo(peer))| peer.to_string());
        axum::Json(json!([names.map(|name| headers.contains_key(name)), peer]))
    };
    let router = Router::new().route("/", any(seen)).layer(layer(MutualTls::of_connection()));
    let mut request = Request::get("/").body(Body::empty()).expect("a request");
    for (name, value) in [rfc9440(DER), envoy(DER), ("client-cert-chain", rfc9440(DER).1)] {
        request.headers_mut().insert(name, HeaderValue::from_str(&value).expect("a value"));
    }
    request.extensions_mut().insert(ConnectInfo(TlsPeer::new(UNTRUSTED.parse().expect("an address"), None)));
    let answer = answer(router, request).await;
    assert_eq!((answer.status, answer.body), (StatusCode::OK, json!([[false, false, false], UNTRUSTED])));
}

#[test]
fn s6_22_a_layer_that_would_trust_everybody_is_refused() {
    for peers in [vec![], vec!["proxy.internal"], vec!["0.0.0.0/0"]] {
        for mutual_tls in [MutualTls::from_proxies(peers.clone()), MutualTls::from_envoy(peers.clone())] {
            let error = ReadCertificateLayer::new(mutual_tls).expect_err("a fault");
            assert_eq!(error.faults()[0].field, "trusted_proxies", "{peers:?}");
        }
    }
}
