//! The page in headless Chromium; the scenarios are in `tests/peers/inspector/`.

use std::path::{Path, PathBuf};

use countersign_core::clock::{Clock, SystemClock, UnixTime};
use countersign_core::key::{Algorithm, KeySet};
use countersign_core::mint::{Draft, Signer};
use countersign_core::secret::Secret;
use countersign_test::{Provider, TestIssuer, TestKey};
use countersign_tests::peers;
use serde_json::{Value, json};

use crate::world::{Inspector, closed_port, foreign, guarded, issuer, open, serve, serve_taking_bound, trusting};

/// The shared secret of one of the tokens.
const SECRET: &str = "a shared secret of thirty-two bytes or more";

/// RFC 7638 §3.1.
const RFC7638: &str = r#"{"kty":"RSA","e":"AQAB","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}"#;

/// The folder of the screenshots: `target/inspector`.
fn shots() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").join("inspector");
    std::fs::create_dir_all(&folder).expect("made");
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(has_node, has_chromium)), ignore = "needs Node.js and Chromium: tests/peers/install")]
async fn everything_on_the_page_works_in_a_real_browser() {
    let command = peers::node("inspector.mjs");
    let inspector = Inspector::start(&["--no-open"]);
    let issuer = issuer();
    let provider = Provider::start(&issuer).await.expect("a port");
    let elsewhere = serve(foreign()).await;
    let world = json!({
        "chromium": peers::chromium(),
        "shots": shots(),
        "only": std::env::var("ONLY").unwrap_or_default(),
        "url": inspector.url,
        "issuer": issuer.name(),
        "provider": provider.issuer().name(),
        "jwks": issuer.jwks(),
        "jwks_url": provider.jwks_url(),
        "pem": public_pem(&issuer),
        "policy": policy(&issuer),
        "secret": SECRET,
        "rfc7638": RFC7638,
        "closed": closed_port(),
        "guarded": format!("{}/orders", serve(guarded(issuer.verifier_for("orders"))).await),
        "trusting_us": format!("{}/orders", serve(guarded(trusting(&inspector))).await),
        "taking_bound": format!("{}/orders", serve_taking_bound(trusting(&inspector)).await),
        "open": serve(open()).await,
        "foreign": elsewhere,
        "counter": format!("{elsewhere}/count"),
    });
    let world = with_tokens(world, &issuer, &provider, &elsewhere);
    let results = tokio::task::spawn_blocking(move || peers::answer(command, &world)).await.expect("ran");
    let results = results.as_array().expect("a list");
    for result in results {
        println!("{} {}", if result["fault"].is_null() { "ok  " } else { "FAIL" }, result["name"]);
    }
    let faults: Vec<&Value> = results.iter().filter(|result| !result["fault"].is_null()).collect();
    assert!(faults.is_empty(), "{}", serde_json::to_string_pretty(&faults).expect("JSON"));
    assert!(results.len() > 20 || std::env::var_os("ONLY").is_some(), "every scenario ran");
}

fn with_tokens(mut world: Value, issuer: &TestIssuer, provider: &Provider, elsewhere: &str) -> Value {
    let draft = || issuer.token().subject("ann").audience("orders").scope("orders:read");
    let good = draft().lifetime(std::time::Duration::from_secs(3600)).sign();
    let tampered = {
        let parts: Vec<&str> = good.split('.').collect();
        let other = draft().subject("eve").sign();
        format!("{}.{}.{}", parts[0], other.split('.').nth(1).expect("claims"), parts[2])
    };
    let now = SystemClock.now().as_secs();
    let own = Signer::generate(Algorithm::ES256).expect("a key").with_key_id("own");
    let jwk = own.public_jwk().expect("public");
    let claims = json!({ "iss": issuer.name(), "aud": "orders", "sub": "ann", "iat": now, "exp": now + 3600 });
    let header = json!({ "alg": "ES256", "kid": "own", "jwk": jwk });
    let own_key = own.sign_compact(header.to_string().as_bytes(), claims.to_string().as_bytes()).expect("signed");
    let jku = json!({ "alg": "ES256", "jku": format!("{elsewhere}/keys"), "x5u": format!("{elsewhere}/keys") });
    let jku = own.sign_compact(jku.to_string().as_bytes(), claims.to_string().as_bytes()).expect("signed");
    let pasted = Signer::generate(Algorithm::ES256).expect("a key");
    let secret = Secret::new(SECRET.as_bytes().to_vec());
    let shared = Signer::from_secret(secret, Algorithm::HS256, "shared").expect("long enough");
    let shared = Draft::with_type("JWT")
        .issuer(issuer.name())
        .audience("orders")
        .expires_at(UnixTime::from_secs(now + 3600))
        .sign(&shared)
        .expect("signed");
    let client = TestKey::new(issuer.clock());
    let bound = draft().bound_to(&client).sign();
    world["proof"] = json!(client.proof("GET", "https://api.test/orders", &bound).sign());
    world["tokens"] = json!({
        "good": good,
        "timed": draft().claim("nbf", now + 30).lifetime(std::time::Duration::from_secs(3600)).sign(),
        "expired": draft().expired().sign(),
        "for_billing": issuer.token().subject("ann").audience("billing").lifetime(std::time::Duration::from_secs(3600)).sign(),
        "tampered": tampered,
        "unsigned": format!("{}.", good.rsplit_once('.').expect("three parts").0),
        "own_key": own_key,
        "jku": jku,
        "shared": shared,
        "bound": bound,
        "discovered": provider.token().subject("ann").audience("orders").sign(),
    });
    world["own_jwks"] = json!(json!({ "keys": [jwk] }).to_string());
    world["private_pem"] = json!(pem("PRIVATE KEY", pasted.private_key().expose()));
    let public = pasted.verifying_key().expect("its public half").to_public_der().expect("public");
    world["pasted_pem"] = json!(pem("PUBLIC KEY", &public));
    world
}

fn policy(issuer: &TestIssuer) -> String {
    json!({ "issuers": [{ "issuer": issuer.name(), "audience": "orders", "keys": { "inline": issuer.jwks() } }] })
        .to_string()
}

fn public_pem(issuer: &TestIssuer) -> String {
    let set = KeySet::from_jwks(issuer.jwks().as_bytes()).expect("a set");
    let der = set.keys().next().expect("a key").to_public_der().expect("public");
    pem("PUBLIC KEY", &der)
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64_simd::STANDARD.encode_to_string(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
