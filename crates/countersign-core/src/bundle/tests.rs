#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use serde_json::{Value, json};

use super::{Bundle, BundleDraft, BundleError, BundleVerifier, MAX_BUNDLE_BYTES};
use crate::clock::UnixTime;
use crate::key::{Algorithm, KeySet};
use crate::mint::Signer;
use crate::policy::Policy;
use crate::secret::Secret;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const FLEET: &str = "shop-production";

fn signer() -> Signer {
    Signer::generate(Algorithm::ES256).expect("a key")
}

fn verifier(signer: &Signer) -> BundleVerifier {
    BundleVerifier::new(FLEET, KeySet::new([signer.verifying_key().expect("a key")])).expect("sound")
}

fn policy() -> Policy {
    Policy::access_token("https://id.example.com", "orders")
}

fn payload() -> Value {
    let policy: Value = serde_json::from_str(&policy().to_json()).expect("JSON");
    json!({ "aud": FLEET, "revision": 7, "iat": NOW.as_secs(), "exp": NOW.as_secs() + 3600, "policy": policy })
}

/// Signs any payload, with these members of the header instead of the usual ones.
fn sign(signer: &Signer, payload: &str, header: &Value) -> String {
    let mut usual = json!({ "alg": "ES256", "kid": signer.key_id(), "typ": "policy-bundle+jwt" });
    for (name, value) in header.as_object().expect("an object") {
        usual[name] = value.clone();
    }
    signer.sign_compact(usual.to_string().as_bytes(), payload.as_bytes()).expect("signed")
}

fn code(result: Result<Bundle, BundleError>) -> &'static str {
    result.err().map_or("accepted", |error| error.code())
}

#[test]
fn s14_01_each_broken_bundle_is_refused_with_its_code() {
    let (key, other) = (signer(), signer().with_key_id("other"));
    let same_name = signer().with_key_id(key.key_id());
    let bundles = verifier(&key);
    let good = sign(&key, &payload().to_string(), &json!({}));
    assert_eq!(code(bundles.verify(&good, NOW)), "accepted");
    assert_eq!(code(bundles.verify(&format!("{good}\n"), NOW)), "accepted", "as editors end a file");
    let with = |name: &str, value: Value| {
        let mut payload = payload();
        payload[name] = value;
        sign(&key, &payload.to_string(), &json!({}))
    };
    let without = |name: &str| {
        let mut payload = payload();
        payload.as_object_mut().expect("an object").remove(name);
        sign(&key, &payload.to_string(), &json!({}))
    };
    let with_policy = |name: &str, value: Value| {
        let mut payload = payload();
        payload["policy"][name] = value;
        sign(&key, &payload.to_string(), &json!({}))
    };
    let segments: Vec<&str> = good.split('.').collect();
    let unsigned_header = "eyJhbGciOiJub25lIiwidHlwIjoicG9saWN5LWJ1bmRsZStqd3QifQ"; // alg none
    let twice = payload().to_string().replacen("{\"", "{\"revision\":8,\"", 1);
    let other_payload = crate::token::encode_base64url(payload().to_string().replace("orders", "billing").as_bytes());
    let cases = [
        ("bundle_malformed", policy().to_json()),
        ("bundle_malformed", String::new()),
        ("bundle_malformed", good[..good.len() / 2].to_owned()),
        ("bundle_malformed", good[..good.len() - 1].to_owned() + "*"),
        ("bundle_malformed", format!("{}.{}.", segments[0], segments[1])),
        ("bundle_unknown_key", format!("{unsigned_header}.{}.AA", segments[1])),
        ("bundle_unknown_key", sign(&other, &payload().to_string(), &json!({}))),
        ("bundle_unknown_key", sign(&key, &payload().to_string(), &json!({ "kid": "elsewhere" }))),
        ("bundle_bad_signature", sign(&same_name, &payload().to_string(), &json!({}))),
        ("bundle_bad_signature", format!("{}.{other_payload}.{}", segments[0], segments[2])),
        ("bundle_bad_signature", good[..good.len() - 4].to_owned() + "AAAA"),
        ("bundle_wrong_type", sign(&key, &payload().to_string(), &json!({ "typ": "at+jwt" }))),
        ("bundle_wrong_type", sign(&key, &payload().to_string(), &json!({ "typ": "JWT" }))),
        ("bundle_malformed", sign(&key, &payload().to_string(), &json!({ "crit": ["x"] }))),
        ("bundle_wrong_fleet", with("aud", json!("shop-test"))),
        ("bundle_malformed", with("aud", json!([FLEET]))),
        ("bundle_malformed", without("aud")),
        ("bundle_malformed", without("revision")),
        ("bundle_malformed", without("exp")),
        ("bundle_malformed", without("iat")),
        ("bundle_malformed", without("policy")),
        ("bundle_malformed", with("revision", json!(0))),
        ("bundle_malformed", with("revision", json!(-1))),
        ("bundle_malformed", with("revision", json!(1.5))),
        ("bundle_malformed", with("revision", json!(1_u64 << 53))),
        ("bundle_malformed", with("more", json!(1))),
        ("bundle_malformed", sign(&key, &twice, &json!({}))),
        ("bundle_malformed", with("exp", json!(NOW.as_secs()))),
        ("bundle_malformed", with("exp", json!(NOW.as_secs() + 367 * 86_400))),
        ("bundle_not_yet_created", with("iat", json!(NOW.as_secs() + 61))),
        ("accepted", with("iat", json!(NOW.as_secs() + 60))),
        ("bundle_invalid_policy", with_policy("issuers", json!([{ "issuer": "https://id.example.com" }]))),
        ("bundle_invalid_policy", with_policy("leewey_seconds", json!(10))),
        ("bundle_invalid_policy", with("policy", json!("deny"))),
        ("bundle_too_large", "x".repeat(MAX_BUNDLE_BYTES + 1)),
    ];
    for (number, (expected, text)) in cases.into_iter().enumerate() {
        let result = bundles.verify(&text, NOW);
        assert_eq!(code(result.clone()), expected, "case {number}: {result:?}");
    }
    let expiry = NOW.saturating_add(Duration::from_secs(3600));
    assert_eq!(code(bundles.verify(&good, expiry)), "bundle_expired");
    assert_eq!(code(bundles.verify_at_any_time(&good)), "accepted");
}

