//! Bound tokens of our client at our layer, which demands proofs with nonces.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::routing::{any, get};
use axum::{Extension, Router};
use countersign::authenticate::CallerToken;
use countersign::authz::proof_of_possession;
use countersign::grpc::grpc;
use countersign::key::{Algorithm, StaticKeys};
use countersign::mint::Signer;
use countersign::outbound::{
    AttachTokenLayer, AttachTokenMiddleware, DpopKey, ForwardedToken, OutboundError, RepeatOnNonceLayer,
    SelfSignedToken, TokenSource, demands_nonce,
};
use countersign::policy::NeedsAudience;
use countersign::prelude::*;
use countersign::proof::{Dpop, Nonces};
use countersign_tests::http::Service;
use tokio::sync::Semaphore;
use tonic::Code;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server as GrpcServer};
use tower::Layer;

use crate::dpop::{binding, client, proof, source};
use crate::servers::{Server, json as answer};
use crate::stacks::{Echo, EchoServer, Tokens, echo};

const ISSUER: &str = "https://orders.test";

/// The service's own tokens, bound to a key, and the layer of a service at this address that takes only such.
fn pair(address: &str) -> (SelfSignedToken, AuthenticateLayer) {
    let issuer = Signer::generate(Algorithm::ES256).expect("a key");
    let keys = StaticKeys::new([issuer.verifying_key().expect("a public half")]);
    let trusted = NeedsAudience::new(ISSUER, Arc::new(keys)).audience("billing");
    let dpop = Dpop::at(address).nonces(Nonces::generate().expect("a secret"));
    let layer = AuthenticateLayer::builder(Verifier::new(trusted).expect("a verifier")).dpop(dpop).keep_caller_token();
    let source = SelfSignedToken::new(ISSUER, issuer).subject("orders").audience("billing");
    (source.dpop(DpopKey::generate().expect("a key")), layer.build().expect("a layer"))
}

/// A service that takes bound tokens only, and counts requests.
async fn billing() -> (Service, SelfSignedToken, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (source, layer) = pair(&format!("http://{}", listener.local_addr().expect("bound")));
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let counting = from_fn(move |request: Request, next: Next| {
        counter.fetch_add(1, Ordering::SeqCst);
        next.run(request)
    });
    let who = any(|claims: Claims, body: String| async move { format!("{} {body}", claims.subject()) });
    let router = Router::new().route("/invoices/{id}", who.layer(require(proof_of_possession())));
    (Service::on(listener, router.layer(layer).layer(counting)), source, count)
}

#[tokio::test]
async fn s6_17_s7_21_our_layer_takes_our_proofs_and_its_nonce_costs_one_request() {
    let (billing, source, count) = billing().await;
    let builder = Outbound::builder(client()).client_follows_no_redirects();
    let outbound = builder.bind(billing.url(), source).build().expect("bound");
    let address = format!("{}/invoices/a%2Fb?x=1", billing.url());
    for (sent, method) in [(2, reqwest::Method::POST), (3, reqwest::Method::GET), (4, reqwest::Method::DELETE)] {
        let request = outbound.client().request(method, &address).body("exactly this");
        let response = outbound.send(request).await.expect("an answer");
        assert_eq!((response.status().as_u16(), count.load(Ordering::SeqCst)), (200, sent));
        assert_eq!(response.text().await.expect("text"), "orders exactly this");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s6_11_s7_21_no_two_of_a_thousand_calls_have_the_same_proof() {
    let (billing, source, count) = billing().await;
    let attach = AttachTokenMiddleware::builder().client_follows_no_redirects().bind(billing.url(), source);
    let stack = reqwest_middleware::ClientBuilder::new(client()).with(attach.build().expect("bound")).build();
    let address = format!("{}/invoices/1", billing.url());
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (stack, address) = (stack.clone(), address.clone());
        calls.spawn(async move {
            for _ in 0..20 {
                assert_eq!(stack.get(&address).send().await.expect("an answer").status(), 200);
            }
        });
    }
    calls.join_all().await;
    let sent = count.load(Ordering::SeqCst);
    assert!((1_001..=1_050).contains(&sent), "{sent} requests for 1000 calls");
}

#[tokio::test]
async fn s6_17_s7_21_a_tonic_client_has_the_nonce_after_its_first_call() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("bound"));
    let (source, layer) = pair(&origin);
    let tokens = Tokens::default();
    let service = EchoServer(Echo { tokens: Arc::clone(&tokens), refuses: 0 });
    let server = GrpcServer::builder().layer(grpc(layer)).add_service(service);
    tokio::spawn(async move { server.serve_with_incoming(TcpIncoming::from(listener)).await });
    let channel = Endpoint::from_shared(origin.clone()).expect("an address").connect_lazy();
    let attach = AttachTokenLayer::builder().bind(&origin, source).build().expect("a layer");
    let mut client = Grpc::with_origin(attach.layer(channel), origin.parse().expect("a URI"));
    let refusal = echo(&mut client, None).await.expect_err("no nonce yet");
    assert_eq!(refusal.code(), Code::Unauthenticated);
    assert!(demands_nonce(&refusal.metadata().clone().into_headers()));
    for _ in 0..3 {
        assert_eq!(echo(&mut client, None).await.expect("an answer"), "hello");
    }
    let tokens = tokens.lock().expect("not poisoned");
    assert!(tokens.len() == 3 && tokens.iter().all(|token| token.starts_with("DPoP ")));
    assert!(tokens.iter().all(|token| *token == tokens[0]), "the demand for a nonce dropped no token");
}

