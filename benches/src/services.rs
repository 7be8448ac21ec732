//! The innermost services, a source of outbound tokens, and how a layer is driven without a runtime.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::extract::FromRequestParts;
use bytes::Bytes;
use countersign::authenticate::{Authenticate, AuthenticateLayer};
use countersign::extract::Claims;
use countersign::outbound::{OutboundToken, TokenFuture, TokenRequest, TokenSource};
use countersign_core::secret::Secret;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::measure::{Plan, by_two_threads};
use crate::sample::OwnClaims;

thread_local! {
    /// The service and the request of one thread: clones of a request share its texts, and their counts.
    static OWN: RefCell<Option<(Authenticate<Bare>, Request<()>)>> = const { RefCell::new(None) };
}

/// Nanoseconds of a call through `layer` with this credential: by one thread, and by each of two at once.
///
/// # Panics
/// If the credential is refused.
#[must_use]
pub fn calls_by_two_threads(plan: &Plan, layer: &AuthenticateLayer, credential: &str) -> (f64, f64) {
    OWN.set(None);
    by_two_threads(plan, &|| {
        OWN.with_borrow_mut(|own| {
            let (service, template) = own.get_or_insert_with(|| (layer.layer(Bare), request(credential)));
            assert!(call(service, template.clone()), "the credential is refused");
        });
    })
}

/// Drives a future that must be ready at once.
pub fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a future that should be ready waits"),
    }
}

/// A request with this bearer token.
#[must_use]
pub fn request(token: &str) -> Request<()> {
    Request::get("/orders").header("authorization", format!("Bearer {token}")).body(()).expect("a request")
}

/// One call of `service`; whether it reached the innermost service.
pub fn call<S, B>(service: &mut S, request: Request<()>) -> bool
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
{
    let Ok(response) = now(service.call(request));
    response.status().is_success()
}

/// Answers 200 to anything.
#[derive(Clone, Copy, Debug)]
pub struct Bare;

impl Service<Request<()>> for Bare {
    type Response = Response<Bytes>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Bytes>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        black_box(&request);
        ready(Ok(Response::new(Bytes::new())))
    }
}

/// Extracts the claims as the user's own type, as a handler does, and answers 200.
#[derive(Clone, Copy, Debug)]
pub struct Extracting;

impl Service<Request<()>> for Extracting {
    type Response = Response<Bytes>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Bytes>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let (mut parts, ()) = request.into_parts();
        let claims = now(Claims::<OwnClaims>::from_request_parts(&mut parts, &()));
        let mut response = Response::new(Bytes::new());
        match claims {
            Ok(claims) => drop(black_box(claims)),
            Err(_) => *response.status_mut() = http::StatusCode::FORBIDDEN,
        }
        ready(Ok(response))
    }
}

/// Answers 200 with the extensions of the request, to have what a layer put into them.
#[derive(Clone, Copy, Debug)]
pub struct Echo;

impl Service<Request<()>> for Echo {
    type Response = Response<Bytes>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Bytes>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<()>) -> Self::Future {
        let mut response = Response::new(Bytes::new());
        *response.extensions_mut() = std::mem::take(request.extensions_mut());
        ready(Ok(response))
    }
}

/// A source whose tokens may be cached for an hour.
#[derive(Clone, Copy, Debug)]
pub struct CachedSource;

impl TokenSource for CachedSource {
    fn token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
        let life = Some(Duration::from_secs(3600));
        Box::pin(async move { OutboundToken::from_bearer(&Secret::from("a-token"), life) })
    }
}
