//! Streams that outlive their transaction token, with tokio's paused time as the clock of the service: S5.21, S9.08.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::handler::Handler;
use axum::routing::get;
use countersign::clock::{Clock, UnixTime};
use countersign::grpc::grpc;
use countersign::lifetime::{TokenEnd, TokenEndAction, end_with_token};
use countersign::prelude::*;
use countersign::verify::TransactionVerifier;
use countersign_test::{BearerAuth, TokenDraft};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt};

use crate::shop::{DOMAIN, Shop, request};

/// A clock that follows tokio's paused time.
#[derive(Debug)]
struct Paused {
    base: UnixTime,
    start: tokio::time::Instant,
}

impl Clock for Paused {
    fn now(&self) -> UnixTime {
        self.base.saturating_add(self.elapsed())
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A layer whose time is tokio's.
fn layer(shop: &Shop) -> AuthenticateLayer {
    let clock: Arc<dyn Clock> =
        Arc::new(Paused { base: shop.issuer.clock().now(), start: tokio::time::Instant::now() });
    let verifier = Verifier::builder().trust(shop.issuer.trusted_for("stock")).clock(Arc::clone(&clock));
    let transactions = TransactionVerifier::builder(shop.service.transaction_service_for(DOMAIN)).clock(clock);
    AuthenticateLayer::builder(verifier.build().expect("a verifier"))
        .transaction_tokens(transactions.build().expect("a verifier"))
        .build()
        .expect("a layer")
}

/// A body with one tick per second and no end.
fn ticks() -> Body {
    let stream = futures_util::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, Infallible>(Bytes::from_static(b".")), ()))
    });
    Body::from_stream(stream)
}

/// The ticks that a caller gets who sends tokens with these lifetimes.
async fn ticks_for(shop: &Shop, caller: u64, transaction: Option<&TokenDraft>) -> usize {
    let last = TokenEndAction::Finish("event: end\n\n".into());
    let app = Router::new()
        .route("/", get((|| async { ticks() }).layer(end_with_token(last))))
        .route("/end", get(|end: TokenEnd| async move { end.expires_at().as_secs().to_string() }))
        .layer(layer(shop));
    let caller = shop.caller().lifetime(Duration::from_secs(caller));
    let get = caller.on(request("/"));
    let get = transaction.into_iter().fold(get, |get, transaction| get.txn_token(&transaction.sign()));
    let answer = app.oneshot(get.body(Body::empty()).expect("a request")).await.expect("answered");
    let body = answer.into_body().collect().await.expect("an end").to_bytes();
    assert!(body.ends_with(b"event: end\n\n"));
    body.iter().filter(|byte| **byte == b'.').count()
}

#[tokio::test(start_paused = true)]
async fn s5_21_s9_08_a_stream_ends_with_the_token_that_ends_first() {
    let shop = Shop::new();
    let transaction = |seconds| shop.transaction().lifetime(Duration::from_secs(seconds));
    for (caller, transaction, expected) in
        [(300, Some(transaction(90)), 90), (60, Some(transaction(90)), 60), (200, None, 200)]
    {
        let seen = ticks_for(&shop, caller, transaction.as_ref()).await;
        assert!((expected - 1..=expected).contains(&seen), "{seen} instead of {expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn s5_21_s9_08_a_running_stream_ends_within_a_minute_if_the_key_of_its_transaction_token_is_withdrawn() {
    let shop = Shop::new();
    let transaction = shop.transaction().lifetime(Duration::from_secs(280));
    let service = shop.service.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(70)).await;
        service.rotate();
        service.withdraw_old_keys();
    });
    let seen = ticks_for(&shop, 300, Some(&transaction)).await;
    assert!((70..=121).contains(&seen), "{seen}");
}

/// A method of tonic that streams; its trailers tell the end.
#[tokio::test(start_paused = true)]
async fn s5_29_s9_08_a_grpc_stream_ends_as_unauthenticated() {
    let shop = Shop::new();
    let stream = tower::service_fn(|_: http::Request<tonic::body::Body>| async {
        Ok::<_, Infallible>(http::Response::new(tonic::body::Body::new(ticks())))
    });
    let service = grpc(layer(&shop)).layer(grpc(end_with_token(TokenEndAction::Abort)).layer(stream));
    let transaction = shop.transaction().lifetime(Duration::from_secs(40)).sign();
    let call = shop.caller().lifetime(Duration::from_secs(300)).on(http::Request::get("/")).txn_token(&transaction);
    let began = tokio::time::Instant::now();
    let answer = service.oneshot(call.body(Body::empty()).expect("a request")).await.expect("answered");
    let collected = answer.into_body().collect().await.expect("an end");
    assert_eq!(collected.trailers().expect("trailers")["grpc-status"], "16");
    assert!((39..=41).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

/// A WebSocket waits for the same end.
#[tokio::test(start_paused = true)]
async fn s5_21_s9_08_the_end_of_a_websocket_is_that_of_its_transaction_token() {
    let shop = Shop::new();
    let end = |end: TokenEnd| async move {
        let expires_at = end.expires_at().as_secs();
        end.reached().await;
        expires_at.to_string()
    };
    let app = Router::new().route("/", get(end)).layer(layer(&shop));
    let transaction = shop.transaction().lifetime(Duration::from_secs(100));
    let call = shop.caller().lifetime(Duration::from_secs(300)).on(request("/")).txn_token(&transaction.sign());
    let (began, now) = (tokio::time::Instant::now(), shop.issuer.clock().now().as_secs());
    let answer = app.oneshot(call.body(Body::empty()).expect("a request")).await.expect("answered");
    let text = answer.into_body().collect().await.expect("a body").to_bytes();
    assert_eq!(String::from_utf8_lossy(&text), (now + 100).to_string());
    assert!((99..=101).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}
