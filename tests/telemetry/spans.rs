//! Spans of verifications and fetches: CONFORMANCE S10.04, S10.05.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::{get, post};
use countersign::outbound::{ClientCredentials, Outbound};
use countersign::prelude::*;
use countersign::secret::Secret;
use countersign_test::{Provider, TestIssuer};
use countersign_tests::http::Service;
use tower::ServiceExt;

use crate::recorder::{RecordedSpan, Recorder};

const CANARY: &str = "canary-secret";

async fn status(app: &Router, token: &str) -> u16 {
    let request = Request::get("/").header("authorization", format!("Bearer {token}"));
    let answer = app.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("answered");
    answer.status().as_u16()
}

fn fields<'s>(span: &'s RecordedSpan, names: &[&str]) -> Vec<&'s str> {
    names.iter().map(|name| span.field(name)).collect()
}

/// A token from the cache opens no span. A refusal names its code; it is no error of the operation.
#[tokio::test]
async fn s10_04_a_verification_is_a_span_unless_the_token_is_cached() {
    let (recorder, _guard) = Recorder::begin();
    let issuer = TestIssuer::new();
    let app =
        Router::new().route("/", get(|| async { "in" })).layer(AuthenticateLayer::new(issuer.verifier_for("api")));
    let token = issuer.token().audience("api").sign();
    for (expected, spans) in [(200, 1), (200, 0)] {
        assert_eq!(status(&app, &token).await, expected);
        let taken = recorder.take_spans();
        assert_eq!(taken.len(), spans, "{taken:?}");
        for span in &taken {
            assert_eq!((span.target, span.name, span.level.as_str()), ("countersign::verify", "verify token", "DEBUG"));
            assert_eq!(fields(span, &["otel.kind", "issuer", "error.type"]), ["internal", issuer.name(), ""]);
        }
    }
    let other = issuer.token().audience("elsewhere\r\nx").sign();
    for refused in [other.as_str(), "not.a.token"] {
        assert_eq!(status(&app, refused).await, 401);
        let [span] = recorder.take_spans().try_into().expect("one");
        assert_eq!(span.fields.len(), 2, "only the kind and the code: {span:?}");
        assert!(["wrong_audience", "malformed"].contains(&span.field("error.type")), "{span:?}");
        assert!(!format!("{span:?}").contains(refused));
    }
}

/// The span of the verification lasts while its key is fetched. The address is shown without its query.
#[tokio::test]
async fn s10_04_the_wait_for_keys_is_within_the_span_and_the_fetch_has_its_own() {
    let (recorder, _guard) = Recorder::begin();
    let provider = Provider::start(&TestIssuer::with_system_clock()).await.expect("a port");
    let url = format!("{}?key={CANARY}", provider.jwks_url());
    let keys = countersign::keys::RemoteKeys::from_url(&url);
    assert!(!format!("{keys:?}").contains(CANARY), "{keys:?}");
    let verifier = Verifier::new(jwks(provider.url(), url).audience("api")).expect("a policy");
    let app = Router::new().route("/", get(|| async { "in" })).layer(AuthenticateLayer::new(verifier.clone()));
    let token = provider.token().audience("api").sign();
    provider.answer_jwks_with(500, "", &[]);
    assert_eq!(status(&app, &token).await, 503);
    let spans = recorder.take_spans();
    let [verify, fetch, http] = ["verify token", "fetch keys", "HTTP request"].map(|name| {
        let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
        *found.first().unwrap_or_else(|| panic!("{name} is not among {spans:?}"))
    });
    let names = ["waited_for_keys", "error.type", "otel.status_code"];
    assert_eq!(fields(verify, &names), ["true", "keys_unavailable", "ERROR"]);
    assert_eq!((fetch.target, fetch.level.as_str(), fetch.parent), ("countersign::keys", "INFO", None));
    let names = ["source", "forced", "error.type", "otel.status_code"];
    assert_eq!(fields(fetch, &names), [&*provider.jwks_url(), "true", "500", "ERROR"]);
    assert_eq!((http.target, http.level.as_str(), http.parent), ("countersign::fetch", "INFO", Some(fetch.id)));
    let port = provider.url().rsplit(':').next().expect("a port");
    let names = ["otel.kind", "otel.name", "http.request.method", "url.full", "server.address", "server.port"];
    assert_eq!(fields(http, &names), ["client", "GET", "GET", &provider.jwks_url(), "127.0.0.1", port]);
    let names = ["http.response.status_code", "error.type", "otel.status_code"];
    assert_eq!(fields(http, &names), ["500", "500", "ERROR"]);
    let events = recorder.all();
    assert!(!format!("{spans:?}{events:?}").contains(CANARY), "{spans:?}{events:?}");
}

