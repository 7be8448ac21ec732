//! Spring Boot, a resource server set up as `docs/guides/spring.md` says, which verifies tokens of the embedded issuer.

use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};
use countersign::key::Algorithm;
use countersign::outbound::{
    DpopKey, Outbound, OutboundToken, SelfSignedToken, TokenFuture, TokenRequest, TokenSource,
};
use countersign::secret::Secret;
use countersign_core::mint::{Draft, Signer};
use countersign_issuer::{Audience, Issuer};
use countersign_tests::parts::Part;
use countersign_tests::peers;
use countersign_tests::ports::free_ports;
use serde_json::json;

use crate::guide::Guide;
use crate::script::Server;

/// An issuer that is served on its port.
async fn issuer() -> (Issuer, u16) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let issuer = Issuer::builder(format!("http://127.0.0.1:{port}"))
        .clock(Arc::new(countersign::clock::SystemClock))
        .add_audience(Audience::new("orders").scopes(["orders:read"]))
        .add_audience(Audience::new("billing").scopes(["orders:read"]))
        .build()
        .expect("an issuer");
    let routes = issuer.router().into_make_service_with_connect_info::<std::net::SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (issuer, port)
}

fn token(issuer: &Issuer, audience: &str, scope: &str) -> String {
    let draft = Draft::access_token().subject("ann").audience(audience).client_id("web").scope(scope);
    issuer.mint(&draft).expect("a token").as_str().to_owned()
}

#[test]
fn the_guide_of_spring_shows_the_service_that_runs() {
    let guide = Guide::read("spring");
    for (name, path) in
        [("Orders.java", "src/main/java/shop/Orders.java"), ("application.yaml", "src/main/resources/application.yaml")]
    {
        let file = std::fs::read_to_string(peers::folder().join("spring").join(path)).expect("a file");
        assert_eq!(guide.file(name), file, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_spring), ignore = "needs Spring Boot: tests/peers/install")]
async fn s8_14_spring_verifies_tokens_of_the_embedded_issuer_and_follows_a_rotation() {
    let (issuer, issuer_port) = issuer().await;
    let [port] = free_ports();
    let address = format!("http://127.0.0.1:{port}");
    let mut server = Server::new(Part::Spring, "spring", &[port, issuer_port], format!("{address}/health"));
    server.start().await;
    let http = reqwest::Client::new();
    let status = async |token: &str| {
        let answer = http.get(format!("{address}/orders")).bearer_auth(token).send().await.expect("an answer");
        println!("{} {:?}", answer.status(), answer.headers().get("www-authenticate"));
        answer.status().as_u16()
    };
    let first = token(&issuer, "orders", "orders:read");
    assert_eq!(status(&first).await, 200);
    assert_eq!(status(&token(&issuer, "billing", "orders:read")).await, 401, "for another service");
    assert_eq!(status(&token(&issuer, "orders", "other")).await, 403, "without the scope");
    let other_issuer = countersign_test::TestIssuer::with_system_clock().with_name(issuer.name());
    assert_eq!(
        status(&other_issuer.token().audience("orders").scope("orders:read").sign()).await,
        401,
        "of another key"
    );

    for _ in 0..3 {
        issuer.rotate_now().expect("a key");
        assert_eq!(status(&token(&issuer, "orders", "orders:read")).await, 200, "of the new key, at once");
        assert_eq!(status(&first).await, 200, "its key is still published");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_spring), ignore = "needs Spring Boot: tests/peers/install")]
async fn s7_21_spring_checks_our_proofs() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let issuer_port = listener.local_addr().expect("bound").port();
    let issuer = format!("http://127.0.0.1:{issuer_port}");
    let signer = Arc::new(Signer::generate(Algorithm::ES256).expect("a key"));
    let metadata = json!({
        "issuer": issuer, "jwks_uri": format!("{issuer}/keys"), "response_types_supported": ["code"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"],
    });
    let keys = json!({ "keys": [signer.public_jwk()] });
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(|| async { Json(metadata) }))
        .route("/keys", get(|| async { Json(keys) }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let [port] = free_ports();
    let address = format!("http://127.0.0.1:{port}");
    let mut server = Server::new(Part::Spring, "spring", &[port, issuer_port], format!("{address}/health"));
    server.start().await;

    let source =
        || SelfSignedToken::new(&*issuer, Arc::clone(&signer)).subject("web").audience("orders").scope("orders:read");
    let call = async |source: OutboundToken| {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        let builder = Outbound::builder(http).client_follows_no_redirects().bind(&address, One(source));
        let outbound = builder.build().expect("bound");
        let request = outbound.client().get(format!("{address}/orders?page=2"));
        outbound.send(request).await.expect("an answer").status().as_u16()
    };
    let token = async |source: SelfSignedToken| source.token(&TokenRequest::default()).await.expect("a token");
    for algorithm in ["ES256", "RS256", "PS256", "ES384"] {
        let key = Signer::generate(algorithm.parse().expect("an algorithm")).expect("a key");
        let bound = token(source().dpop(DpopKey::from_signer(key))).await;
        assert_eq!(call(bound.clone()).await, 200, "{algorithm}");
        assert_eq!(call(bound).await, 200, "{algorithm}: a new proof");
    }
    let key = Arc::new(Signer::generate(Algorithm::ES256).expect("a key"));
    let bound = token(source().dpop(DpopKey::from_signer(Arc::clone(&key)))).await;
    let stolen = Secret::from(bound.expose());
    let thief = Signer::generate(Algorithm::ES256).expect("a key");
    assert_eq!(call(OutboundToken::from_dpop(&stolen, None, thief).expect("a token")).await, 401, "another key");
    assert_eq!(call(OutboundToken::from_dpop(&stolen, None, key).expect("a token")).await, 200);
}

/// A source of one token.
#[derive(Debug)]
struct One(OutboundToken);

impl TokenSource for One {
    fn token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
        Box::pin(async move { Ok(self.0.clone()) })
    }
}