/// A gRPC service that demands nonces, its token source, and the channel to it. `arrived` is told of each request.
async fn demanding(arrived: Arc<Semaphore>) -> (Channel, SelfSignedToken, String, Tokens) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("bound"));
    let (source, layer) = pair(&origin);
    let tokens = Tokens::default();
    let service = EchoServer(Echo { tokens: Arc::clone(&tokens), refuses: 0 });
    let counting = tower::util::MapRequestLayer::new(move |request: tonic::codegen::http::Request<_>| {
        arrived.add_permits(1);
        request
    });
    let server = GrpcServer::builder().layer(counting).layer(grpc(layer)).add_service(service);
    tokio::spawn(async move { server.serve_with_incoming(TcpIncoming::from(listener)).await });
    let channel = Endpoint::from_shared(origin.clone()).expect("an address").connect_lazy();
    (channel, source, origin, tokens)
}

#[tokio::test]
async fn s6_17_s7_19_s7_21_a_tonic_call_is_repeated_with_the_nonce_that_its_refusal_demands() {
    // A message of five letters is twelve bytes: five of framing, and two of its field.
    for (max_bytes, is_repeated) in [(12, true), (64 * 1024, true), (11, false)] {
        let arrived = Arc::new(Semaphore::new(0));
        let (channel, source, origin, tokens) = demanding(Arc::clone(&arrived)).await;
        let attach = AttachTokenLayer::builder().bind(&origin, source).build().expect("a layer");
        let repeat = RepeatOnNonceLayer::replaying(max_bytes, tonic::body::Body::new);
        let mut client = Grpc::with_origin(repeat.layer(attach.layer(channel)), origin.parse().expect("a URI"));
        match echo(&mut client, None).await {
            Ok(answer) => assert_eq!((answer.as_str(), is_repeated), ("hello", true)),
            Err(refusal) => {
                assert!(!is_repeated && demands_nonce(&refusal.metadata().clone().into_headers()), "{refusal:?}");
            }
        }
        assert_eq!(
            (arrived.available_permits(), tokens.lock().expect("a lock").len()),
            if is_repeated { (2, 1) } else { (1, 0) }
        );
        assert_eq!(echo(&mut client, None).await.expect("with the nonce"), "hello");
        assert_eq!(arrived.available_permits(), if is_repeated { 3 } else { 2 });
    }
}

/// The stream has its message only once the second request is there: what was not sent is sent by that one.
#[tokio::test]
async fn s7_19_s7_21_a_stream_of_tonic_goes_on_in_the_repeated_request() {
    let arrived = Arc::new(Semaphore::new(0));
    let (channel, source, origin, tokens) = demanding(Arc::clone(&arrived)).await;
    let attach = AttachTokenLayer::builder().bind(&origin, source).build().expect("a layer");
    let repeat = RepeatOnNonceLayer::replaying(1024, tonic::body::Body::new);
    let mut client = Grpc::with_origin(repeat.layer(attach.layer(channel)), origin.parse().expect("a URI"));
    let message = futures_util::stream::once(async move {
        let _both = arrived.acquire_many(2).await.expect("open");
        "hello".to_owned()
    });
    client.ready().await.expect("ready");
    let path = PathAndQuery::from_static("/test.Echo/Echo");
    let codec = tonic_prost::ProstCodec::<String, String>::default();
    let answer = client.client_streaming(tonic::Request::new(message), path, codec).await.expect("an answer");
    assert_eq!((answer.into_inner().as_str(), tokens.lock().expect("a lock").len()), ("hello", 1));
}

/// A caller with a bound token of its own, at a service that calls another on its behalf.
#[tokio::test]
async fn s7_24_s7_25_a_callers_bound_token_is_exchanged_for_one_of_our_key_and_never_sent() {
    let (issuer, stock) = (binding().await, Server::start(|_, _| answer(200, "{}".into())).await);
    let calls: [Box<dyn TokenSource>; 2] = [Box::new(source(&issuer)), Box::new(ForwardedToken::new("billing"))];
    for (calls, expected) in calls.into_iter().zip(["200", "forwarding_refused"]) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let (callers, layer) = pair(&address);
        let builder = Outbound::builder(client()).client_follows_no_redirects();
        let delegating = builder.bind(&stock.url, calls).build().expect("bound");
        let url = stock.url.clone();
        let handler = move |Extension(caller): Extension<CallerToken>| async move {
            let outcome = delegating.on_behalf_of(&caller).send(delegating.client().get(url)).await;
            outcome.map_or_else(
                |error: OutboundError| error.code().to_owned(),
                |answer| answer.status().as_str().to_owned(),
            )
        };
        let service = Service::on(listener, Router::new().route("/", get(handler)).layer(layer));
        let builder = Outbound::builder(client()).client_follows_no_redirects();
        let caller = builder.bind(service.url(), callers).build().expect("bound");
        let response = caller.send(caller.client().get(service.url())).await.expect("an answer");
        assert_eq!(response.text().await.expect("text"), expected);
    }
    assert_eq!((issuer.count(), stock.count()), (1, 1));
    let (asked, sent) = (&issuer.seen()[0], &stock.seen()[0]);
    assert_eq!(sent.header("authorization"), Some("DPoP token-0"));
    assert_eq!(proof(asked).0, proof(sent).0, "the key of the service");
    let subject = asked.body.split('&').find_map(|field| field.strip_prefix("subject_token=")).expect("a subject");
    let claims = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(subject.split('.').nth(1).expect("claims"));
    let claims: serde_json::Value = serde_json::from_slice(&claims.expect("base64url")).expect("JSON");
    assert!(claims["cnf"]["jkt"].is_string(), "bound to the caller's key");
}
