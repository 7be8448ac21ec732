//! Proofs and bound tokens, judged by programs that nobody here wrote.

use std::sync::Arc;
use std::time::Duration;

use countersign::key::Algorithm;
use countersign::mint::Signer;
use countersign::outbound::{ClientCredentials, DpopKey, Outbound, SelfSignedToken, TokenSource};
use countersign_test::ManualClock;
use countersign_tests::peers::{self, OpenIdProvider};
use serde_json::{Value, json};

use crate::dpop::client;
use crate::servers::{Seen, Server, json as answer};

const ISSUER: &str = "https://orders.test";

/// A request as the library reads it.
fn request(target: &Server, seen: &Seen) -> Value {
    json!({
        "method": seen.method.as_str(), "url": format!("{}{}", target.url, seen.uri),
        "authorization": seen.header("authorization"), "dpop": seen.header("dpop"),
    })
}

/// The verdicts of oauth4webapi on these requests.
async fn verdicts(given: Value) -> Vec<Value> {
    let script = peers::node("dpop_oauth4webapi.mjs");
    let answer = tokio::task::spawn_blocking(move || peers::answer(script, &given)).await.expect("it ran");
    answer.as_array().expect("verdicts").clone()
}

async fn call(outbound: &Outbound, method: reqwest::Method, address: String) {
    outbound.send(outbound.client().request(method, address).body("{}")).await.expect("an answer");
}

fn outbound(target: &Server, source: impl TokenSource) -> Outbound {
    let builder = Outbound::builder(client()).client_follows_no_redirects();
    builder.bind(&target.url, source).build().expect("bound")
}

#[tokio::test]
#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
async fn s7_21_oauth4webapi_accepts_our_proofs_and_only_for_their_request() {
    let target = Server::start(|_, _| answer(200, "{}".into())).await;
    let issuer = Arc::new(Signer::generate(Algorithm::ES256).expect("a key"));
    let key_of = |algorithm: &str| Signer::generate(algorithm.parse().expect("an algorithm")).expect("a key");
    let mut expected = Vec::new();
    for algorithm in ["ES256", "ES384", "Ed25519", "RS256", "PS256", "ES256"] {
        let signer = key_of(algorithm);
        expected.push(signer.key_id().to_owned());
        let source = SelfSignedToken::new(ISSUER, Arc::clone(&issuer)).subject("orders").audience("billing");
        let outbound = outbound(&target, source.dpop(DpopKey::from_signer(signer)));
        call(&outbound, reqwest::Method::PUT, format!("{}/a%20b/ü?page=2&c=d", target.url)).await;
    }
    let seen = target.seen();
    let sent: Vec<Value> = seen.iter().map(|seen| request(&target, seen)).collect();
    let changed = |member: &str, value: Value| {
        let mut request = sent[0].clone();
        request[member] = value;
        request
    };
    let token = sent[0]["authorization"].as_str().expect("a token").trim_start_matches("DPoP ").to_owned();
    let elsewhere = |path: &str| json!(format!("{}{path}", target.url));
    let variants = [
        (changed("url", elsewhere("/a%20b/%C3%BC?page=3")), None),
        (changed("method", json!("GET")), Some("htm mismatch")),
        (changed("method", json!("DELETE")), Some("htm mismatch")),
        (changed("url", elsewhere("/a%20b")), Some("htu mismatch")),
        (changed("url", json!("https://billing.test/a%20b/%C3%BC")), Some("htu mismatch")),
        (changed("authorization", sent[5]["authorization"].clone()), Some("ath mismatch")),
        (changed("dpop", sent[5]["dpop"].clone()), Some("ath mismatch")),
        (changed("authorization", json!(format!("Bearer {token}"))), Some("scheme is not DPoP")),
        (changed("dpop", Value::Null), Some("no DPoP HTTP Header")),
    ];
    let requests: Vec<_> = sent.iter().chain(variants.iter().map(|(request, _)| request)).collect();
    let given = json!({ "issuer": ISSUER, "audience": "billing", "keys": [issuer.public_jwk()], "requests": requests });
    let verdicts = verdicts(given).await;
    for (verdict, thumbprint) in verdicts.iter().zip(&expected) {
        assert_eq!(verdict, &json!({ "jkt": thumbprint }));
    }
    for (verdict, (request, problem)) in verdicts[sent.len()..].iter().zip(&variants) {
        match problem {
            None => assert_eq!(verdict, &json!({ "jkt": expected[0] })),
            Some(problem) => {
                assert!(verdict["refused"].as_str().is_some_and(|text| text.contains(problem)), "{verdict} {request}")
            }
        }
    }
    assert_eq!(verdicts.len(), expected.len() + variants.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
async fn s7_21_a_provider_that_demands_nonces_binds_our_tokens() {
    let provider = OpenIdProvider::start_with("ES256,RS256", &[("DPOP_NONCES", "1")]);
    let target = Server::start(|_, _| answer(200, "{}".into())).await;
    let signer = Arc::new(Signer::generate(Algorithm::ES256).expect("a key"));
    let secret = provider.client_secret().to_owned();
    let new = || ClientCredentials::from_issuer(provider.issuer()).client("svc-dpop", secret.clone());
    let new = || new().resource("https://orders.test").scope("orders:read");
    // An hour ahead: a nonce takes the place of the clock.
    let clock = ManualClock::from_system();
    clock.advance(Duration::from_secs(3600));
    let builder = Outbound::builder(client()).client_follows_no_redirects().clock(Arc::new(clock));
    let source = new().dpop(DpopKey::from_signer(Arc::clone(&signer)));
    let late = builder.bind(&target.url, source).build().expect("bound");
    call(&late, reqwest::Method::GET, format!("{}/late", target.url)).await;
    let asked = || provider.control("counts")["/token"].as_u64();
    assert_eq!(asked(), Some(2), "once without a nonce, once with it");

    let source = Arc::new(new().dpop(DpopKey::from_signer(Arc::clone(&signer))));
    for path in ["/a", "/b"] {
        // Each binding has tokens of its own.
        let outbound = outbound(&target, Arc::clone(&source));
        call(&outbound, reqwest::Method::POST, format!("{}{path}", target.url)).await;
    }
    assert_eq!(asked(), Some(5), "the nonce is used again");

    let seen = target.seen();
    let requests: Vec<_> = seen[1..].iter().map(|seen| request(&target, seen)).collect();
    let jwks_uri = format!("{}/jwks", provider.issuer());
    let given = json!({
        "issuer": provider.issuer(), "audience": "https://orders.test", "jwks_uri": jwks_uri, "requests": requests,
    });
    assert_eq!(verdicts(given).await, vec![json!({ "jkt": signer.key_id() }); 2]);

    let unbound = outbound(&target, new());
    let error = unbound.send(unbound.client().get(&target.url)).await.expect_err("DPoP is demanded");
    assert_eq!(error.code(), "token_refused", "{error}");
    let plain =
        ClientCredentials::from_issuer(provider.issuer()).client("svc-basic", provider.client_secret().to_owned());
    let bound = outbound(&target, plain.resource("https://orders.test").dpop(DpopKey::from_signer(signer)));
    call(&bound, reqwest::Method::GET, target.url.clone()).await;
    let authorization = target.seen().last().expect("a request").header("authorization").map(str::to_owned);
    assert!(authorization.is_some_and(|value| value.starts_with("DPoP ")), "bound although it is not demanded");
}
