//! What a key set that cannot be used says about itself: in `Health`, in errors, and when a verifier is built.

use countersign::issuers::oidc;
use countersign::key::KeyHealth;
use countersign::keys::RemoteKeys;
use countersign::verify::Verifier;
use countersign_core::error::VerifyError;
use serde_json::{Value, json};

use crate::events::Events;
use crate::server::{Reply, Server, answer, ok};
use crate::world::World;

/// The reason in `Health` and in the log after a first fetch that got this response.
async fn reason(reply: Reply) -> String {
    let events = Events::of_this_thread();
    let world = World::with(move |_, _| reply.clone()).await;
    assert_eq!(world.verdict(&world.token()).await, "keys_unavailable");
    let reason = health(&world);
    let lines = events.take();
    let line = lines.iter().find(|line| line.starts_with("WARN key fetch failed")).expect("a line");
    assert!(line.contains(&format!("error={reason}")), "{line}");
    reason
}

fn health(world: &World) -> String {
    match world.health() {
        KeyHealth::NotReady { reason } => reason.into_owned(),
        ready => panic!("{ready:?}"),
    }
}

#[tokio::test]
async fn s4_07_a_set_without_usable_keys_names_its_entries_and_their_faults() {
    let entry = |kid: serde_json::Value| json!({"kty": "XYZ", "kid": kid});
    let cases = [
        (json!([{"kty": "RSA", "kid": "k1", "e": "AQAB", "n": "A=A"}]), "k1: a member is not canonical base64url"),
        (json!([{"x5c": ["MIIB"]}]), "without kid: not a JWK"),
        (json!([{"kty": "RSA", "kid": "k1", "use": "sig", "x5c": ["MIIB"]}]), "k1: a required member is missing"),
        (json!([entry(json!(5))]), "without kid: not a JWK: no object, a duplicate member or a wrong type"),
        (json!([{"kty": "oct", "kid": "s", "k": "AAAA"}]), "s: private or symmetric material"),
        (json!([entry(json!("a")), entry(json!("b"))]), "a: kty is not RSA, EC, OKP or AKP; b: kty is not"),
        (json!([entry(json!("x\nERROR forged"))]), "\"x\\nERROR forged\": kty"),
        (json!([entry(json!("k1: replaced; prod-2"))]), "\"k1: replaced; prod-2\": kty"),
        (json!(vec![entry(json!("k")); 100]), "; and 96 more"),
    ];
    for (keys, part) in cases {
        let found = reason(ok(json!({ "keys": keys }).to_string())).await;
        assert!(found.starts_with("the key set has no usable key: ") && found.contains(part), "{found}");
        assert!(!found.contains('\n') && found.len() < 600, "{found}");
    }
}

/// A key whose numbers are written loosely is used, and the log says what is odd about it.
#[tokio::test]
async fn s2_09_s2_12_s2_16_a_loosely_written_key_is_used_and_leaves_a_line() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 4] = [
        (|key| key["x"] = json!(format!("{}=", key["x"].as_str().expect("x"))), "a number is padded with ="),
        (|key| key["key_ops"] = json!([]), "alg, use or key_ops is empty"),
        (|key| key["oth"] = json!([]), "a private member is present and empty"),
        (|key| key["d"] = json!(""), "a private member is present and empty"),
    ];
    for (change, part) in cases {
        let (world, events) = (World::honest().await, Events::of_this_thread());
        let mut set: Value = serde_json::from_str(&world.issuer.jwks()).expect("JSON");
        change(&mut set["keys"][0]);
        world.server.now(move |_, _| ok(set.to_string()));
        assert_eq!(world.verdict(&world.token()).await, "ok", "{part}");
        let lines = events.take();
        assert!(lines.iter().any(|line| line.starts_with("INFO ") && line.contains(part)), "{part}: {lines:?}");
    }
}