#[test]
fn s14_01_only_a_higher_revision_replaces() {
    let key = signer();
    let bundles = verifier(&key);
    let revision = |number: u64, audience: &str| {
        let policy = Policy::access_token("https://id.example.com", audience);
        let text = BundleDraft::new(FLEET, number, policy).created_at(NOW).sign(&key).expect("signed");
        bundles.verify(&text, NOW).expect("sound")
    };
    let last = revision(7, "orders");
    assert_eq!(revision(8, "orders").replaces(&last), Ok(true));
    assert_eq!(revision(7, "orders").replaces(&last), Ok(false), "the same document, signed again");
    let refusal = |bundle: Bundle| bundle.replaces(&last).expect_err("refused").code();
    assert_eq!(refusal(revision(6, "billing")), "bundle_older_revision");
    assert_eq!(refusal(revision(7, "billing")), "bundle_same_revision");
}

#[test]
fn what_cannot_be_pinned_or_signed_is_a_fault_with_its_field() {
    let shared = Signer::from_secret(Secret::new(vec![7; 32]), Algorithm::HS256, "k").expect("a secret");
    let key = signer();
    let pin = |fleet: &str, keys: Vec<&Signer>| {
        let keys = KeySet::new(keys.into_iter().map(|key| key.verifying_key().expect("a key")));
        BundleVerifier::new(fleet, keys).err().map(|error| error.faults()[0].field.clone().into_owned())
    };
    assert_eq!(pin(FLEET, vec![&key]), None);
    assert_eq!(pin("", vec![&key]).as_deref(), Some("fleet"));
    assert_eq!(pin("a\nb", vec![&key]).as_deref(), Some("fleet"));
    assert_eq!(pin(FLEET, vec![]).as_deref(), Some("bundle_keys"));
    assert_eq!(pin(FLEET, vec![&key, &shared]).as_deref(), Some("bundle_keys"));
    let draft = |fleet: &str, revision: u64| BundleDraft::new(fleet, revision, policy()).created_at(NOW);
    let field = |draft: BundleDraft, key: &Signer| {
        draft.sign(key).err().map(|error| error.faults()[0].field.clone().into_owned())
    };
    assert_eq!(field(draft(FLEET, 1), &key), None);
    assert_eq!(field(draft("", 1), &key).as_deref(), Some("fleet"));
    assert_eq!(field(draft(FLEET, 0), &key).as_deref(), Some("revision"));
    assert_eq!(field(draft(FLEET, 1).validity(Duration::ZERO), &key).as_deref(), Some("validity"));
    assert_eq!(field(draft(FLEET, 1).validity(Duration::MAX), &key).as_deref(), Some("validity"));
    assert_eq!(field(BundleDraft::new(FLEET, 1, policy()), &key).as_deref(), Some("created_at"));
    assert_eq!(field(draft(FLEET, 1), &shared).as_deref(), Some("bundle_keys"));
}
