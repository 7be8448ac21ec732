//! Limits of swaps, and peers of a Unix socket.

use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{HeaderMap, Method};
use countersign::app::RouteTable;
use countersign::outbound::ClientCredentials;
use countersign::policy::Policy;
use countersign::prelude::*;
use countersign::secret::Secret;
use countersign_gateway::{
    ClientRequest, Edge, EdgeDecision, ForeignHeaders, ForwardAuth, Gateway, GatewayConfig, ReservedHeaders, Rules,
    Swap, TrustedPeers, UnixPeer,
};
use countersign_test::TestIssuer;
use countersign_tests::http::{Service, answer_of};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener, UnixStream};

use crate::world::guide;

fn gateway(issuer: &TestIssuer, swaps: impl IntoIterator<Item = Swap>) -> Gateway {
    let table = RouteTable::from_json(r#"[{ "method": "GET", "path": "/orders", "access": "authenticated" }]"#);
    let layer = AuthenticateLayer::builder(issuer.verifier_for("orders")).keep_caller_token().build().expect("a layer");
    let headers = ReservedHeaders::new().build().expect("names");
    let rules = Rules::new(&table.expect("a table"), layer, headers).expect("rules");
    Gateway::new(rules.swaps(swaps).expect("of routes"))
}

/// The status for this subject.
async fn asks(gateway: &Gateway, issuer: &TestIssuer, subject: &str) -> u16 {
    let token = issuer.token().subject(subject).audience("orders").sign();
    let headers = HeaderMap::from_iter([(
        "authorization".parse().expect("a name"),
        format!("Bearer {token}").parse().expect("a value"),
    )]);
    match gateway.decide(ClientRequest::new(Method::GET, "shop.test", "/orders", headers), ForeignHeaders::Remove).await
    {
        EdgeDecision::Refused(response) => response.status().as_u16(),
        _ => 200,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s15_02_a_token_service_that_hangs_holds_few_requests_and_none_for_long() {
    // It accepts connections and never answers.
    let hanging = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = format!("http://{}/token", hanging.local_addr().expect("bound"));
    let issuer = TestIssuer::with_system_clock();
    let source = ClientCredentials::from_token_endpoint(&endpoint).client("gateway", Secret::from("s"));
    let exchange = Swap::exchanged("/orders", "https://orders.internal", "orders", source).expect("a swap");
    let secret = std::env::temp_dir().join(format!("cs-gateway-hanging-secret-{}", std::process::id()));
    std::fs::write(&secret, "s").expect("a file");
    let policy = serde_json::json!({
        "issuers": [{ "issuer": issuer.name(), "audience": "orders", "keys": { "inline": issuer.jwks() } }],
        "transactions": { "trust_domain": "shop.example", "keys": { "inline": issuer.jwks() } },
        "outbound": [{
            "origin": "https://orders.internal", "token_endpoint": endpoint, "client": "gateway",
            "secret_file": secret, "audience": "orders",
        }],
    });
    let policy = Policy::from_json(&policy.to_string()).expect("a policy");
    let begin = Swap::with_transaction("/orders", &policy.outbound[0], "orders:place", &policy).expect("a swap");
    for swap in [exchange, begin] {
        let gateway = gateway(&issuer, [swap.max_waiting(8).timeout(Duration::from_secs(2))]);
        let start = Instant::now();
        let mut calls = tokio::task::JoinSet::new();
        for n in 0..40 {
            let (gateway, issuer) = (gateway.clone(), issuer.clone());
            calls.spawn(async move { (asks(&gateway, &issuer, &format!("user-{n}")).await, start.elapsed()) });
        }
        let answers = calls.join_all().await;
        assert!(answers.iter().all(|(status, _)| *status == 503), "{answers:?}");
        let waited = answers.iter().filter(|(_, after)| *after >= Duration::from_secs(2)).count();
        assert!((1..=8).contains(&waited), "{waited} of 40 waited");
        assert!(answers.iter().all(|(_, after)| *after < Duration::from_secs(8)), "{answers:?}");
    }
    std::fs::remove_file(secret).expect("removed");
    drop(hanging);
}

#[test]
fn limits_and_sockets_are_checked() {
    let text = |more: &str| guide().file("gateway.toml").replacen("\n\n", &format!("\n{more}\n\n"), 1);
    for (more, expected) in [
        ("[limits]\nmax_connections = 0", "nonzero"),
        ("[limits]\nmax_conections = 1", "unknown field"),
        ("[limits]\nexchange_timeout_seconds = 0", "nonzero"),
    ] {
        let read = GatewayConfig::from_toml(&text(more)).map(drop);
        let found = read.expect_err(more).to_string();
        assert!(found.contains(expected), "{more}: {found}");
    }
    let socket = |more: &str| {
        let text = text(more).replace("\"127.0.0.1:9001\"", "\"unix:/run/countersign/gateway.sock\"");
        GatewayConfig::from_toml(&text).expect("a configuration")
    };
    assert_eq!(socket("").socket_permissions().ok(), Some(0o660));
    assert_eq!(socket("socket_mode = \"600\"").socket_permissions().ok(), Some(0o600));
    assert_eq!(socket("").peers().ok(), Some(TrustedPeers::unix_socket()));
    for mode in ["666", "662", "6a0", "1660", ""] {
        assert!(socket(&format!("socket_mode = {mode:?}")).socket_permissions().is_err(), "{mode}");
    }
    assert!(
        socket("trusted_peers = [\"10.1.0.7\"]").peers().expect_err("no addresses").to_string().contains("socket_mode")
    );
    let tcp = GatewayConfig::from_toml(&text("socket_mode = \"660\"")).expect("a configuration");
    assert!(tcp.socket_permissions().is_err(), "no socket");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_03_the_peers_of_a_socket_are_those_of_its_file_and_no_address_is_one() {
    let issuer = TestIssuer::with_system_clock();
    let router = |peers: TrustedPeers| -> Router {
        Router::new().fallback_service(ForwardAuth::new(gateway(&issuer, []), Edge::Nginx).trusted_peers(peers))
    };
    let bearer = format!("Authorization: Bearer {}", issuer.token().audience("orders").sign());
    let headers = ["X-Countersign-Uri: /orders", &bearer];
    let path = std::env::temp_dir().join(format!("cs-gateway-{}.sock", std::process::id()));
    for (peers, expected) in
        [(TrustedPeers::unix_socket(), 200), (TrustedPeers::loopback(), 403), (TrustedPeers::default(), 403)]
    {
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).expect("a socket");
        let service = router(peers).into_make_service_with_connect_info::<UnixPeer>();
        let server = tokio::spawn(async move { axum::serve(listener, service).await });
        let mut stream = UnixStream::connect(&path).await.expect("it listens");
        let head = format!(
            "GET /check/GET/orders HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n{}\r\n\r\n",
            headers.join("\r\n")
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        assert_eq!(answer_of(&answer).status, expected, "{answer}");
        server.abort();
    }
    std::fs::remove_file(&path).expect("removed");
    // A request that came over TCP, or through a server that records no peer, is of no socket.
    let tcp = Service::with_peers(router(TrustedPeers::unix_socket())).await;
    assert_eq!(tcp.request("GET /check/GET/orders", &headers).await.code(), "untrusted_peer");
    let unknown = Service::start(router(TrustedPeers::unix_socket())).await;
    assert_eq!(unknown.request("GET /check/GET/orders", &headers).await.code(), "untrusted_peer");
}
