//! The members of a proof, and the request that it is for.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use countersign::error::VerifyErrorKind;
use countersign::key::Algorithm;
use countersign::proof::Dpop;
use countersign_test::TestKey;
use countersign_tests::http::Service;
use serde_json::{Value, json};

use super::{API, R, World, assert_bad_proof, assert_bad_token, assert_ok, bound, challenges, hash};
use crate::app::{good, who};

#[tokio::test]
async fn s6_01_s6_02_s6_16_a_bound_token_needs_its_own_key_and_an_unbound_one_has_none() {
    let world = World::new().await;
    assert_ok(&world.with_claims(json!({})).await);
    let as_bearer = world.service.get("/r", &world.token).await;
    assert_bad_token(&as_bearer, "Bearer");
    assert!(challenges(&as_bearer)[1].starts_with("DPoP realm=\"api\", algs="), "what helps: {as_bearer:?}");

    let unbound = good(&world.issuer).sign();
    assert_eq!(world.service.get("/r", &unbound).await.status, 200, "as Bearer");
    let proof = world.proof(json!({ "ath": hash(&unbound) }));
    assert_bad_token(&world.send("GET /r", &unbound, &[&proof]).await, "DPoP");
    assert_eq!(world.service.get("/r", &unbound).await.status, 200, "and still as Bearer");

    let thief = world.other_key();
    for _ in 0..2 {
        let proof = thief.proof("GET", R, &world.token).sign();
        assert_bad_token(&world.get(&proof).await, "DPoP");
    }
    assert_ok(&world.with_claims(json!({})).await);
    let refused = [VerifyErrorKind::ProofRequired, VerifyErrorKind::NotBound, VerifyErrorKind::ProofMismatch];
    assert_eq!(refused.map(|kind| world.verifier.refused(kind)), [1, 1, 2]);
}

#[tokio::test]
async fn s6_01_without_the_setting_a_bound_token_is_refused_whatever_comes_with_it() {
    let world = World::new().await;
    let plain = Service::start(Router::new().route("/r", get(who)).layer(crate::app::layer(&world.issuer))).await;
    assert_eq!(plain.get("/r", &world.token).await.status, 401);
    let (authorization, proof) = (format!("Authorization: DPoP {}", world.token), world.proof(json!({})));
    let answer = plain.request("GET /r", &[&authorization, &format!("DPoP: {proof}")]).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "no_token"), "{answer:?}");
    assert!(challenges(&answer).len() == 1 && answer.challenge().starts_with("Bearer"), "{answer:?}");
}

#[tokio::test]
async fn s6_03_a_request_has_exactly_one_proof() {
    let world = World::new().await;
    let (one, two) = (world.proof(json!({})), world.proof(json!({})));
    assert_bad_proof(&world.send("GET /r", &world.token, &[]).await);
    assert_bad_proof(&world.send("GET /r", &world.token, &[""]).await);
    assert_bad_proof(&world.send("GET /r", &world.token, &[&one, &two]).await);
    assert_bad_proof(&world.send("GET /r", &world.token, &[&format!("{one}, {two}")]).await);
    assert_bad_proof(&world.send("GET /r", &world.token, &[&format!("{one},{one}")]).await);
    assert_ok(&world.get(&one).await);
}

#[tokio::test]
async fn s6_04_s6_05_the_header_of_a_proof_is_that_of_a_proof() {
    let world = World::new().await;
    let with = |header: Value| world.proof_with_header(header);
    for typ in [json!("JWT"), json!("at+jwt"), json!("dpop"), json!(null), json!("")] {
        assert_bad_proof(&world.get(&with(json!({ "typ": typ }))).await);
    }
    for typ in ["dpop+jwt", "DPoP+JWT", "application/dpop+jwt"] {
        assert_ok(&world.get(&with(json!({ "typ": typ }))).await);
    }
    for alg in ["none", "HS256", "ES384", "RS256", "es256", ""] {
        assert_bad_proof(&world.get(&with(json!({ "alg": alg }))).await);
    }
    for header in [
        json!({ "crit": ["exp"] }),
        json!({ "b64": false }),
        json!({ "cty": "JWT" }),
        json!({ "alg": null }),
        json!({ "alg": 1 }),
        json!({ "kid": "" }),
    ] {
        assert_bad_proof(&world.get(&with(header)).await);
    }
    let good = world.proof(json!({}));
    let (head, tail) = good.split_at(good.len() - 8);
    let signing_input = good.rsplit_once('.').expect("a signature").0;
    for mutated in [
        format!("{good}."),
        format!("{good}="),
        format!("{head}{}", tail.chars().rev().collect::<String>()),
        signing_input.to_owned(),
        format!("{signing_input}."),
        good.replacen('.', "..", 1),
        format!("Bearer {good}"),
        "x".repeat(8 * 1024 + 1),
        "a.b.c".to_owned(),
    ] {
        assert_bad_proof(&world.get(&mutated).await);
    }
    assert_ok(&world.get(&good).await);
}

#[tokio::test]
async fn s6_05_only_listed_algorithms_sign_proofs_and_the_challenge_lists_them() {
    let world = World::with(Dpop::at(API).algorithms([Algorithm::ES256])).await;
    assert_ok(&world.with_claims(json!({})).await);
    let other = TestKey::with_algorithm(Algorithm::RS256, world.issuer.clock());
    let token = bound(&world.issuer, &other);
    let refused = world.send("GET /r", &token, &[&other.proof("GET", R, &token).sign()]).await;
    assert_bad_proof(&refused);
    assert!(refused.challenge().ends_with("algs=\"ES256\""), "{refused:?}");
}

