//! Token services that are slow, down or wrong, and many callers at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use countersign::clock::UnixTime;
use countersign::outbound::{
    AttachTokenLayer, ClientCredentials, FileToken, Outbound, OutboundToken, TokenFuture, TokenRequest, TokenSource,
};
use countersign_test::{ManualClock, TestIssuer};
use tower::{Layer, ServiceExt};

use crate::calls::caller;
use crate::servers::{Server, granted, json, unauthorized};

fn source(issuer: &Server) -> ClientCredentials {
    ClientCredentials::from_token_endpoint(&issuer.url).client("orders", String::from("s3cret-value"))
}

async fn ok() -> Server {
    Server::start(|_, _| json(200, "{}".into())).await
}

/// An outbound client by a clock that stands at 1000.
fn by_hand(issuer: &Server, target: &Server) -> (Outbound, reqwest::Client, ManualClock) {
    let (http, clock) = (reqwest::Client::new(), ManualClock::new(UnixTime::from_secs(1000)));
    let outbound = Outbound::builder(http.clone()).clock(Arc::new(clock.clone()));
    (outbound.bind(&target.url, source(issuer)).build().expect("bound"), http, clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn s7_11_ten_thousand_cold_callers_are_one_request() {
    let issuer = Server::issuing().await;
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let inner = tower::service_fn(move |request: http::Request<()>| {
        assert_eq!(request.headers()["authorization"], "Bearer token-0");
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, std::convert::Infallible>(http::Response::new(())) }
    });
    let service = AttachTokenLayer::builder()
        .bind("https://billing.test", source(&issuer))
        .build()
        .expect("a layer")
        .layer(inner);
    let callers: Vec<_> = (0..10_000)
        .map(|_| {
            let request = http::Request::get("https://billing.test/").body(()).expect("a request");
            tokio::spawn(service.clone().oneshot(request))
        })
        .collect();
    for caller in callers {
        caller.await.expect("no panic").expect("sent");
    }
    assert_eq!((issuer.count(), calls.load(Ordering::Relaxed)), (1, 10_000));
}

/// S11.12: however many calls there are, a step of the back-off sees one attempt.
#[tokio::test]
async fn s7_10_a_minute_without_the_token_service_fails_no_call_and_is_made_good() {
    let is_down = Arc::new(AtomicBool::new(false));
    let down = Arc::clone(&is_down);
    let issuer = Server::start(move |n, _| match down.load(Ordering::SeqCst) {
        true => json(503, String::new()),
        false => granted(&format!("token-{n}"), 300),
    })
    .await;
    let target = ok().await;
    let (outbound, http, clock) = by_hand(&issuer, &target);
    let call = || async { outbound.send(http.get(&target.url)).await.map(|answer| answer.status().as_u16()) };
    assert_eq!(call().await.expect("a first token"), 200);
    clock.advance(Duration::from_secs(225)); // the refresh falls due within the minute that follows
    is_down.store(true, Ordering::SeqCst);
    for _ in 0..60 {
        for _ in 0..10 {
            assert_eq!(call().await.expect("the cached token is good"), 200);
        }
        clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    let asked = issuer.count();
    assert!(asked > 1, "it was asked in vain meanwhile");
    assert!(asked < 60, "at most once a second: {asked}");
    is_down.store(false, Ordering::SeqCst);
    clock.advance(Duration::from_secs(66)); // the longest pause and its jitter; past the token's end
    assert_eq!(call().await.expect("recovered within the longest pause"), 200);
    assert_ne!(target.seen().last().and_then(|seen| seen.header("authorization")), Some("Bearer token-0"));
    let stats = &outbound.stats()[0].1;
    assert!((2..=issuer.count() as u64).contains(&stats.fetches), "{stats:?}"); // one may ask more than once
    assert_eq!(
        (stats.refreshes, stats.failures),
        (stats.fetches - 1, stats.fetches - 2),
        "the first, and the last two good"
    );
}

#[tokio::test]
async fn s7_09_lives_count_from_the_asking() {
    let clock = ManualClock::new(UnixTime::from_secs(1000));
    let slow = clock.clone();
    let issuer = Server::start(move |n, _| {
        slow.advance(Duration::from_secs(20));
        granted(&format!("token-{n}"), 60)
    })
    .await;
    let (target, http) = (ok().await, reqwest::Client::new());
    let outbound = Outbound::builder(http.clone()).clock(Arc::new(clock.clone()));
    let outbound = outbound.bind(&target.url, source(&issuer)).build().expect("bound");
    for advanced in [0, 10, 20] {
        clock.advance(Duration::from_secs(advanced)); // 20, 30 and 50 seconds after the first asking
        outbound.send(http.get(&target.url)).await.expect("sent");
    }
    let sent: Vec<_> = target.seen().iter().map(|seen| seen.header("authorization").expect("one").to_owned()).collect();
    assert_eq!(sent, ["Bearer token-0", "Bearer token-0", "Bearer token-1"]);
}

#[tokio::test]
async fn s7_14_retry_after_is_honoured_and_refusals_are_not_retried() {
    let target = ok().await;
    for status in [429, 503] {
        let issuer = Server::start(move |n, _| match n {
            0 => {
                let mut answer = json(status, String::new());
                answer.headers_mut().insert("retry-after", "30".parse().expect("a value"));
                answer
            }
            _ => granted("later", 300),
        })
        .await;
        let (outbound, http, clock) = by_hand(&issuer, &target);
        for advanced in [0, 29] {
            clock.advance(Duration::from_secs(advanced));
            let error = outbound.send(http.get(&target.url)).await.expect_err("not yet");
            assert_eq!((error.code(), error.is_transient()), ("token_unavailable", true));
        }
        assert_eq!(issuer.count(), 1);
        clock.advance(Duration::from_secs(2));
        outbound.send(http.get(&target.url)).await.expect("now");
        assert_eq!(issuer.count(), 2);
    }
    for error in [
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "invalid_scope",
        "invalid_target",
        "unsupported_grant_type",
    ] {
        let issuer = Server::start(move |_, _| json(400, format!(r#"{{"error":"{error}"}}"#))).await;
        let (outbound, http, clock) = by_hand(&issuer, &target);
        for (advanced, asked) in [(0, 1), (4, 1), (2, 2)] {
            clock.advance(Duration::from_secs(advanced));
            let refused = outbound.send(http.get(&target.url)).await.expect_err("refused");
            assert_eq!((refused.oauth_error(), refused.is_transient()), (Some(error), false));
            assert_eq!(issuer.count(), asked);
        }
    }
}

#[tokio::test]
async fn s7_06_an_answer_over_64_kib_is_none() {
    for (padding, is_token) in [(60 * 1024, true), (64 * 1024, false)] {
        let issuer = Server::start(move |_, _| {
            let padding = "x".repeat(padding);
            json(200, format!(r#"{{"access_token":"t","token_type":"Bearer","padding":"{padding}"}}"#))
        })
        .await;
        assert_eq!(source(&issuer).token(&TokenRequest::default()).await.is_ok(), is_token);
    }
}

/// Panics once, then gives tokens.
#[derive(Debug)]
struct Stumbling(AtomicUsize);

impl TokenSource for Stumbling {
    fn token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
        Box::pin(async {
            assert!(self.0.fetch_add(1, Ordering::SeqCst) > 0, "the first one stumbles");
            OutboundToken::from_bearer(&"risen".into(), None)
        })
    }
}

#[tokio::test]
async fn s7_11_after_a_panic_the_next_caller_tries() {
    let (target, http) = (ok().await, reqwest::Client::new());
    let clock = ManualClock::new(UnixTime::from_secs(1000));
    let outbound = Outbound::builder(http.clone()).clock(Arc::new(clock.clone()));
    let outbound = outbound.bind(&target.url, Stumbling(AtomicUsize::new(0))).build().expect("bound");
    let error = outbound.send(http.get(&target.url)).await.expect_err("it stumbled");
    assert_eq!((error.code(), error.is_transient()), ("token_unavailable", true));
    clock.advance(Duration::from_secs(2)); // a panic cools down like any failure: the first pause and its jitter
    outbound.send(http.get(&target.url)).await.expect("the next one");
    assert_eq!(target.seen()[0].header("authorization"), Some("Bearer risen"));
}

#[tokio::test(flavor = "multi_thread")]
async fn s7_12_exchanges_of_many_callers_never_mix() {
    // Its tokens end as the token they were exchanged for ends: in that one's signature.
    let issuer = Server::start(|_, seen| {
        let (_, rest) = seen.body.split_once("&subject_token=").expect("an exchange");
        granted(&rest.split('&').next().expect("a token")[150..], 3600)
    })
    .await;
    let inner = tower::service_fn(|request: http::Request<String>| {
        assert_eq!(request.headers()["authorization"].to_str().ok(), Some(request.body().as_str()));
        async { Ok::<_, std::convert::Infallible>(http::Response::new(())) }
    });
    let layer = AttachTokenLayer::builder().bind("https://billing.test", source(&issuer)).build().expect("a layer");
    let provider = TestIssuer::with_system_clock();
    let mut calls = Vec::new();
    for number in 0..100 {
        let inbound = provider.token().subject(format!("caller-{number}")).audience("orders").sign();
        let caller = caller(&provider, &inbound).await;
        for _ in 0..10 {
            let body = format!("Bearer {}", &inbound[150..]);
            let mut request = http::Request::get("https://billing.test/").body(body).expect("a request");
            request.extensions_mut().insert(caller.clone());
            calls.push(layer.layer(inner).oneshot(request));
        }
    }
    let tasks: Vec<_> = calls.into_iter().map(tokio::spawn).collect();
    for task in tasks {
        task.await.expect("nobody's token but the caller's").expect("sent");
    }
    assert_eq!(issuer.count(), 100, "one exchange a caller");
}

#[tokio::test]
async fn s7_24_an_exchange_that_is_not_answered_sends_nothing() {
    let provider = TestIssuer::with_system_clock();
    let caller = caller(&provider, &provider.token().audience("orders").sign()).await;
    let target = ok().await;
    for status in [400, 401, 500] {
        let issuer = Server::start(move |_, _| json(status, "{}".into())).await;
        let (outbound, http, _) = by_hand(&issuer, &target);
        let error = outbound.on_behalf_of(&caller).send(http.get(&target.url)).await.expect_err("no token");
        assert!(error.code().starts_with("token_"), "{error}");
    }
    let gone = Server::listen().await.url();
    let http = reqwest::Client::new();
    let source = ClientCredentials::from_token_endpoint(&gone).client("orders", String::from("s3cret-value"));
    let outbound = Outbound::builder(http.clone()).bind(&target.url, source).build().expect("bound");
    let error = outbound.on_behalf_of(&caller).send(http.get(&target.url)).await.expect_err("nobody there");
    assert_eq!((error.code(), error.is_transient()), ("token_unavailable", true));
    assert_eq!(target.count(), 0);
}

#[tokio::test]
async fn s7_19_a_streamed_body_is_not_sent_again_and_its_token_is_dropped() {
    let issuer = Server::issuing().await;
    let target = Server::start(|n, _| match n {
        0 => unauthorized(r#"Bearer error="invalid_token""#),
        _ => json(200, "{}".into()),
    })
    .await;
    let http = reqwest::Client::new();
    let outbound = Outbound::builder(http.clone()).bind(&target.url, source(&issuer)).build().expect("bound");
    let streamed = http.post(&target.url).body(reqwest::Body::wrap(String::from("gone once sent")));
    assert_eq!(outbound.send(streamed).await.expect("the refusal").status(), 401);
    assert_eq!((target.count(), issuer.count()), (1, 1));
    assert_eq!(outbound.send(http.get(&target.url)).await.expect("a newer token").status(), 200);
    assert_eq!(target.seen()[1].header("authorization"), Some("Bearer token-1"));
}

#[tokio::test]
async fn s7_05_a_token_file_is_read_for_each_use() {
    let path = std::env::temp_dir().join(format!("countersign-outbound-{}", std::process::id()));
    let source = FileToken::new(&path);
    let error = source.token(&TokenRequest::default()).await.expect_err("no file");
    assert_eq!((error.code(), error.is_transient()), ("token_unavailable", true));
    let (target, http) = (ok().await, reqwest::Client::new());
    let outbound = Outbound::builder(http.clone()).bind(&target.url, source).build().expect("bound");
    for token in ["first", "second"] {
        std::fs::write(&path, format!("{token}\n")).expect("written");
        outbound.send(http.get(&target.url)).await.expect("sent");
        let sent = target.seen().last().and_then(|seen| seen.header("authorization").map(str::to_owned));
        assert_eq!(sent, Some(format!("Bearer {token}")));
    }
    std::fs::write(&path, "x".repeat(17 * 1024)).expect("written");
    assert_eq!(outbound.send(http.get(&target.url)).await.expect_err("too long").code(), "token_refused");
    std::fs::remove_file(&path).expect("removed");
}

#[tokio::test]
async fn s7_22_a_resource_is_an_absolute_uri_without_fragment() {
    let issuer = Server::issuing().await;
    let bind = |resource: &str| {
        let source = source(&issuer).resource(resource);
        Outbound::builder(reqwest::Client::new()).bind("https://billing.test", source).build().map(|_| ())
    };
    bind("https://billing.test/a?b=c").expect("fine");
    bind("urn:billing").expect("fine");
    for bad in ["https://billing.test/#part", "/relative", "billing", ""] {
        assert!(bind(bad).expect_err(bad).to_string().contains("resource"), "{bad}");
    }
}

#[tokio::test]
async fn s7_26_without_scope_all_of_it_was_granted() {
    let issuer = Server::issuing().await;
    let token = source(&issuer).scope("a b").require_all_scopes().token(&TokenRequest::default()).await;
    assert_eq!(token.expect("a token").scope(), None);
}
