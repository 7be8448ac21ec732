//! `countersign mint` and `keygen`, run as a binary: the verifier accepts valid tokens and refuses broken ones.

use crate::run::{Output, TempFile, assert_form, countersign, countersign_with, file, new_path};
use serde_json::{Value, json};

const ISSUER: &str = "https://dev.example";

fn mint(key: &TempFile, more: &[&str]) -> Output {
    let asked = ["mint", "--issuer", ISSUER, "--audience", "orders", "--subject", "ann", "--key", key.path()];
    countersign(&[&asked[..], more].concat(), "")
}

fn key(algorithm: &str) -> (TempFile, TempFile) {
    let private = new_path("key");
    let made = countersign(&["keygen", "--alg", algorithm, "--out", private.path(), "--json"], "");
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert_form("keygen", &made.json());
    assert!(made.json().get("private_pem").is_none(), "it is only in the file");
    let set = countersign(&["jwks", "build", private.path(), "--alg", algorithm], "");
    assert_form("jwks", &set.json());
    assert_eq!(set.json()["keys"][0]["kid"], made.json()["kid"]);
    (private, file("jwks", &set.stdout))
}

fn verified(token: &str, jwks: &TempFile) -> Value {
    let asked = ["verify", "--issuer", ISSUER, "--audience", "orders", "--jwks", jwks.path(), "--json"];
    countersign(&asked, token).json()
}

#[test]
fn a_minted_token_is_verified_with_a_key_of_each_kind() {
    for algorithm in ["ES256", "ES384", "ES512", "Ed25519", "RS256", "PS256", "ML-DSA-44"] {
        let (private, jwks) = key(algorithm);
        let minted = mint(&private, &["--alg", algorithm, "--json"]);
        assert_form("mint", &minted.json());
        assert_eq!(minted.json()["alg"], algorithm);
        let token = minted.json()["token"].as_str().expect("a token").to_owned();
        assert_eq!(verified(&token, &jwks)["verdict"], "accepted", "{algorithm}");
    }
}

#[test]
fn claims_of_every_kind_are_minted() {
    let (private, jwks) = key("ES256");
    let minted = mint(
        &private,
        &[
            "--scope",
            "orders:read",
            "--scope",
            "orders:write",
            "--role",
            "clerk",
            "--client-id",
            "web",
            "--for",
            "2h",
            "--claim",
            "plan=gold",
            "--claim",
            "level=3",
            "--claim",
            "realm_access.roles=[\"a\",\"b\"]",
            "--claim",
            "equation=a=b",
            "--claim",
            "https://example.com/org=acme",
            "--header",
            "cty=x",
            "--now",
            "1700000000",
        ],
    );
    assert_eq!(minted.code, 0, "{}", minted.stderr);
    let shown = countersign(&["decode", "--json"], &minted.stdout).json();
    assert_eq!(shown["header"]["cty"], "x");
    let claims = &shown["payload"];
    for (name, value) in [
        ("scope", json!("orders:read orders:write")),
        ("roles", json!(["clerk"])),
        ("client_id", json!("web")),
        ("iat", json!(1_700_000_000)),
        ("exp", json!(1_700_007_200)),
        ("plan", json!("gold")),
        ("level", json!(3)),
        ("realm_access", json!({ "roles": ["a", "b"] })),
        ("equation", json!("a=b")),
        ("https://example.com/org", json!("acme")),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    assert_eq!(verified(&minted.stdout, &jwks)["code"], "expired");
}

#[test]
fn each_broken_token_is_refused_and_its_valid_counterpart_passes() {
    let (private, jwks) = key("ES256");
    for (how, code) in [
        ("expired", "expired"),
        ("not-yet", "not_yet_valid"),
        ("wrong-aud", "wrong_audience"),
        ("wrong-iss", "unknown_issuer"),
        ("no-exp", "missing_claim"),
        ("no-aud", "wrong_audience"),
        ("bad-sig", "bad_signature"),
        ("alg-none", "malformed"),
        ("unknown-kid", "unknown_key"),
        ("huge", "too_large"),
    ] {
        let minted = mint(&private, &["--broken", how]);
        assert_eq!(minted.code, 0, "{how}: {}", minted.stderr);
        assert_eq!(verified(&minted.stdout, &jwks)["code"], code, "{how}");
    }
    assert_eq!(verified(&mint(&private, &[]).stdout, &jwks)["verdict"], "accepted");
}

#[test]
fn the_development_key_is_generated_once_and_has_a_test_id() {
    let home = new_path("home");
    let minted = |more: &[&str]| {
        let asked = ["mint", "--issuer", ISSUER, "--audience", "orders", "--json"];
        countersign_with(&[&asked[..], more].concat(), "", &[("COUNTERSIGN_HOME", home.path())])
    };
    let (first, second) = (minted(&[]), minted(&[]));
    assert!(first.stderr.contains("created a development key") && second.stderr.is_empty(), "{}", second.stderr);
    assert_eq!(first.json()["jwk"], second.json()["jwk"]);
    assert_eq!(first.json()["kid"], "test-only-dev");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let path = std::path::Path::new(home.path()).join("dev-es256.pem");
        assert_eq!(std::fs::metadata(path).expect("there").permissions().mode() & 0o777, 0o600);
    }
    let set = file("jwks", &json!({ "keys": [first.json()["jwk"]] }).to_string());
    assert_eq!(verified(first.json()["token"].as_str().expect("a token"), &set)["verdict"], "accepted");
    std::fs::remove_dir_all(home.path()).expect("removed");
}

