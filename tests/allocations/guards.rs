//! Guards and extractors, which allocate nothing for a cached token.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use axum::extract::FromRequestParts;
use bytes::Bytes;
use countersign::authenticate::AuthenticateLayer;
use countersign::authz::{claims_where, group, in_transaction};
use countersign::extract::Authorized;
use countersign::prelude::*;
use countersign_test::{TestIssuer, TokenDraft};
use http::{Request, Response};
use serde::Deserialize;
use tower::{Layer, Service};

use super::allocations;

countersign::requirement! {
    Last = role("role-49").and(group("group-49")).and(scope("scope-49"));
}

static DECODED: AtomicUsize = AtomicUsize::new(0);

#[derive(Clone)]
struct Own {
    plan: String,
}

impl<'de> Deserialize<'de> for Own {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            plan: String,
        }
        DECODED.fetch_add(1, Ordering::Relaxed);
        Fields::deserialize(deserializer).map(|fields| Own { plan: fields.plan })
    }
}

pub(super) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a future that should be ready waits"),
    }
}

/// Extracts `T` from the request as a handler does; answers 200, or 403 if the extraction fails.
struct Taking<T>(std::marker::PhantomData<fn() -> T>);

impl<T: FromRequestParts<()>> Service<Request<()>> for Taking<T> {
    type Response = Response<Bytes>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Bytes>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let (mut parts, ()) = request.into_parts();
        let mut response = Response::new(Bytes::new());
        if now(T::from_request_parts(&mut parts, &())).is_err() {
            *response.status_mut() = http::StatusCode::FORBIDDEN;
        }
        ready(Ok(response))
    }
}

impl<T> Clone for Taking<T> {
    fn clone(&self) -> Self {
        Taking(std::marker::PhantomData)
    }
}

/// Takes nothing.
struct Nothing;

impl FromRequestParts<()> for Nothing {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut http::request::Parts, (): &()) -> Result<Self, Infallible> {
        Ok(Nothing)
    }
}

/// A token with so many scopes, roles, permissions and groups each.
fn with_authorities(issuer: &TestIssuer, count: usize) -> TokenDraft {
    let draft = issuer.token().audience("api").claim("plan", "gold");
    (50 - count..50).fold(draft, |draft, number| {
        draft
            .scope(format!("scope-{number}"))
            .role(format!("role-{number}"))
            .permission(format!("permission-{number}"))
            .group(format!("group-{number}"))
    })
}

/// Allocations of a call with a token that was seen before.
fn of_a_hit<S, B>(service: S, token: &str) -> usize
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
{
    let template = Request::get("/").header("authorization", format!("Bearer {token}")).body(()).expect("a request");
    of_requests(service, &template)
}

/// The same with any request.
fn of_requests<S, B>(mut service: S, template: &Request<()>) -> usize
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
{
    // The miss, and until the thread has the token as its own.
    (0..20).for_each(|_| drop(now(service.call(template.clone()))));
    let counts = (0..4).map(|_| {
        let request = template.clone();
        let mut status = None;
        let count = allocations(|| status = Some(now(service.call(request)).map(|response| response.status())));
        assert_eq!(status, Some(Ok(http::StatusCode::OK)));
        count
    });
    counts.max().expect("four hits")
}

#[test]
fn guards_and_extractors_allocate_nothing_for_a_token_seen_before() {
    let issuer = TestIssuer::new();
    let layer = AuthenticateLayer::new(issuer.verifier_for("api"));
    fn taking<T>() -> Taking<T> {
        Taking(std::marker::PhantomData)
    }
    for count in [1, 50] {
        let token = with_authorities(&issuer, count).sign();
        let bare = of_a_hit(layer.layer(taking::<Nothing>()), &token);
        for requirement in [
            scope("scope-49"),
            role("role-49").and(permission("permission-49")).and(group("group-49")).and(scope("scope-49")),
            role("none").or(role("role-49")),
            role("none").not().and(role("role-49").shadowed()),
            claims_where("gold", |own: &Own| own.plan == "gold"),
        ] {
            let words = requirement.to_string();
            let guarded = of_a_hit(layer.layer(require(requirement).layer(taking::<Nothing>())), &token);
            assert!(guarded <= bare, "{guarded} rather than {bare}, {count} authorities: {words}");
        }
        let decoded = DECODED.load(Ordering::Relaxed);
        for (name, taken) in [
            ("Claims", of_a_hit(layer.layer(taking::<Claims>()), &token)),
            ("Claims<C>", of_a_hit(layer.layer(taking::<Claims<Own>>()), &token)),
            ("Authorized<D, C>", of_a_hit(layer.layer(taking::<Authorized<Last, Own>>()), &token)),
        ] {
            assert!(taken <= bare, "{taken} rather than {bare}, {count} authorities: {name}");
        }
        assert_eq!(DECODED.load(Ordering::Relaxed), decoded, "parsed for the guard before, and never again");
        println!("{count} authorities: the layer {bare}, guards and extractors nothing more");
    }
    assert_eq!(DECODED.load(Ordering::Relaxed), 2, "one parse a token");
}

#[test]
fn a_transaction_token_seen_before_costs_no_allocation() {
    let issuer = TestIssuer::new();
    let transactions = issuer.transaction_verifier_for("shop.example");
    let layer = AuthenticateLayer::builder(issuer.verifier_for("api")).transaction_tokens(transactions).build();
    let layer = layer.expect("a layer");
    let token = issuer.token().audience("api").scope("a").sign();
    let transaction = issuer.transaction_token("shop.example", "orders");
    let transaction = transaction.sign();
    let without = Request::get("/").header("authorization", format!("Bearer {token}")).body(()).expect("a request");
    let mut with = without.clone();
    with.headers_mut().insert("txn-token", transaction.parse().expect("a header's value"));
    let inner = Taking::<Nothing>(std::marker::PhantomData);
    let bare = of_requests(layer.layer(inner.clone()), &without);
    let alone = of_requests(layer.layer(inner.clone()), &with);
    let guard = require(scope("a").and(in_transaction(scope("orders"))));
    let guarded = of_requests(layer.layer(guard.layer(inner)), &with);
    println!("without {bare}, with {alone}, guarded {guarded}");
    assert_eq!((alone, guarded), (bare, bare));
}
