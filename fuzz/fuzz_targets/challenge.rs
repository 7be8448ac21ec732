//! Any bytes as the `WWW-Authenticate` of a 401: never a panic, and no raw byte of it in the error.

#![no_main]

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use countersign::outbound::{AttachTokenLayer, OutboundErrorKind, StaticToken};
use countersign::secret::Secret;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Request, Response, StatusCode};
use libfuzzer_sys::fuzz_target;
use tower_layer::Layer;
use tower_service::Service;

static LAYER: LazyLock<AttachTokenLayer> = LazyLock::new(|| {
    let token = StaticToken::new(Secret::from("a-token"));
    AttachTokenLayer::builder().bind("https://billing.test", token).build().expect("a layer")
});

/// Answers every request with a 401 and this challenge.
#[derive(Clone)]
struct Refusing(HeaderValue);

impl Service<Request<()>> for Refusing {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        response.headers_mut().insert(WWW_AUTHENTICATE, self.0.clone());
        ready(Ok(response))
    }
}

fuzz_target!(|challenge: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(challenge) else { return };
    let request = Request::get("https://billing.test/").body(()).expect("a request");
    let call = pin!(LAYER.layer(Refusing(value)).call(request));
    let Poll::Ready(outcome) = call.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("a token that is not cached is ready at once");
    };
    let Err(error) = outcome else { return };
    assert_eq!(error.kind(), OutboundErrorKind::StepUpRequired);
    let required = error.required_step_up().expect("the required authentication");
    assert!(required.acr_values.iter().all(|value| !value.contains(char::is_control)), "{required:?}");
});
