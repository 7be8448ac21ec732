//! Five services in a row, over real connections.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::extract::Transaction;
use countersign::outbound::{Outbound, OutboundError, StaticToken};
use countersign::prelude::*;
use countersign::secret::Secret;
use countersign_test::TestIssuer;
use countersign_tests::http::Service as Loopback;

use crate::shop::DOMAIN;

const SERVICES: usize = 5;
const REQUESTS: usize = 1000;

/// The headers `Txn-Token` that arrived, by service.
type Seen = Arc<Mutex<Vec<(usize, String)>>>;

#[derive(Clone)]
struct Hop {
    number: usize,
    /// The next service, with the client that calls it.
    next: Option<(String, Outbound)>,
    seen: Seen,
}

/// Answers with the caller and the transaction at each service from here on.
async fn hop(
    State(hop): State<Hop>,
    caller: Claims,
    transaction: Transaction,
    headers: HeaderMap,
) -> Result<String, OutboundError> {
    let sent = headers["txn-token"].to_str().expect("a token").to_owned();
    hop.seen.lock().expect("sound").push((hop.number, sent));
    let here = format!("{}:{}:{}", caller.subject(), transaction.subject(), transaction.id());
    let Some((url, outbound)) = hop.next else { return Ok(here) };
    // In another task, which is where ambient state gets lost or mixed up.
    let call = tokio::spawn(async move {
        let request = outbound.client().get(url);
        outbound.in_transaction(&transaction).send(request).await
    });
    let rest = call.await.expect("no panic")?.text().await.expect("a text");
    Ok(format!("{here} {rest}"))
}

/// Starts the services, the last one first. Returns them in order.
async fn start(issuer: &TestIssuer, sts: &TestIssuer, seen: &Seen) -> Vec<Loopback> {
    let mut services: Vec<Loopback> = Vec::new();
    for number in (0..SERVICES).rev() {
        let next = services.last().map(|next| {
            let own = issuer.token().subject(format!("s{number}")).audience(format!("s{}", number + 1)).sign();
            let http =
                reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
            let outbound = Outbound::builder(http)
                .client_follows_no_redirects()
                .clock(Arc::new(issuer.clock().clone()))
                .bind(next.url(), StaticToken::new(Secret::from(own.as_str())))
                .forward_transaction(next.url())
                .build();
            (next.url(), outbound.expect("bound"))
        });
        let layer = AuthenticateLayer::builder(issuer.verifier_for(format!("s{number}")))
            .transaction_tokens_required(sts.transaction_verifier_for(DOMAIN))
            .build()
            .expect("a layer");
        let state = Hop { number, next, seen: Arc::clone(seen) };
        let router = Router::new().route("/", get(hop)).with_state(state).layer(layer);
        services.push(Loopback::start(router).await);
    }
    services.reverse();
    services
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_08_s9_13_five_services_forward_one_token_and_none_of_a_thousand_requests_is_mixed_up() {
    let issuer = TestIssuer::new();
    let sts = issuer.clone().with_name("https://sts.test");
    let seen = Seen::default();
    let services = start(&issuer, &sts, &seen).await;
    let (client, url) = (reqwest::Client::new(), services[0].url());
    let caller = issuer.token().subject("edge").audience("s0").sign();
    let (mut tokens, mut calls) = (Vec::new(), Vec::new());
    for number in 0..REQUESTS {
        let draft = sts.transaction_token(DOMAIN, "orders").subject(format!("user-{number}"));
        let token = draft.claim("txn", format!("txn-{number}")).sign();
        tokens.push(token.clone());
        let request = client.get(&url).bearer_auth(&caller).header("txn-token", token);
        calls.push(tokio::spawn(async move { request.send().await.expect("sent").text().await.expect("a text") }));
    }
    for (number, call) in calls.into_iter().enumerate() {
        let at = |caller: &str| format!("{caller}:user-{number}:txn-{number}");
        let expected: Vec<String> = ["edge", "s0", "s1", "s2", "s3"].map(at).to_vec();
        assert_eq!(call.await.expect("no panic"), expected.join(" "));
    }
    let mut seen = seen.lock().expect("sound").clone();
    seen.sort();
    let mut sent: Vec<(usize, String)> =
        (0..SERVICES).flat_map(|service| tokens.iter().map(move |token| (service, token.clone()))).collect();
    sent.sort();
    assert!(seen == sent, "each service got each token once, byte for byte");
}

#[tokio::test]
async fn s9_07_a_service_takes_no_token_of_another_even_within_the_same_transaction() {
    let issuer = TestIssuer::new();
    let sts = issuer.clone().with_name("https://sts.test");
    let services = start(&issuer, &sts, &Seen::default()).await;
    let transaction = sts.transaction_token(DOMAIN, "orders").sign();
    let send = |audience: &str| {
        let caller = issuer.token().subject("edge").audience(audience).sign();
        reqwest::Client::new().get(services[1].url()).bearer_auth(caller).header("txn-token", &transaction).send()
    };
    assert_eq!(send("s0").await.expect("answered").status().as_u16(), 401, "replayed at the next service");
    assert_eq!(send("s1").await.expect("answered").status().as_u16(), 200);
}