#[tokio::test]
async fn s6_05_s6_06_every_asymmetric_algorithm_proves() {
    let world = World::new().await;
    for algorithm in [
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::ES512,
        Algorithm::Ed25519,
        Algorithm::EdDSA,
        Algorithm::RS256,
        Algorithm::PS256,
        Algorithm::PS512,
    ] {
        let key = TestKey::with_algorithm(algorithm, world.issuer.clock());
        let token = bound(&world.issuer, &key);
        for _ in 0..2 {
            assert_ok(&world.send("GET /r", &token, &[&key.proof("GET", R, &token).sign()]).await);
        }
    }
}

#[tokio::test]
async fn s6_06_the_key_of_a_proof_is_public_strong_and_its_own() {
    let world = World::new().await;
    let own = world.key.public_jwk();
    let other = world.other_key().public_jwk();
    let changed = |name: &str, value: Value| {
        let mut jwk = own.clone();
        jwk[name] = value;
        jwk
    };
    for jwk in [
        json!(null),
        json!({}),
        json!("x"),
        json!([own]),
        changed("d", json!("AAAA")),
        changed("k", json!("AAAA")),
        changed("x", own["y"].clone()),
        changed("crv", json!("P-384")),
        changed("kty", json!("oct")),
        changed("use", json!("enc")),
        changed("alg", json!("ES384")),
        json!({ "kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U" }),
        json!({ "kty": "RSA", "n": "sXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsueri", "e": "AQAB" }),
    ] {
        let proof = world.proof_with_header(json!({ "jwk": jwk }));
        let answer = world.get(&proof).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(answer.code(), "invalid_dpop_proof");
    }
    let proof = world.proof_with_header(json!({ "jwk": null, "kid": "x", "jku": "https://evil.test" }));
    assert_bad_proof(&world.get(&proof).await);
    // Another key in the header: it is not the token's, and did not sign.
    let proof = world.proof_with_header(json!({ "jwk": other }));
    assert_bad_token(&world.get(&proof).await, "DPoP");
    let proof = world.draft().signed_by(&world.other_key()).sign();
    assert_bad_proof(&world.get(&proof).await);
    assert_ok(&world.with_claims(json!({})).await);
}

#[tokio::test]
async fn s6_07_a_proof_is_for_one_method() {
    let world = World::new().await;
    for htm in [json!("get"), json!("POST"), json!(null), json!(""), json!(["GET"])] {
        assert_bad_proof(&world.with_claims(json!({ "htm": htm })).await);
    }
    let post = world.proof(json!({ "htm": "POST" }));
    assert_ok(&world.send("POST /r", &world.token, &[&post]).await);
    assert_bad_proof(&world.send("POST /r", &world.token, &[&world.proof(json!({}))]).await);
}

#[tokio::test]
async fn s6_08_s6_09_a_proof_is_for_one_address_of_the_configured_ones() {
    let world = World::with(Dpop::at(API).and_at("https://example.com/api/")).await;
    for htu in [
        "HTTPS://API.TEST:443/r",
        "https://api.test/./r",
        "https://api.test/%72",
        "https://api.test/r?q=2",
        "https://api.test/r#f",
        "https://example.com/api/r",
    ] {
        assert_ok(&world.with_claims(json!({ "htu": htu })).await);
    }
    assert_ok(&world.send("GET /r?q=1", &world.token, &[&world.proof(json!({}))]).await);
    for htu in [
        json!("http://api.test/r"),
        json!("https://api.test:8443/r"),
        json!("https://evil.test/r"),
        json!("https://api.test/R"),
        json!("https://api.test/r/"),
        json!("https://user@api.test/r"),
        json!("https://example.com/r"),
        json!("/r"),
        json!(""),
        json!(null),
        json!(7),
    ] {
        assert_bad_proof(&world.with_claims(json!({ "htu": htu })).await);
    }
    let slashed = world.proof(json!({ "htu": "https://api.test/r%2Fx" }));
    assert_bad_proof(&world.send("GET /r/x", &world.token, &[&slashed]).await);
    // Neither the host of the request nor headers of proxies choose the address.
    let proof = world.proof(json!({ "htu": "https://evil.test/r" }));
    let request = format!(
        "GET /r HTTP/1.1\r\nHost: evil.test\r\nX-Forwarded-Host: evil.test\r\nX-Forwarded-Proto: https\r\n\
         Forwarded: host=evil.test\r\nAuthorization: DPoP {}\r\nDPoP: {proof}\r\nConnection: close\r\n\r\n",
        world.token
    );
    assert_bad_proof(&world.service.send(request.as_bytes()).await);
}

#[tokio::test]
async fn s6_10_s6_18_a_proof_is_new() {
    let world = World::new().await;
    world.issuer.clock().advance(Duration::from_secs(120));
    let now = world.now();
    for iat in [now - 60, now - 1, now, now + 10] {
        assert_ok(&world.with_claims(json!({ "iat": iat })).await);
    }
    for iat in [json!(now - 61), json!(now + 11), json!(null), json!(now.to_string()), json!(-1)] {
        assert_bad_proof(&world.with_claims(json!({ "iat": iat })).await);
    }
    assert_ok(&world.with_claims(json!({ "foo": { "a": [1] }, "exp": now + 1, "nbf": now })).await);
    for claims in [json!({ "exp": now - 1 }), json!({ "exp": now }), json!({ "nbf": now + 61 }), json!({ "exp": "x" })]
    {
        assert_bad_proof(&world.with_claims(claims).await);
    }
}
