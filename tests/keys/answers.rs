//! Responses of the key server and their effects.

use std::time::Duration;

use serde_json::{Value, json};

use crate::events::Events;
use crate::server::{Reply, Server, answer, ok};
use crate::world::{World, until};

const OCT: &str = r#"{"keys":[{"kty":"oct","kid":"k9","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}]}"#;

/// Responses that are not a key set, by name.
fn broken() -> Vec<(&'static str, Reply)> {
    let json = [("content-type", "application/json")];
    let good = json!({"keys": [rsa_like()]}).to_string();
    let huge = format!("{}{}", " ".repeat(300 * 1024), good);
    let gzip = [("content-type", "application/json"), ("content-encoding", "gzip")];
    let cut = format!("HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n{good}").into_bytes();
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(400 * 1024)).into_bytes();
    let mut cases = vec![
        ("204", answer(204, &[], "")),
        ("html", answer(200, &[("content-type", "text/html")], "<html>please sign in</html>")),
        ("keys is an object", ok(r#"{"keys":{}}"#)),
        ("no keys", ok("{}")),
        ("a bare array", ok("[]")),
        ("an empty set", ok(r#"{"keys":[]}"#)),
        ("half a document", ok(&good[..good.len() / 2])),
        ("nothing", ok("")),
        ("larger than allowed", ok(huge)),
        ("without length and end", Reply::Bytes(endless)),
        ("shorter than declared", Reply::Bytes(cut)),
        ("an unrequested gzip body", answer(200, &gzip, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0])),
        ("not HTTP", Reply::Bytes(b"SSH-2.0-OpenSSH\r\n".to_vec())),
        ("only symmetric keys", ok(OCT)),
        ("only unknown kinds", ok(r#"{"keys":[{"kty":"XYZ"},{},5,null,{"kty":"RSA","kid":"a"}]}"#)),
        ("an unrequested 304", answer(304, &[], "")),
    ];
    cases.extend([400, 404, 429, 500, 503].map(|status| ("another status", answer(status, &json, &good))));
    cases
}

fn rsa_like() -> Value {
    serde_json::from_str::<Value>(&countersign_test::TestIssuer::new().jwks()).expect("JSON")["keys"][0].clone()
}

#[tokio::test]
async fn s4_06_s4_07_s4_21_a_broken_response_never_replaces_a_key_set() {
    for (name, reply) in broken() {
        let world = World::honest().await;
        let broken_reply = reply.clone();
        world.server.now(move |_, _| broken_reply.clone());
        let token = world.token();
        let error = world.verify(&token).await.expect_err(name);
        assert!(error.is_unavailable(), "cold, {name}: {error}");
        assert!(error.retry_after().is_some_and(|wait| wait >= Duration::from_secs(1)), "{name}");
        assert!(!world.health().is_ready(), "{name}");

        world.recover(); // the valid counterpart
        world.advance(Duration::from_secs(2)).await;
        until("the keys are there", || world.health().is_ready()).await;
        assert_eq!(world.verdict(&token).await, "ok", "{name}");

        world.server.now(move |_, _| reply.clone());
        world.advance(Duration::from_secs(11)).await;
        assert_eq!(world.verdict(&world.with_unknown_key(1)).await, "keys_unavailable", "warm, {name}");
        assert_eq!(world.verdict(&token).await, "ok", "the good set stays, {name}");
    }
}

/// CVE-2026-49478 and CVE-2026-102267: a redirect chose where keys came from.
#[tokio::test]
async fn s4_04_redirects_are_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let world = World::honest().await;
        let thief = Server::start(|_, _| ok("{}")).await;
        for target in [thief.url.clone(), format!("{}/elsewhere", world.server.url)] {
            let reply = answer(status, &[("location", &target)], "");
            world.server.now(move |_, path| if path == "/jwks" { reply.clone() } else { ok("{}") });
            assert_eq!(world.verdict(&world.token()).await, "keys_unavailable");
            world.advance(Duration::from_secs(3)).await;
        }
        assert_eq!(thief.count(), 0);
        assert!(world.server.heads().iter().all(|head| head.starts_with("get /jwks ")));
    }
}

#[tokio::test]
async fn s4_05_one_byte_per_second_and_silence_end_at_the_time_limit() {
    for reply in [Reply::Trickle(vec![b'H'; 500]), Reply::Hang] {
        let events = Events::of_this_thread();
        let world = World::with(move |_, _| reply.clone()).await;
        let token = world.token();
        let waiting = world.verify(&token);
        let turning = async {
            world.server.asked(1).await;
            world.advance(Duration::from_millis(1100)).await;
        };
        let (verdict, ()) = tokio::join!(waiting, turning);
        let error = verdict.expect_err("nothing came");
        assert!(error.is_unavailable(), "the caller gave up after its own second");
        assert_eq!(
            error.detail(),
            "the keys are not here yet: their fetch takes longer than this request waits, and goes on"
        );
        let line = "WARN key fetch takes longer than requests wait; it goes on unlogged=0";
        assert_eq!(events.take(), [line]);
        assert_eq!(world.server.count(), 1);
        world.advance(Duration::from_secs(4)).await;
        until("the fetch timed out", || format!("{:?}", world.health()).contains("no response in time")).await;
        world.recover();
        world.advance(Duration::from_secs(2)).await;
        until("the next fetch succeeds", || world.health().is_ready()).await;
        assert_eq!(world.verdict(&token).await, "ok");
    }
}

/// CVE-2026-42576: a key of another type crashed the process.
#[tokio::test]
async fn s4_09_s4_10_unusable_entries_are_skipped_and_the_good_one_works() {
    let world = World::honest().await;
    let good = world.issuer.jwks();
    let good: Value = serde_json::from_str(&good).expect("JSON");
    let mut private = good["keys"][0].clone();
    private["kid"] = json!("private");
    private["d"] = json!("AAAA");
    let oct: Value = serde_json::from_str(OCT).expect("JSON");
    let odd = [
        json!({"kty": "XYZ"}),
        json!({"kty": "OKP", "crv": "X25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}),
        json!({"kty": "RSA", "kid": "r"}),
        json!({}),
        json!(5),
        json!(null),
        json!("text"),
        private,
        oct["keys"][0].clone(),
    ];
    let keys: Vec<Value> = odd.into_iter().chain([good["keys"][0].clone()]).collect();
    world.server.now(move |_, _| ok(json!({ "keys": keys }).to_string()));
    assert_eq!(world.verdict(&world.token()).await, "ok");
    for kid in ["private", "k9"] {
        world.advance(Duration::from_secs(11)).await;
        let token = world.issuer.token().audience("orders").header("kid", kid).sign();
        assert_eq!(world.verdict(&token).await, "unknown_key", "{kid}");
    }
}

#[tokio::test]
async fn s4_11_s4_12_s4_13_duplicate_and_missing_kids() {
    let world = World::honest().await;
    let mine: Value = serde_json::from_str(&world.issuer.jwks()).expect("JSON");
    let other: Value = serde_json::from_str(&countersign_test::TestIssuer::new().jwks()).expect("JSON");
    let rsa_issuer = countersign_test::TestIssuer::with_algorithm(countersign::key::Algorithm::RS256);
    let mut rsa: Value = serde_json::from_str(&rsa_issuer.jwks()).expect("JSON");
    let (mine, mut other) = (mine["keys"][0].clone(), other["keys"][0].clone());
    rsa["keys"][0]["kid"] = mine["kid"].clone();
    other["kid"] = mine["kid"].clone();
    let named_twice = json!({"keys": [other, mine, rsa["keys"][0]]}).to_string();
    world.server.now(move |_, _| ok(&named_twice));
    assert_eq!(world.verdict(&world.token()).await, "ok", "duplicate kid and algorithm: both keys are tried");
    let by_rsa = rsa_issuer.with_name(&world.server.url).token().audience("orders").header("kid", mine["kid"].clone());
    assert_eq!(world.verdict(&by_rsa.sign()).await, "ok", "one kid, two key types");
    let nameless = world.issuer.token().audience("orders").without_header("kid").sign();
    assert_eq!(world.verdict(&nameless).await, "unknown_key", "two keys fit");

    let mut only = mine.clone();
    only.as_object_mut().expect("an object").remove("kid");
    let unnamed = json!({ "keys": [only] }).to_string();
    world.server.now(move |_, _| ok(&unnamed));
    world.advance(Duration::from_secs(11)).await;
    assert_eq!(world.verdict(&world.with_unknown_key(1)).await, "unknown_key");
    assert_eq!(world.verdict(&nameless).await, "ok", "exactly one key fits");
    world.advance(Duration::from_secs(11)).await;
    assert_eq!(
        world.verdict(&world.token()).await,
        "unknown_key",
        "a token with a kid never falls back to another key"
    );
}

#[tokio::test]
async fn s4_19_lifetimes_are_taken_from_the_response_within_bounds() {
    // The stated lifetime, and the seconds until the next fetch: 80 % of the lifetime, within 60 s to 1 h.
    let cases: &[(&[(&str, &str)], u64)] = &[
        (&[], 480),
        (&[("cache-control", "max-age=200")], 160),
        (&[("cache-control", "max-age=400"), ("age", "300")], 80),
        (&[("cache-control", "max-age=5")], 48),
        (&[("cache-control", "no-store")], 48),
        (&[("cache-control", "max-age=9999999")], 2880),
    ];
    for (headers, seconds) in cases {
        let world = World::honest().await;
        let jwks = world.issuer.jwks();
        world.server.now(move |_, _| answer(200, headers, &jwks));
        assert_eq!(world.verdict(&world.token()).await, "ok");
        world.advance(Duration::from_secs(seconds - 1)).await;
        assert_eq!(world.server.count(), 1, "too early: {headers:?}");
        world.advance(Duration::from_secs(2)).await; // timers are a millisecond late
        world.server.asked(2).await;
        world.advance(Duration::from_secs(5)).await;
        assert_eq!(world.server.count(), 2, "{headers:?}");
    }
}

#[tokio::test]
async fn s4_19_an_unchanged_set_is_revalidated_and_its_lifetime_starts_again() {
    let world = World::honest().await;
    let jwks = world.issuer.jwks();
    world.server.now(move |number, _| match number {
        0 => answer(200, &[("etag", "\"one\"")], &jwks),
        _ => answer(304, &[], ""),
    });
    let token = world.token();
    assert_eq!(world.verdict(&token).await, "ok");
    for round in 1..4 {
        world.advance(Duration::from_secs(481)).await;
        world.server.asked(round + 1).await;
        until("the fetch finished", || world.health() == countersign::key::KeyHealth::Ready).await;
        assert!(world.server.heads()[round].contains("if-none-match: \"one\""));
    }
    assert_eq!(world.verifier.stats().verified, 1);
    assert_eq!(world.verdict(&token).await, "ok");
}

#[tokio::test]
async fn s4_15_a_forced_fetch_bypasses_intermediate_caches() {
    let world = World::honest().await;
    assert_eq!(world.verdict(&world.token()).await, "ok");
    world.advance(Duration::from_secs(11)).await;
    assert_eq!(world.verdict(&world.with_unknown_key(1)).await, "unknown_key");
    let heads = world.server.heads();
    assert!(!heads[0].contains("if-none-match") && heads[1].contains("cache-control: no-cache"), "{heads:?}");
}

#[tokio::test]
async fn s4_27_s11_15_ten_thousand_entries_are_cut_to_the_maximum() {
    let mut keys = vec![rsa_like()];
    for number in 0..900 {
        let mut key = rsa_like();
        key["kid"] = json!(format!("key-{number}"));
        keys.push(key);
    }
    let world = World::honest().await;
    let mine: Value = serde_json::from_str(&world.issuer.jwks()).expect("JSON");
    keys[0] = mine["keys"][0].clone();
    let text = json!({ "keys": keys }).to_string();
    world.server.now(move |_, _| ok(&text));
    assert_eq!(world.verdict(&world.token()).await, "ok");
    let cached = countersign::key::KeySource::cell(&*world.keys).current().expect("cached");
    assert_eq!(cached.len(), countersign::key::MAX_KEYS);
}

#[tokio::test]
async fn s4_28_a_fetch_sends_no_cookies_tokens_or_kids() {
    let world = World::honest().await;
    let jwks = world.issuer.jwks();
    world.server.now(move |_, _| answer(200, &[("set-cookie", "a=b; Path=/")], &jwks));
    for number in 0..3 {
        let _ = world.verdict(&world.with_unknown_key(number)).await;
        world.advance(Duration::from_secs(11)).await;
    }
    for head in world.server.heads() {
        let names: Vec<&str> = head.lines().skip(1).filter_map(|line| line.split(':').next()).collect();
        let known = ["accept", "cache-control", "host", "user-agent", "if-none-match"];
        assert!(names.iter().all(|name| name.is_empty() || known.contains(name)), "{names:?}");
        assert!(!head.contains("nobody"), "no kid is sent");
    }
}
