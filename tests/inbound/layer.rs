//! The layer as a tower layer, on axum and off it.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use axum::routing::get;
use bytes::Bytes;
use countersign::authenticate::{Authenticate, AuthenticateLayer, Authenticated, AuthenticationStatus};
use countersign::key::{KeyCell, KeySet, KeySource, RefreshFuture, RefreshOutcome, RefreshReason};
use countersign::policy::NeedsAudience;
use countersign::prelude::*;
use countersign_test::{Provider, TestIssuer};
use countersign_tests::http::Service as Loopback;
use http_body_util::Full;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt};

use crate::app::{builder, good, layer, who};

fn request(token: Option<&str>) -> Request<()> {
    let mut request = Request::builder().uri("/");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(()).expect("a request")
}

/// A service without a framework that answers with the caller.
#[derive(Clone)]
struct Plain;

impl Service<Request<()>> for Plain {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let who = match Authenticated::status(request.extensions()) {
            AuthenticationStatus::Verified(verified) => verified.subject().to_owned(),
            AuthenticationStatus::Anonymous => "nobody".to_owned(),
            _ => "unguarded".to_owned(),
        };
        ready(Ok(Response::new(Full::new(Bytes::from(who)))))
    }
}

/// The types can be named in a struct.
struct Holder {
    service: Authenticate<Plain>,
}

#[tokio::test]
async fn the_layer_works_on_any_http_service_and_its_type_can_be_named() {
    let issuer = TestIssuer::new();
    let mut holder = Holder { service: layer(&issuer).layer(Plain) };
    let refused = holder.service.ready().await.expect("ready").call(request(None)).await.expect("answered");
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let token = good(&issuer).sign();
    let passed = holder.service.ready().await.expect("ready").call(request(Some(&token))).await.expect("answered");
    assert_eq!(passed.status(), StatusCode::OK);
}

/// A service that panics if the clone that is called was not polled ready.
struct Reserved {
    inner: ConcurrencyLimit<Plain>,
    is_ready: bool,
}

impl Clone for Reserved {
    fn clone(&self) -> Self {
        Reserved { inner: self.inner.clone(), is_ready: false }
    }
}

impl Service<Request<()>> for Reserved {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = tower::limit::concurrency::future::ResponseFuture<Ready<Result<Self::Response, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        let polled = self.inner.poll_ready(context);
        self.is_ready |= polled.is_ready();
        polled
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "a clone was called that had not been polled ready");
        self.inner.call(request)
    }
}

/// A key source that has keys only after a refresh.
#[derive(Debug)]
struct Late {
    cell: KeyCell,
    jwks: String,
}

impl KeySource for Late {
    fn cell(&self) -> &KeyCell {
        &self.cell
    }

    fn refresh(&self, _reason: RefreshReason) -> RefreshFuture<'_> {
        Box::pin(async {
            tokio::task::yield_now().await;
            self.cell.store(Arc::new(KeySet::from_jwks(self.jwks.as_bytes()).expect("a key set")), None);
            RefreshOutcome::Refreshed
        })
    }
}

fn late_layer(issuer: &TestIssuer) -> AuthenticateLayer {
    let keys = Arc::new(Late { cell: KeyCell::new(), jwks: issuer.jwks() });
    let trusted = NeedsAudience::new(issuer.name(), keys).audience("api").algorithms([issuer.algorithm()]);
    let verifier = Verifier::builder().trust(trusted).clock(Arc::new(issuer.clock().clone())).build();
    AuthenticateLayer::new(verifier.expect("a good policy"))
}

#[tokio::test]
async fn the_clone_that_was_polled_ready_is_the_one_that_is_called() {
    let issuer = TestIssuer::new();
    let token = good(&issuer).sign();
    for layer in [layer(&issuer), late_layer(&issuer)] {
        let limited = Reserved { inner: ConcurrencyLimit::new(Plain, 1), is_ready: false };
        let mut service = layer.layer(limited);
        for _ in 0..3 {
            // With a limit of one, each call must release its permit, also if the layer answers.
            let passed = service.ready().await.expect("ready").call(request(Some(&token))).await.expect("answered");
            assert_eq!(passed.status(), StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn a_service_with_room_for_one_serves_all_after_refusals() {
    let issuer = TestIssuer::new();
    let token = good(&issuer).sign();
    let service = layer(&issuer).layer(ConcurrencyLimit::new(Plain, 1));
    for _ in 0..3 {
        let refused = service.clone().oneshot(request(None)).await.expect("answered");
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        let passed = service.clone().oneshot(request(Some(&token))).await.expect("answered");
        assert_eq!(passed.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn s5_22_a_bad_token_is_refused_even_if_anonymous_callers_are_allowed() {
    let issuer = TestIssuer::new();
    let layer = builder(&issuer).allow_anonymous().build().expect("a layer");
    let app = Router::new().route("/", get(who)).layer(layer);
    let service = Loopback::start(app).await;
    assert_eq!(service.request("GET /", &[]).await.body, "nobody");
    assert_eq!(service.get("/", &good(&issuer).sign()).await.body, "u1");
    assert_eq!(service.get("/", &good(&issuer).expired().sign()).await.code(), "token_expired");
    assert_eq!(service.request("GET /", &["Authorization: Bearer"]).await.status, 400);
}

#[tokio::test]
async fn s5_27_a_planted_record_is_removed() {
    let issuer = TestIssuer::new();
    // The only way to get a record is to copy one from a request that passed a layer.
    let stolen = Arc::new(std::sync::Mutex::new(None));
    let keep = Arc::clone(&stolen);
    let thief = tower::service_fn(move |request: Request<Body>| {
        *keep.lock().expect("unpoisoned") = request.extensions().get::<Authenticated>().cloned();
        ready(Ok::<_, Infallible>(Response::new(Body::empty())))
    });
    let mut request_of_victim = request(Some(&good(&issuer).sign())).map(|()| Body::empty());
    *request_of_victim.uri_mut() = "/".parse().expect("a path");
    layer(&issuer).layer(thief).oneshot(request_of_victim).await.expect("answered");
    let mark = stolen.lock().expect("unpoisoned").clone().expect("a record");

    let app = Router::new().route("/", get(who));
    for builder in [builder(&issuer), builder(&issuer).allow_anonymous(), builder(&issuer).public(["/"])] {
        let layer = builder.build().expect("a layer");
        let answer = {
            let mut request = request(None).map(|()| Body::empty());
            request.extensions_mut().insert(mark.clone());
            app.clone().layer(layer.clone()).oneshot(request).await.expect("answered")
        };
        let status = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), 4096).await.expect("a body");
        assert!(status == 401 || body == "nobody", "{status} {body:?}");
    }
}

#[tokio::test]
async fn s5_03_s5_07_over_http_with_keys_fetched_over_http() {
    let provider = Provider::start(&TestIssuer::with_system_clock()).await.expect("a port");
    let trusted = countersign::policy::danger::plain_http_issuer(oidc(provider.url()).audience("api"));
    let verifier = Verifier::new(trusted).expect("a policy");
    let service = Loopback::start(Router::new().route("/", get(who)).layer(AuthenticateLayer::new(verifier))).await;
    let token = provider.token().subject("u1").audience("api").sign();
    assert_eq!(service.get("/", &token).await.body, "u1");
    assert_eq!(service.get("/", &provider.token().audience("other").sign()).await.status, 401);
}