/// Without keys and with a server that is gone, each span names the cause.
#[tokio::test]
async fn s10_05_the_cause_of_a_failed_fetch_is_of_a_closed_set() {
    let (recorder, _guard) = Recorder::begin();
    let provider = Provider::start(&TestIssuer::with_system_clock()).await.expect("a port");
    let verifier = || Verifier::new(oidc(provider.url()).audience("api")).expect("a policy");
    let token = provider.token().audience("api").sign();
    let causes = async |verifier: Verifier| {
        let _ = verifier.verify(&token).await;
        let spans = recorder.take_spans();
        let of = |name| spans.iter().filter(move |span| span.name == name);
        (
            of("fetch keys").map(|span| span.field("error.type").to_owned()).collect::<Vec<_>>(),
            of("HTTP request").map(|span| span.field("error.type").to_owned()).collect::<Vec<_>>(),
            of("verify token").map(|span| span.field("issuer").to_owned()).collect::<Vec<_>>(),
        )
    };
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(causes(verifier()).await, (texts(&[""]), texts(&["", ""]), texts(&[provider.url()])));
    provider.answer_jwks_with(200, format!("<html>{CANARY}"), &[]);
    assert_eq!(causes(verifier()).await, (texts(&["unusable_content"]), texts(&["", ""]), texts(&[""])));
    provider.refuse_connections().await;
    let refused = texts(&["connection_refused"]);
    assert_eq!(causes(verifier()).await, (refused.clone(), refused, texts(&[""])));
}

/// A fetch that its time limit ends says so.
#[tokio::test(start_paused = true)]
async fn a_fetch_that_is_dropped_is_recorded_as_cancelled() {
    let (recorder, _guard) = Recorder::begin();
    let provider = Provider::start(&TestIssuer::with_system_clock()).await.expect("a port");
    provider.delay(Duration::from_secs(600));
    let verifier = Verifier::new(oidc(provider.url()).audience("api")).expect("a policy");
    let token = provider.token().audience("api").sign();
    assert!(verifier.verify(&token).await.expect_err("no keys").is_unavailable());
    let mut spans = Vec::new();
    while spans.len() < 3 {
        spans.extend(recorder.take_spans());
        tokio::time::advance(Duration::from_secs(1)).await; // the caller may give up before the fetch does
    }
    let failed = spans.iter().filter(|span| span.target != "countersign::verify");
    for span in failed {
        assert_eq!(fields(span, &["error.type", "otel.status_code"]), ["cancelled", "ERROR"]);
    }
}

/// Neither the secret, nor the caller's token, nor the new one.
#[tokio::test]
async fn s10_04_a_fetch_of_a_token_is_a_span_without_secret_and_token() {
    let (recorder, _guard) = Recorder::begin();
    let granted = format!(r#"{{"access_token":"{CANARY}-token","token_type":"Bearer","expires_in":300}}"#);
    let service = Service::start(
        Router::new()
            .route("/token", post(move || async { ([("content-type", "application/json")], granted) }))
            .route("/", get(|| async { "" })),
    )
    .await;
    let credentials = |path: &str| {
        ClientCredentials::from_token_endpoint(format!("{}{path}", service.url())).client("a", Secret::from(CANARY))
    };
    let call = async |path| {
        let outbound = Outbound::builder(reqwest::Client::new()).bind(service.url(), credentials(path));
        let outbound = outbound.build().expect("bound");
        for _ in 0..2 {
            let _ = outbound.send(outbound.client().get(service.url())).await;
        }
        let spans = recorder.take_spans();
        assert!(!format!("{spans:?}").contains(CANARY), "{spans:?}");
        let [fetch, http] = spans.try_into().expect("one fetch with one request: the second call uses the cache");
        assert_eq!((fetch.name, fetch.target, fetch.parent), ("fetch token", "countersign::outbound", None));
        assert_eq!(fields(&fetch, &["otel.kind", "origin", "is_exchange"]), ["internal", &service.url(), "false"]);
        assert_eq!((http.name, http.parent), ("HTTP request", Some(fetch.id)));
        assert_eq!(http.field("http.request.method"), "POST");
        [fetch.field("error.type"), http.field("error.type")].map(str::to_owned)
    };
    assert_eq!(call("/token?audience=canary-secret").await, ["", ""]);
    assert_eq!(call("/nowhere").await, ["token_refused", "404"]);
}
