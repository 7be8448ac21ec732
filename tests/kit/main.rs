//! The test kit as an app's own tests use it: a caller on a request, assertions on answers, and which token went where.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use countersign::authenticate::CallerToken;
use countersign::outbound::OutboundError;
use countersign::prelude::*;
use countersign_issuer::{Audience, Client, ExchangeRule, Issuer, SecretHash};
use countersign_test::{Answer, KEY_ID_PREFIX, MockService, TestIssuer, TestKey};
use tower::ServiceExt;

fn app(verifier: Verifier) -> Router {
    let fresh = authenticated_within(std::time::Duration::from_secs(60));
    Router::new()
        .route("/orders", get(async |claims: Claims| format!("orders of {}", claims.subject())))
        .route_layer(require(scope("orders:read")))
        .route("/payment", get(async || "paid").layer(require(fresh)))
        .layer(AuthenticateLayer::new(verifier))
}

async fn answer(app: &Router, request: axum::http::request::Builder) -> Answer {
    Answer::from_response(
        app.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("infallible"),
    )
    .await
}

#[tokio::test]
async fn one_call_puts_a_caller_on_a_request_and_every_guard_stays_real() {
    let issuer = TestIssuer::new();
    let app = app(issuer.verifier_for("orders"));
    let ann = || issuer.token().subject("ann").audience("orders");
    let list = || Request::get("/orders");

    let good = answer(&app, ann().scope("orders:read").on(list())).await;
    assert_eq!(good.assert_success().text(), "orders of ann");
    answer(&app, list()).await.assert_token_requested();
    answer(&app, ann().on(list()))
        .await
        .assert_refused(403, "insufficient_scope")
        .assert_challenge("insufficient_scope")
        .assert_required_scope("orders:read");
    answer(&app, ann().expired().on(list()))
        .await
        .assert_refused(401, "token_expired")
        .assert_challenge("invalid_token");
    let old = ann().authenticated(std::time::Duration::from_secs(3600));
    answer(&app, old.on(Request::get("/payment"))).await.assert_step_up();

    let whole = Request::get("/orders").header("authorization", "Basic eDp5").body(Body::empty()).expect("a request");
    let whole = ann().scope("orders:read").on(whole);
    Answer::from_response(app.oneshot(whole).await.expect("infallible")).await.assert_success();
}

#[tokio::test]
async fn assertions_fail_where_the_answer_is_another() {
    let issuer = TestIssuer::new();
    let app = app(issuer.verifier_for("orders"));
    let refused = answer(&app, issuer.token().subject("ann").audience("orders").on(Request::get("/orders"))).await;
    let fails = |assertion: &dyn Fn(&Answer)| {
        let attempt = std::panic::AssertUnwindSafe(|| assertion(&refused));
        std::panic::catch_unwind(attempt).is_err()
    };
    assert!(fails(&|answer| {
        let _ = answer.assert_success();
    }));
    assert!(fails(&|answer| {
        let _ = answer.assert_refused(401, "insufficient_scope");
    }));
    assert!(fails(&|answer| {
        let _ = answer.assert_refused(403, "another");
    }));
    assert!(fails(&|answer| {
        let _ = answer.assert_challenge("invalid_token");
    }));
    assert!(fails(&|answer| {
        let _ = answer.assert_token_requested();
    }));
    assert!(fails(&|answer| {
        let _ = answer.assert_required_scope("orders:write");
    }));
    assert!(fails(&|answer| {
        let _ = answer.assert_step_up();
    }));
}

