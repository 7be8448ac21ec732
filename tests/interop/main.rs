//! Tokens and key sets of other languages' libraries, both ways, for every algorithm that they have. S2.32, S3.06.
//!
//! Each script reads `{algorithms, claims, tokens, keys}`, verifies our tokens with our keys, mints its own, and writes
//! `{tokens, keys, unsupported, verdicts}`. Its keys come back as the JWKs that it would publish.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use countersign::clock::{Clock, SystemClock};
use countersign::key::{Algorithm, KeySet, StaticKeys, VerifyingKey};
use countersign::policy::{NeedsAudience, Profile};
use countersign::secret::Secret;
use countersign::verify::Verifier;
use countersign_core::integration::Step;
use countersign_core::mint::{Draft, Signer};
use countersign_tests::peers;
use serde_json::{Value, json};

const ISSUER: &str = "https://issuer.test";
const AUDIENCE: &str = "https://api.test";

fn signer(algorithm: Algorithm) -> Signer {
    let key_id = format!("countersign-{algorithm}");
    if algorithm.is_symmetric() {
        let secret = (0..64_u8).map(|octet| b'A' + octet % 26).collect();
        return Signer::from_secret(Secret::new(secret), algorithm, &key_id).expect("long enough");
    }
    Signer::generate(algorithm).expect("this machine can make keys").with_key_id(&key_id)
}

/// The key that the other side verifies with; a shared secret has no public form, so that it is written here.
fn given_key(signer: &Signer) -> Value {
    signer.public_jwk().unwrap_or_else(|| {
        let secret = URL_SAFE_NO_PAD.encode_to_string(signer.private_key().expose());
        json!({ "kty": "oct", "k": secret, "alg": signer.algorithm().name(), "kid": signer.key_id(), "use": "sig" })
    })
}

fn draft() -> Draft {
    let now = SystemClock.now();
    Draft::access_token()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .subject("ann – Ⓐ \"quoted\"")
        .client_id("c1")
        .token_id("j1")
        .issued_at(now)
        .expires_at(now.saturating_add(Duration::from_secs(300)))
        .scope("read write")
}

/// The keys as they would be published; of shared secrets, the secrets.
fn key_set(keys: &[Value]) -> KeySet {
    if keys.iter().any(|key| key["kty"] == "oct") {
        let secret = |key: &Value| {
            let octets = URL_SAFE_NO_PAD.decode_to_vec(key["k"].as_str().expect("k")).expect("base64url");
            let algorithm = key["alg"].as_str().expect("alg").parse().expect("an algorithm");
            VerifyingKey::from_secret(&Secret::new(octets), algorithm, key["kid"].as_str()).expect("a secret")
        };
        return KeySet::new(keys.iter().map(secret));
    }
    let document = json!({ "keys": keys }).to_string();
    let set = KeySet::from_jwks(document.as_bytes()).expect("a key set");
    assert!(set.skipped().is_empty(), "{:?}", set.skipped());
    assert_eq!(set.len(), keys.len());
    set
}

fn assert_we_accept(answer: &Value, symmetric: bool) {
    let of_kind = |alg: &Value| alg.as_str().expect("alg").starts_with("HS") == symmetric;
    let keys: Vec<Value> =
        answer["keys"].as_array().expect("keys").iter().filter(|key| of_kind(&key["alg"])).cloned().collect();
    let algorithms = Algorithm::ALL.iter().copied().filter(|algorithm| algorithm.is_symmetric() == symmetric);
    let issuer = NeedsAudience::new(ISSUER, Arc::new(StaticKeys::from_set(key_set(&keys))))
        .audience(AUDIENCE)
        .algorithms(algorithms)
        .profile(Profile::AccessToken);
    let verifier = Verifier::new(issuer).expect("a policy");
    for item in answer["tokens"].as_array().expect("tokens").iter().filter(|item| of_kind(&item["alg"])) {
        let (alg, token) = (&item["alg"], item["token"].as_str().expect("a token"));
        let Step::Done(Ok(verified)) = verifier.verify_with_cached_keys(token) else {
            panic!("{alg} is refused: {:?}", verifier.verify_with_cached_keys(token));
        };
        assert_eq!(verified.subject(), "ann – Ⓐ \"quoted\"", "{alg}");
        let broken = format!("{}AA", &token[..token.len() - 2]);
        assert!(broken == token || !matches!(verifier.verify_with_cached_keys(&broken), Step::Done(Ok(_))), "{alg}");
    }
}

/// Runs one library; `lacking` are the algorithms that it may not have.
fn both_ways(command: Command, lacking: &[&str]) {
    let signers: Vec<Signer> = Algorithm::ALL.iter().map(|algorithm| signer(*algorithm)).collect();
    let tokens: Vec<Value> = signers
        .iter()
        .map(|signer| json!({ "alg": signer.algorithm().name(), "token": draft().sign(signer).expect("a token") }))
        .collect();
    let input = json!({
        "algorithms": Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>(),
        "claims": draft().claims(),
        "tokens": tokens,
        "keys": signers.iter().map(given_key).collect::<Vec<_>>(),
    });
    let answer = peers::answer(command, &input);

    for verdict in answer["verdicts"].as_array().expect("verdicts") {
        let alg = verdict["alg"].as_str().expect("alg");
        let accepted = verdict["subject"] == "ann – Ⓐ \"quoted\"";
        assert!(accepted || lacking.contains(&alg), "ours is refused there: {verdict}");
    }
    for unsupported in answer["unsupported"].as_array().expect("a list") {
        assert!(lacking.contains(&unsupported.as_str().expect("a name")), "{unsupported} was there before");
    }
    let minted = answer["tokens"].as_array().expect("tokens").len();
    assert!(minted + lacking.len() >= Algorithm::ALL.len(), "{minted} algorithms");
    assert_we_accept(&answer, false);
    assert_we_accept(&answer, true);
    eprintln!("{minted} algorithms both ways; not there: {}", answer["unsupported"]);
}

const ML_DSA: [&str; 3] = ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"];

/// JavaScript: npm's `jose`. Whether it has ML-DSA depends on the runtime.
#[test]
#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
fn s2_32_jose_of_npm_and_we_take_each_others_tokens() {
    both_ways(peers::node("interop_jose.mjs"), &ML_DSA);
}

/// Python: `joserfc`.
#[test]
#[cfg_attr(not(has_python), ignore = "needs Python packages: tests/peers/install")]
fn s2_32_joserfc_of_pypi_and_we_take_each_others_tokens() {
    both_ways(peers::python("interop_joserfc.py"), &ML_DSA);
}

/// Python: `PyJWT`, which knows Ed25519 by its older name only.
#[test]
#[cfg_attr(not(has_python), ignore = "needs Python packages: tests/peers/install")]
fn s2_32_pyjwt_of_pypi_and_we_take_each_others_tokens() {
    both_ways(peers::python("interop_pyjwt.py"), &[&ML_DSA[..], &["Ed25519"]].concat());
}
