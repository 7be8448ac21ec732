//! A cached token through an app of axum, without sockets: right after another request, and after other code.
//!
//!     cargo bench --manifest-path benches/Cargo.toml --no-default-features --bench cold
//!
//! In a server, the HTTP stack and the kernel run between two requests and take the processor's first caches. Here, generated
//! functions and a buffer do, so that each call fetches its code and data again.

mod eviction;

use std::convert::Infallible;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use countersign::app::{Routes, protect};
use countersign::authenticate::AuthenticateLayer;
use countersign::extract::Claims;
use countersign::guard::require;
use countersign_benches::measure::{as_nanos, median};
use countersign_benches::report::{Report, short};
use countersign_benches::sample::{self, ISSUER, OwnClaims};
use countersign_benches::services::{now, request};
use countersign_core::authz::scope;
use countersign_core::key::Algorithm;
use http::{Request, Response};
use http_body::Body as _;
use tower_layer::Identity;
use tower_service::Service;

use crate::eviction::Eviction;

/// Calls of each app, in turns.
const CALLS: usize = 4_000;

const PATH: &str = "/orders";

struct App {
    name: &'static str,
    /// Whether the request reached the handler.
    call: Box<dyn FnMut(Request<()>) -> bool>,
}

impl App {
    fn new<S>(name: &'static str, mut service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + 'static,
    {
        App { name, call: Box::new(move |request| is_answered(&mut service, request)) }
    }
}

fn main() {
    let mut report = Report::default();
    for algorithm in [Algorithm::ES256, Algorithm::RS256] {
        measure(algorithm, &mut report);
    }
}

fn measure(algorithm: Algorithm, report: &mut Report) {
    let signer = sample::signer(algorithm);
    let template = request(&sample::token(&signer, ISSUER, 1));
    let layer = AuthenticateLayer::new(sample::verifier(&signer, 1 << 20));
    let rule = || scope("orders:read");
    let bare = || Router::new().route(PATH, get(async || "[]"));
    let typed = async |claims: Claims<OwnClaims>| {
        drop(claims);
        "[]"
    };
    // `axum::serve` sets the state once for all requests, as here.
    let router = |router: Router| -> Router { router.with_state(()) };
    let mut apps = [
        App::new("bare", router(bare())),
        App::new("a layer that does nothing", router(bare().layer(Identity::new()))),
        App::new("the layer", router(bare().layer(layer.clone()))),
        App::new("the layer and a guard", router(bare().layer(require(rule())).layer(layer.clone()))),
        App::new("protect", protect(bare(), layer.clone()).with_state(())),
        App::new(
            "protect, a rule",
            protect(Routes::new().get(PATH, rule(), async || "[]"), layer.clone()).with_state(()),
        ),
        App::new("protect, a rule, Claims<C>", protect(Routes::new().get(PATH, rule(), typed), layer).with_state(())),
    ];
    let (warm, cold) = (medians(&mut apps, &template, false), medians(&mut apps, &template, true));
    let rows = apps.iter().zip(warm.iter().zip(&cold)).map(|(app, (after_another, after_other_code))| {
        let over = [after_another - warm[0], after_other_code - cold[0]];
        vec![app.name.to_owned(), short(*after_another), short(over[0]), short(*after_other_code), short(over[1])]
    });
    let note = "Nanoseconds a request, with the answer's body read. The clock takes some 20 of them.";
    let head = ["", "after another request", "over bare", "after other code", "over bare"];
    report.table(&format!("A cached token of {algorithm} through axum"), note, &head, rows.collect());
}

/// Nanoseconds of a call of each app; each call follows one of the same app, or other code.
fn medians(apps: &mut [App], template: &Request<()>, is_cold: bool) -> Vec<f64> {
    let mut eviction = Eviction::new();
    let mut taken = vec![Vec::with_capacity(CALLS); apps.len()];
    for _ in 0..CALLS {
        for (app, taken) in apps.iter_mut().zip(&mut taken) {
            assert!((app.call)(template.clone()), "{} refuses a good token", app.name);
            if is_cold {
                eviction.run();
            }
            let request = black_box(template.clone());
            let start = Instant::now();
            black_box((app.call)(request));
            taken.push(as_nanos(start.elapsed()));
        }
    }
    taken.into_iter().map(median).collect()
}

/// One call, with its body read as a server does; whether it succeeded.
fn is_answered<S>(service: &mut S, request: Request<()>) -> bool
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let Ok(response) = now(service.call(request.map(|()| Body::empty())));
    let (is_success, mut body) = (response.status().is_success(), response.into_body());
    let has_text = !body.is_end_stream() && body.size_hint().exact() != Some(0);
    let frame = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
    is_success && has_text && matches!(frame, Poll::Ready(Some(Ok(_))))
}