/// S6.01 to S6.21: each wrong member of a proof alone.
#[tokio::test]
async fn s6_07_s6_16_one_call_puts_a_bound_token_and_its_proof_on_a_request() {
    use countersign::proof::{Dpop, MutualTls, PeerCertificate};
    use std::time::Duration;

    let issuer = TestIssuer::new();
    let layer = AuthenticateLayer::builder(issuer.verifier_for("orders"))
        .dpop(Dpop::at("https://api.test"))
        .mutual_tls(MutualTls::of_connection())
        .build()
        .expect("a layer");
    let app = Router::new().route("/orders", get(async |claims: Claims| claims.subject().to_owned())).layer(layer);
    issuer.clock().advance(Duration::from_secs(120)); // proofs from before the start may have been used
    let (key, other) = (TestKey::new(issuer.clock()), TestKey::new(issuer.clock()));
    let ann = issuer.token().subject("ann").audience("orders").bound_to(&key);
    let token = ann.sign();
    let (list, url) = (|| Request::get("/orders"), "https://api.test/orders");
    let proof = || key.proof("GET", url, &token);

    assert_eq!(answer(&app, proof().on(list())).await.assert_success().text(), "ann");
    answer(&app, proof().age(Duration::from_secs(60)).on(list())).await.assert_success();
    answer(&app, proof().ahead(Duration::from_secs(10)).on(list())).await.assert_success();
    for wrong in [
        proof().age(Duration::from_secs(61)),
        proof().ahead(Duration::from_secs(11)),
        proof().method("POST"),
        proof().address("https://api.test/stock"),
        proof().for_token("another"),
        proof().without_claim("ath"),
        proof().claim("jti", 1),
        proof().id(""),
        proof().header("typ", "JWT"),
        proof().without_header("jwk"),
        proof().signed_by(&other),
        proof().nonce("ignored here").method("HEAD"),
    ] {
        let refused = answer(&app, wrong.on(list())).await;
        refused.assert_refused(401, "invalid_dpop_proof").assert_dpop_challenge("invalid_dpop_proof");
    }
    let stolen = answer(&app, other.proof("GET", url, &token).on(list())).await;
    stolen.assert_refused(401, "token_invalid").assert_dpop_challenge("invalid_token");
    answer(&app, ann.on(list())).await.assert_refused(401, "token_invalid").assert_challenge("invalid_token");
    assert!(!format!("{:?} {key:?}", proof()).contains("api.test"));

    let (own, foreign) = (b"the certificate of ann", b"the certificate of bob");
    let bound = issuer.token().subject("ann").audience("orders").bound_to_certificate(own);
    let with = |der: &[u8]| bound.on(list()).extension(PeerCertificate::from_der(der));
    answer(&app, with(own)).await.assert_success();
    answer(&app, with(foreign)).await.assert_refused(401, "token_invalid");
}

#[tokio::test]
async fn a_callee_shows_which_token_came_with_which_call() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let name = format!("http://{}", listener.local_addr().expect("an address"));
    let (secret, stored) = SecretHash::generate().expect("a secret");
    let client = Client::new("orders").secret(stored).audiences(["billing"]);
    let issuer = Issuer::builder(name)
        .add_audience(Audience::new("billing"))
        .add_audience(Audience::new("orders"))
        .add_client(client.add_exchange_rule(ExchangeRule::new(["billing"])))
        .build()
        .expect("sound");
    let token_service = issuer.router();
    tokio::spawn(async move { axum::serve(listener, token_service).await });

    let (billing, http) = (MockService::start().await, reqwest::Client::new());
    let source = ClientCredentials::from_issuer(issuer.name()).client("orders", secret).audience("billing");
    let outbound = Outbound::builder(http.clone()).bind(billing.url(), source).build().expect("bound");
    billing.refuse_token("invalid_token"); // so the first call is sent twice
    outbound.send(http.get(format!("{}/own", billing.url()))).await.expect("an answer");

    let draft = countersign::mint::Draft::access_token().subject("ann").audience("orders").client_id("web");
    let inbound = issuer.mint(&draft).expect("minted");
    let verifier = Verifier::new(issuer.trusted_for("orders")).expect("a verifier");
    let url = format!("{}/hers", billing.url());
    let handler = async move |caller: CallerToken| {
        outbound.on_behalf_of(&caller).send(http.get(url)).await.map_err(|error: OutboundError| error.to_string())?;
        Ok::<_, String>("called")
    };
    let layer = AuthenticateLayer::builder(verifier).keep_caller_token().build().expect("a layer");
    let app = Router::new().route("/", get(handler)).layer(layer);
    let request = Request::get("/").header("authorization", format!("Bearer {}", inbound.as_str()));
    answer(&app, request).await.assert_success();

    let calls = billing.requests();
    let paths: Vec<_> = calls.iter().map(|call| call.uri.path()).collect();
    assert_eq!(paths, ["/own", "/own", "/hers"]);
    assert!(calls[0].has_token_for("orders", "billing") && calls[1].has_token_for("orders", "billing"));
    assert_ne!(calls[0].token(), calls[1].token(), "refused, so renewed");
    assert!(calls[2].has_token_for("ann", "billing") && !calls[2].has_token_for("ann", "orders"));
    assert_eq!(calls[2].claims().expect("claims")["act"]["sub"], "orders");
    assert!(calls.iter().all(|call| call.token() != Some(inbound.as_str())), "hers was never forwarded");
    assert!(!format!("{calls:?}").contains(calls[2].token().expect("one")));
}

#[tokio::test]
async fn a_release_policy_refuses_the_keys_of_the_test_kit() {
    let issuer = TestIssuer::with_system_clock();
    assert!(issuer.key_id().starts_with(KEY_ID_PREFIX));
    let token = issuer.token().subject("ann").audience("orders").sign();
    let release = Verifier::builder().trust(issuer.trusted_for("orders")).deny_danger().build().expect("a verifier");
    assert_eq!(release.verify(&token).await.expect_err("a test key").code(), "unknown_key");
    assert!(issuer.verifier_for("orders").verify(&token).await.is_ok(), "a test's own verifier takes it");
}