#[test]
fn a_shared_secret_signs_too() {
    let made = countersign(&["keygen", "--alg", "HS256", "--json"], "").json();
    assert_form("keygen", &made);
    assert_eq!(
        base64_simd::URL_SAFE_NO_PAD.decode_to_vec(made["k"].as_str().expect("k")).expect("base64url").len(),
        64
    );
    let secret = "a shared secret of thirty-two bytes or more";
    let asked = ["mint", "--issuer", ISSUER, "--audience", "orders", "--secret", "-", "--alg", "HS256"];
    let minted = countersign(&asked, &format!("{secret}\n"));
    assert_eq!(minted.code, 0, "{}", minted.stderr);
    let header = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(minted.stdout.split('.').next().expect("a header"));
    let header: serde_json::Value = serde_json::from_slice(&header.expect("base64url")).expect("JSON");
    assert!(header.get("kid").is_none(), "{header}");
    let named = countersign(&[&asked[..], &["--kid", "k1", "--json"]].concat(), secret).json();
    assert_eq!(named["kid"], "k1");
    let k = base64_simd::URL_SAFE_NO_PAD.encode_to_string(secret);
    let set = file("oct", &json!({ "keys": [{ "kty": "oct", "k": k }] }).to_string());
    let asked =
        ["verify", "--issuer", ISSUER, "--audience", "orders", "--jwks", set.path(), "--alg", "HS256", "--json"];
    assert_eq!(countersign(&asked, &minted.stdout).json()["verdict"], "accepted");
    assert_eq!(countersign(&["mint", "--issuer", "i", "--audience", "a", "--secret", "-"], "short").code, 2);
}

#[test]
fn curl_is_quoted_and_invalid_options_are_refused() {
    let (private, _) = key("ES256");
    let curl = mint(&private, &["--curl", "http://127.0.0.1/it's"]).stdout;
    assert!(curl.starts_with("curl -i 'http://127.0.0.1/it'\\''s' -H 'Authorization: Bearer ey"), "{curl}");
    assert!(
        countersign(&["keygen", "--out", private.path()], "").stderr.contains("exists"),
        "a file is never overwritten"
    );
    for (asked, missing) in [
        (&["mint", "--audience", "a", "--key", private.path()][..], "--issuer"),
        (&["mint", "--issuer", "i", "--key", private.path()][..], "--audience"),
        (&["mint", "--issuer", "i", "--audience", "a", "--key", private.path(), "--claim", "x"][..], "NAME=VALUE"),
        (&["mint", "--issuer", "i", "--audience", "a", "--key", private.path(), "--for", "5y"][..], "10m"),
        (&["mint", "--issuer", "i", "--audience", "a", "--key", private.path(), "--alg", "RS256"][..], "not usable"),
        (&["mint", "--issuer", "i", "--audience", "a", "--key", "/nonexistent"][..], "/nonexistent"),
        (&["keygen", "--alg", "none"][..], "not one of"),
    ] {
        let answer = countersign(asked, "");
        assert_eq!(answer.code, 2, "{asked:?} {}", answer.stdout);
        assert!(answer.stderr.contains(missing), "{asked:?}: {}", answer.stderr);
    }
}