#[tokio::test]
async fn s4_06_an_odd_body_is_named() {
    let gzip = [("content-encoding", "gzip")];
    let cases = [
        (answer(200, &gzip, [0x1f, 0x8b, 8, 0]), "gzip, which was not asked for"),
        (ok([0x1f, 0x8b, 8, 0]), "gzip, which was not asked for"),
        (answer(200, &[("content-encoding", "br")], "x"), "a compressed body"),
        (ok(b"\xef\xbb\xbf{\"keys\":[]}"), "a byte-order mark"),
        (answer(200, &[("content-type", "text/html")], "\n<!doctype html><p>please sign in"), "HTML"),
        (ok(""), "an empty body"),
        (ok(r#"{"keys":[]}"#), "the issuer states that it has no keys"),
        (ok("{}"), "not a JWK Set: expected an object with an array keys"),
        (answer(302, &[("location", "https://login.test/x?y=z")], ""), "https://login.test"),
    ];
    for (reply, part) in cases {
        let found = reason(reply).await;
        assert!(found.contains(part), "{part}: {found}");
    }
}

#[tokio::test]
async fn s4_02_a_discovery_document_that_cannot_be_used_says_why() {
    type Document = fn(&str) -> String;
    let missing = World::of(Server::start(|_, _| answer(404, &[], "")).await, |url| RemoteKeys::from_issuer(url));
    assert_eq!(missing.verdict(&missing.token()).await, "keys_unavailable");
    let url = &missing.server.url;
    let expected = format!("no discovery document at {url}/.well-known/openid-configuration (status 404); compare the");
    assert!(health(&missing).starts_with(&expected), "{}", health(&missing));
    drop(missing); // it holds the time still
    let cases: [(Document, &str); 6] = [
        (
            |_| json!({"issuer": "https://other.test/", "jwks_uri": "https://other.test/keys"}).to_string(),
            "found \"https://other.test/\"; the names must be identical",
        ),
        (
            |url| json!({"issuer": url, "jwks_uri": "/keys"}).to_string(),
            "jwks_uri of the discovery document: \"/keys\" is relative",
        ),
        (
            |url| json!({"issuer": url, "jwks_uri": "http://keys.test/a\nb"}).to_string(),
            "http://keys.test/a\\nb\" is not https",
        ),
        (|url| json!({ "issuer": url }).to_string(), "lacks jwks_uri"),
        (|_| "<html>".to_owned(), "the discovery document is HTML"),
        (|_| "\u{feff}{}".to_owned(), "a byte-order mark"),
    ];
    for (document, part) in cases {
        let world = World::of(Server::start(|_, _| answer(404, &[], "")).await, |url| RemoteKeys::from_issuer(url));
        let url = world.server.url.clone();
        world.server.now(move |_, _| ok(document(&url)));
        assert_eq!(world.verdict(&world.token()).await, "keys_unavailable");
        let found = health(&world);
        assert!(found.contains(part), "{part}: {found}");
        if part.contains("identical") {
            assert!(found.contains(&format!("expected {}", world.server.url)), "both names: {found}");
        }
    }
}

#[tokio::test]
async fn s5_03_an_unknown_key_is_named_with_those_of_the_set() {
    let world = World::honest().await;
    assert_eq!(world.verdict(&world.token()).await, "ok");
    let held = world.issuer.key_id();
    let detail = |error: VerifyError| error.to_string();
    let error = world.verify(&world.with_unknown_key(1)).await.expect_err("unknown");
    assert_eq!(error.code(), "unknown_key");
    let found = detail(error);
    assert!(found.contains("no key \"nobody-1\"") && found.contains(&format!("it has {held}")), "{found}");
    let deferred = detail(world.verify(&world.with_unknown_key(2)).await.expect_err("within the cool-down"));
    assert!(deferred.contains("nobody-2") && deferred.contains("may not be asked again yet"), "{deferred}");
    let forged = world.issuer.token().audience("orders").header("kid", "x\u{202e}\"y").sign();
    let forged = detail(world.verify(&forged).await.expect_err("forged"));
    assert!(forged.contains("x\\u{202e}\\\"y"), "{forged}");
    let null = world.issuer.token().audience("orders").header("kid", json!(null)).sign();
    let error = world.verify(&null).await.expect_err("null");
    assert_eq!(error.code(), "malformed");
    assert!(detail(error).contains("kid is null"));
}

#[test]
fn s4_01_a_discovery_address_is_refused_as_an_issuer_and_each_fault_is_reported_once() {
    let cases = [
        ("https://id.test/realms/shop/.well-known/openid-configuration", "https://id.test/realms/shop,"),
        ("https://id.test/.well-known/openid-configuration", "https://id.test,"),
        ("https://id.test/.well-known/oauth-authorization-server/t1", "https://id.test/t1,"),
        ("http://kc.internal", "danger_plain_http"),
        ("http://kc.internal/.well-known/openid-configuration", "plain http"),
    ];
    for (issuer, part) in cases {
        let error = Verifier::new(oidc(issuer).audience("orders")).expect_err("no issuer");
        assert_eq!(error.faults().len(), 1, "{error}");
        assert!(error.to_string().contains(part), "{error}");
        let static_keys =
            countersign::policy::NeedsAudience::new(issuer, std::sync::Arc::new(countersign::key::StaticKeys::new([])));
        assert_eq!(Verifier::new(static_keys.audience("orders")).expect_err("no issuer").faults().len(), 1);
    }
}
