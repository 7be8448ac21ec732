//! Token requests and the token cache.

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::UnixTime;
use countersign::outbound::{ClientCredentials, Outbound, TokenRequest, TokenSource};
use countersign_test::ManualClock;

use crate::calls::Recorder;
use crate::servers::{Server, granted, json};

fn credentials(issuer: &Server) -> ClientCredentials {
    ClientCredentials::from_token_endpoint(format!("{}/token", issuer.url)).client("a:b", String::from("p@ss %+ü"))
}

async fn ok() -> Server {
    Server::start(|_, _| json(200, "{}".into())).await
}

#[tokio::test]
async fn s7_01_s7_02_s7_03_the_request_letter_by_letter() {
    let issuer = Server::issuing().await;
    let source = credentials(&issuer).audience("billing").resource("https://b.example/").scope("b a");
    source.token(&TokenRequest::default()).await.expect("a token");
    let source = credentials(&issuer).client_secret_post();
    source.token(&TokenRequest::default()).await.expect("a token");
    let [basic, post] = issuer.seen().try_into().expect("two requests");
    assert_eq!((basic.method.as_str(), basic.uri.to_string()), ("POST", "/token".to_owned()));
    assert_eq!(basic.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(basic.header("accept"), Some("application/json"));
    assert_eq!(basic.header("authorization"), Some("Basic YSUzQWI6cCU0MHNzKyUyNSUyQiVDMyVCQw=="));
    let body = "grant_type=client_credentials&audience=billing&resource=https%3A%2F%2Fb.example%2F&scope=b+a";
    assert_eq!(basic.body, body);
    assert_eq!(post.header("authorization"), None);
    assert_eq!(post.body, "grant_type=client_credentials&client_id=a%3Ab&client_secret=p%40ss+%25%2B%C3%BC");
}

#[tokio::test]
async fn s7_06_the_token_endpoint_cannot_redirect_the_secret_away() {
    let thief = ok().await;
    let to = thief.url.clone();
    let issuer = Server::start(move |_, _| axum::response::Redirect::temporary(&to).into_response()).await;
    use axum::response::IntoResponse;
    assert!(credentials(&issuer).token(&TokenRequest::default()).await.is_err());
    assert_eq!((issuer.count(), thief.count()), (1, 0));
}

#[tokio::test]
async fn s7_10_an_outage_is_outlived_until_the_token_ends() {
    let issuer = Server::start(|n, _| if n == 0 { granted("first", 100) } else { json(503, String::new()) }).await;
    let target = ok().await;
    let clock = ManualClock::new(UnixTime::from_secs(1000));
    let http = reqwest::Client::new();
    let outbound = Outbound::builder(http.clone()).clock(Arc::new(clock.clone()));
    let outbound = outbound.bind(&target.url, credentials(&issuer)).build().expect("bound");
    for advanced in [0, 80, 9] {
        clock.advance(Duration::from_secs(advanced));
        outbound.send(http.get(&target.url)).await.expect("still served");
    }
    clock.advance(Duration::from_secs(2));
    let error = outbound.send(http.get(&target.url)).await.expect_err("over");
    assert_eq!((error.code(), error.is_transient(), target.count()), ("token_unavailable", true, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn s7_11_many_cold_callers_are_one_request_and_a_leader_may_leave() {
    let issuer = Server::issuing().await;
    let target = ok().await;
    let http = reqwest::Client::new();
    let outbound = Outbound::builder(http.clone()).bind(&target.url, credentials(&issuer)).build().expect("bound");
    let mut calls: Vec<_> = (0..500)
        .map(|_| {
            let (outbound, request) = (outbound.clone(), http.get(&target.url));
            tokio::spawn(async move { outbound.send(request).await.map(|answer| answer.status().as_u16()) })
        })
        .collect();
    calls.remove(0).abort();
    for call in calls {
        assert_eq!(call.await.expect("no panic").expect("an answer"), 200);
    }
    assert_eq!(issuer.count(), 1);
}

#[tokio::test]
async fn s7_14_refusals_stand_and_outages_are_retried_twice() {
    let target = ok().await;
    let http = reqwest::Client::new();
    for (status, body, requests) in [(401, r#"{"error":"invalid_client"}"#, 1), (500, "", 3)] {
        let issuer = Server::start(move |_, _| json(status, body.into())).await;
        let clock = ManualClock::new(UnixTime::from_secs(1000));
        let outbound = Outbound::builder(http.clone()).clock(Arc::new(clock.clone()));
        let outbound = outbound.bind(&target.url, credentials(&issuer)).build().expect("bound");
        for _ in 0..5 {
            let error = outbound.send(http.get(&target.url)).await.expect_err("no token");
            assert_eq!(error.is_transient(), status == 500);
        }
        assert_eq!(issuer.count(), requests);
        clock.advance(Duration::from_secs(6));
        let _ = outbound.send(http.get(&target.url)).await;
        assert_eq!(issuer.count(), requests * 2);
    }
    assert_eq!(target.count(), 0);
}

#[tokio::test]
async fn s7_08_a_token_without_life_serves_the_request_that_waits() {
    let issuer = Server::start(|n, _| granted(&format!("t{n}"), 0)).await;
    let target = ok().await;
    let http = reqwest::Client::new();
    let outbound = Outbound::builder(http.clone()).bind(&target.url, credentials(&issuer)).build().expect("bound");
    for _ in 0..2 {
        outbound.send(http.get(&target.url)).await.expect("served");
    }
    assert_eq!((issuer.count(), target.count()), (2, 2));
}

#[tokio::test]
async fn s7_08_a_life_in_any_readable_form_costs_one_request_and_an_unreadable_one_a_warning() {
    let target = ok().await;
    let http = reqwest::Client::new();
    for (expires_in, warnings) in [
        ("3600.0", 0),
        ("3599.998", 0),
        (r#""3600.0""#, 0),
        (r#"" 3600""#, 0),
        ("null", 0),
        (r#""2026-11-28""#, 1),
        ("{}", 1),
    ] {
        let (recorder, _guard) = Recorder::begin();
        let body = format!(r#"{{"access_token":"t","token_type":"Bearer","expires_in":{expires_in}}}"#);
        let issuer = Server::start(move |_, _| json(200, body.clone())).await;
        let clock = ManualClock::new(UnixTime::from_secs(1000));
        let outbound = Outbound::builder(http.clone()).clock(Arc::new(clock.clone()));
        let outbound = outbound.bind(&target.url, credentials(&issuer)).build().expect("bound");
        for requests in [1, 2] {
            for _ in 0..5 {
                outbound.send(http.get(&target.url)).await.expect("served");
            }
            assert_eq!(issuer.count(), requests, "{expires_in}");
            clock.advance(Duration::from_secs(3600));
        }
        assert_eq!(recorder.text().matches("lifetime that is not a number").count(), warnings, "{expires_in}");
        assert_eq!(recorder.text().contains("expires_in"), warnings > 0, "the member is named");
    }
}

#[tokio::test]
async fn s7_26_a_narrower_scope_is_shown_or_refused() {
    let body = r#"{"access_token":"t","token_type":"Bearer","scope":"a"}"#;
    let issuer = Server::start(move |_, _| json(200, body.into())).await;
    let token = credentials(&issuer).scope("a b").token(&TokenRequest::default()).await.expect("a token");
    assert_eq!(token.scope(), Some("a"));
    let strict = credentials(&issuer).scope("a b").require_all_scopes();
    assert!(strict.token(&TokenRequest::default()).await.is_err());
}
