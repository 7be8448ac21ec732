//! Any bytes as the `Authorization` header and as the header of a proxy: the request passes if and only if the header is the
//! scheme and the good token, read by the standard library. A line feed stands for that token.

#![no_main]

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use countersign::authenticate::{AuthenticateLayer, HeaderToken};
use countersign_core::clock::{FixedClock, UnixTime};
use countersign_core::key::{Algorithm, StaticKeys};
use countersign_core::mint::Signer;
use countersign_core::policy::NeedsAudience;
use countersign_core::secret::Secret;
use countersign_core::verify::Verifier;
use http::{HeaderValue, Request, Response, StatusCode};
use libfuzzer_sys::fuzz_target;
use tower_layer::Layer;
use tower_service::Service;

const PROXY: &str = "x-token";

/// Answers each request that reaches it.
#[derive(Clone)]
struct Inner;

impl Service<Request<()>> for Inner {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        for name in ["authorization", PROXY] {
            let lines = request.headers().get_all(name);
            assert!(lines.iter().all(HeaderValue::is_sensitive), "{name} can be logged");
        }
        ready(Ok(Response::new(String::new())))
    }
}

struct Fixture {
    layer: AuthenticateLayer,
    token: String,
}

thread_local! {
    static FIXTURE: RefCell<Fixture> = RefCell::new(fixture());
}

fn fixture() -> Fixture {
    let signer = Signer::from_secret(Secret::new(vec![b'q'; 32]), Algorithm::HS256, "k").expect("long enough");
    let keys = StaticKeys::new([signer.verifying_key().expect("its own key")]);
    let issuer = NeedsAudience::new("i", Arc::new(keys)).audience("a").algorithms([Algorithm::HS256]);
    let clock = Arc::new(FixedClock::new(UnixTime::from_secs(1_700_000_000)));
    let verifier = Verifier::builder().trust(issuer).clock(clock).build().expect("a policy");
    let header = br#"{"alg":"HS256","typ":"at+jwt","kid":"k"}"#;
    let claims = br#"{"iss":"i","aud":"a","sub":"u1","client_id":"c","jti":"j","iat":1700000000,"exp":1700000600}"#;
    let token = signer.sign_compact(header, claims).expect("a token");
    let layer = AuthenticateLayer::builder(verifier).header(HeaderToken::new(PROXY)).build().expect("a layer");
    Fixture { layer, token }
}

/// Whether the line is the scheme, at least one space, and the token.
fn is_bearer(line: &[u8], token: &str) -> bool {
    let text = std::str::from_utf8(line).ok();
    text.and_then(|text| text.split_once(' '))
        .is_some_and(|(scheme, rest)| scheme.eq_ignore_ascii_case("bearer") && rest.trim_start_matches(' ') == token)
}

fuzz_target!(|bytes: &[u8]| {
    FIXTURE.with_borrow(|Fixture { layer, token }| {
        let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        let line = lines.join(token.as_bytes());
        let Ok(value) = HeaderValue::from_bytes(&line) else { return };
        for name in ["authorization", PROXY] {
            let is_good = is_bearer(&line, token) || (name == PROXY && line == token.as_bytes());
            let request = Request::get("/").header(name, value.clone()).body(()).expect("a request");
            let answer = pin!(layer.layer(Inner).call(request)).poll(&mut Context::from_waker(Waker::noop()));
            let Poll::Ready(Ok(answer)) = answer else { panic!("keys are there") };
            let expected =
                if is_good { vec![StatusCode::OK] } else { vec![StatusCode::UNAUTHORIZED, StatusCode::BAD_REQUEST] };
            assert!(expected.contains(&answer.status()), "{name}: {}", answer.status());
        }
    });
});
