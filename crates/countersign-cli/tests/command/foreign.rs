//! `countersign verify` and `decode` on tokens and key sets of other languages' libraries, and with keys in PEM.

use std::process::Command;

use crate::run::{TempFile, assert_form, countersign, file};
use countersign_core::clock::{Clock, SystemClock};
use countersign_core::key::{Algorithm, VerifyingKey};
use countersign_core::mint::Signer;
use countersign_test::TestIssuer;
use countersign_tests::peers;
use serde_json::{Value, json};

const ISSUER: &str = "https://issuer.test";
const AUDIENCE: &str = "https://api.test";

/// Verifies tokens that a library signs with each of its algorithms.
fn verified(command: Command, at_least: usize) {
    let now = SystemClock.now().as_secs();
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "client_id": "c1", "jti": "j1", "iat": now, "exp": now + 300,
        "scope": "read write",
    });
    let algorithms: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
    let input = json!({ "algorithms": algorithms, "claims": claims, "tokens": [], "keys": [] });
    let answer = peers::answer(command, &input);
    let keys = answer["keys"].as_array().expect("keys");
    let tokens = answer["tokens"].as_array().expect("tokens");
    assert!(tokens.len() >= at_least, "only {}", tokens.len());
    let lines: Vec<&str> = tokens.iter().map(|item| item["token"].as_str().expect("a token")).collect();
    let public = keys.iter().filter(|key| key["kty"] != "oct").collect::<Vec<_>>();
    let jwks = file("jwks", &json!({ "keys": public }).to_string());
    for (item, token) in tokens.iter().zip(&lines) {
        let alg = item["alg"].as_str().expect("a name");
        let own = keys.iter().find(|key| key["alg"] == alg).expect("its key");
        let set = match alg.starts_with("HS") {
            true => file("oct", &own.to_string()),
            false => file("jwk", &json!({ "keys": public }).to_string()),
        };
        let verify = |token: &str, more: &[&str]| {
            let asked = ["verify", "--issuer", ISSUER, "--audience", AUDIENCE, "--jwks", set.path(), "--json"];
            let algorithm: &[&str] = if alg.starts_with("HS") { &["--alg", alg] } else { &[] };
            countersign(&[&asked[..], algorithm, more].concat(), token)
        };
        let answer = verify(token, &["--typ", "at+jwt"]);
        assert_form("verify", &answer.json());
        assert_eq!((answer.code, &answer.json()["claims"]["sub"]), (0, &json!("ann")), "{alg}: {}", answer.stdout);
        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        let mut bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(signature).expect("base64url");
        bytes[0] ^= 1;
        let broken = format!("{signed}.{}", base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes));
        assert_eq!(verify(&broken, &[]).json()["code"], "bad_signature", "{alg}");
        let shown = countersign(&["decode", "--json", "--jwks", set.path()], token).json();
        assert_form("decode", &shown);
        assert_eq!((&shown["signature"], &shown["payload"]["scope"]), (&json!("valid"), &json!("read write")), "{alg}");
    }
    let batch = countersign(
        &["verify", "--issuer", ISSUER, "--audience", AUDIENCE, "--jwks", jwks.path(), "--batch"],
        &lines.join("\n"),
    );
    let verdicts = batch.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    for (verdict, item) in verdicts.zip(tokens) {
        let is_shared = item["alg"].as_str().is_some_and(|alg| alg.starts_with("HS"));
        assert_eq!(verdict["verdict"] == "accepted", !is_shared, "{item}: {verdict}");
    }
}

#[test]
#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
fn tokens_of_javascript_jose() {
    verified(peers::node("interop_jose.mjs"), 12);
}

#[test]
#[cfg_attr(not(has_python), ignore = "needs Python packages: tests/peers/install")]
fn tokens_of_python_joserfc() {
    verified(peers::python("interop_joserfc.py"), 10);
}

#[test]
#[cfg_attr(not(has_python), ignore = "needs Python packages: tests/peers/install")]
fn tokens_of_python_pyjwt() {
    verified(peers::python("interop_pyjwt.py"), 10);
}

/// The public half in PEM, as converted by the command.
fn pem_of(signer: &Signer) -> TempFile {
    let jwk = signer.public_jwk().expect("public").to_string();
    file("pem", &countersign(&["jwks", "convert", "-", "--to", "pem"], &jwk).stdout)
}

#[test]
fn a_pem_is_pinned_whatever_the_kid() {
    for algorithm in [
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::ES512,
        Algorithm::Ed25519,
        Algorithm::RS256,
        Algorithm::PS256,
        Algorithm::MlDsa44,
    ] {
        let signer = Signer::generate(algorithm).expect("a key");
        let (pem, other) = (pem_of(&signer), pem_of(&Signer::generate(algorithm).expect("a key")));
        let claims = json!({ "iss": "svc", "aud": "orders", "sub": "ann", "exp": 1_700_000_300 }).to_string();
        for header in [
            json!({ "alg": algorithm.name(), "kid": "some name" }),
            json!({ "alg": algorithm.name(), "kid": "another" }),
            json!({ "alg": algorithm.name() }),
        ] {
            let token = signer.sign_compact(header.to_string().as_bytes(), claims.as_bytes()).expect("signed");
            let verified = |pem: &TempFile| {
                let asked = ["verify", "--issuer", "svc", "--audience", "orders", "--now", "1700000000", "--json"];
                countersign(&[&asked[..], &["--pem", pem.path()]].concat(), &token).json()
            };
            assert_eq!(verified(&pem)["verdict"], "accepted", "{algorithm} {header}: {}", verified(&pem));
            assert_eq!(verified(&other)["code"], "bad_signature", "{algorithm} {header}");
        }
    }
}

#[test]
fn an_unusable_pem_is_refused_with_a_remedy() {
    let token = TestIssuer::new().token().audience("orders").sign();
    let private = countersign(&["keygen"], "").stdout;
    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let jwk = Signer::generate(Algorithm::ES256).expect("a key").public_jwk().expect("public").to_string();
    assert!(VerifyingKey::from_jwk(&jwk).is_ok());
    let good = countersign(&["jwks", "convert", "-", "--to", "pem"], &jwk).stdout;
    for (pem, more, missing) in [
        (private.as_str(), &[][..], "private key"),
        (certificate, &[], "openssl x509 -pubkey"),
        ("nonsense", &[], "BEGIN PUBLIC KEY"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", &[], "does not fit"),
        (&good, &["--alg", "RS256"], "does not fit"),
        (&good, &["--alg", "HS256"], "symmetric"), // S2.12: a public key is no secret
    ] {
        let pem = file("pem", pem);
        let asked = ["verify", "--issuer", "svc", "--audience", "orders", "--pem", pem.path()];
        let answer = countersign(&[&asked[..], more].concat(), &token);
        assert_eq!((answer.code, answer.stdout.as_str()), (2, ""), "{missing}");
        assert!(answer.stderr.contains(missing), "{missing}: {}", answer.stderr);
        assert!(!answer.stderr.contains(private.lines().nth(1).expect("a line")), "no key material in messages");
    }
}
