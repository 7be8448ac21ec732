//! S4 as far as the kernel goes: which key of a set a token gets, and how much of a set is used.

use std::sync::Arc;
use std::time::Duration;

use countersign::key::{
    Algorithm, KeyCell, KeySet, KeySource, MAX_JWKS_BYTES, MAX_KEYS, RefreshFuture, RefreshOutcome, RefreshReason,
};
use countersign::key::{StaticKeys, VerifyingKey};
use countersign::policy::NeedsAudience;
use countersign::secret::Secret;
use countersign_core::integration::Step;
use countersign_core::mint::Signer;
use serde_json::{Value, json};

use super::fixture::{
    AUDIENCE, ISSUER, OK, T, builder_at, built, code, judge, keys, new_key, policy_of, policy_over, public, valid,
    verifier,
};
use super::http::{KEYS, outcome};

fn jwk_of(signer: &Signer) -> Value {
    signer.public_jwk().expect("a public key")
}

#[test]
fn s4_11_one_name_of_two_kinds_of_key() {
    let (ec, rsa) = (new_key(Algorithm::ES256, "same"), new_key(Algorithm::RS256, "same"));
    let verifier = verifier(policy_over([public(&ec), public(&rsa)]));
    assert_eq!((code(&verifier, &valid().by(&ec)), code(&verifier, &valid().by(&rsa))), (OK, OK));
    let okp = valid().header("alg", "Ed25519").header("kid", "same").sign_with(&keys().e1);
    assert_eq!(code(&verifier, &okp), "key_mismatch");
}

/// CVE-2026-89313: an absent `kid` answered with any key.
#[test]
fn s4_12_without_kid_exactly_one_key_must_fit() {
    let (k1, e1, another) = (&keys().k1, &keys().e1, new_key(Algorithm::ES256, "another"));
    let nameless = || valid().without_header("kid").sign();
    assert_eq!(code(&verifier(policy_over([public(k1), public(e1)])), &nameless()), OK, "one of its kind");
    assert_eq!(code(&verifier(policy_over([public(k1), public(&another)])), &nameless()), "unknown_key", "two");
    assert_eq!(code(&verifier(policy_over([public(e1)])), &nameless()), "unknown_key", "none");
    let is_looked_for = |keys: Vec<VerifyingKey>| {
        matches!(verifier(policy_over(keys)).verify_with_cached_keys(&nameless()), Step::NeedsKeys(_))
    };
    assert!(is_looked_for(vec![public(e1)]), "newer keys may have one that fits");
    assert!(!is_looked_for(vec![public(k1), public(&another)]), "newer keys would not make two of them one");
    let foreign = valid().without_header("kid").sign_with(&another);
    assert_eq!(code(&verifier(policy_over([public(k1)])), &foreign), "bad_signature");
}

#[test]
fn s4_13_a_named_key_is_that_key_or_none() {
    let k1 = &keys().k1;
    let verifier = verifier(policy_over([public(k1)]));
    for name in ["other", "K1", "k1 ", "k", "k11"] {
        assert_eq!(code(&verifier, &valid().header("kid", name).sign()), "unknown_key", "{name:?}");
    }
    assert_eq!(code(&verifier, &valid().sign()), OK);
    let mut nameless_key = jwk_of(k1);
    nameless_key.as_object_mut().expect("an object").remove("kid");
    let nameless_key = VerifyingKey::from_jwk(&nameless_key.to_string()).expect("usable");
    let verifier = super::fixture::verifier(policy_over([nameless_key]));
    assert_eq!(code(&verifier, &valid().sign()), "unknown_key", "a key without a name has none");
    assert_eq!(code(&verifier, &valid().without_header("kid").sign()), OK);
}

#[test]
fn s4_14_a_kid_is_a_short_string() {
    for wrong in [json!(1), json!(null), json!(["k1"]), json!({}), json!("")] {
        assert_eq!(super::fixture::code_of(&valid().header("kid", wrong.clone()).sign()), "malformed", "{wrong}");
    }
    for (bytes, expected) in [(256, "unknown_key"), (257, "malformed")] {
        assert_eq!(super::fixture::code_of(&valid().header("kid", "k".repeat(bytes)).sign()), expected, "{bytes}");
    }
    let longest = new_key(Algorithm::ES256, &"k".repeat(256));
    assert_eq!(code(&verifier(policy_over([public(&longest)])), &valid().by(&longest)), OK);
}

#[test]
fn s4_27_a_set_is_used_up_to_its_bounds() {
    let odd = json!({ "kty": "XYZ", "kid": "odd" });
    let key = |number: usize| {
        let mut jwk = jwk_of(&keys().k1);
        jwk["kid"] = json!(format!("n{number}"));
        jwk
    };
    let set = |keys: Vec<Value>| KeySet::from_jwks(json!({ "keys": keys }).to_string().as_bytes()).expect("usable");
    let many = set((0..MAX_KEYS + 2).map(key).collect());
    assert_eq!((many.len(), many.keys().count(), many.skipped().len()), (MAX_KEYS, MAX_KEYS, 2));
    let verifier = verifier(policy_of(many));
    let named = |number: usize| valid().header("kid", format!("n{number}")).sign();
    assert_eq!(code(&verifier, &named(MAX_KEYS - 1)), OK);
    assert_eq!(code(&verifier, &named(MAX_KEYS)), "unknown_key");

    let mut odd_ones = vec![odd; MAX_KEYS + 10];
    odd_ones.push(key(0));
    let odd_ones = set(odd_ones);
    assert_eq!((odd_ones.len(), odd_ones.skipped().len(), odd_ones.is_empty()), (1, MAX_KEYS, false));
    assert!(KeySet::new([]).is_empty());
    assert_eq!(KeySet::new((0..MAX_KEYS + 1).map(|_| public(&keys().k1))).len(), MAX_KEYS);

    let document = json!({ "keys": [key(0)] }).to_string();
    let padded = |bytes: usize| format!("{document}{}", " ".repeat(bytes - document.len()));
    assert!(KeySet::from_jwks(padded(MAX_JWKS_BYTES).as_bytes()).is_ok());
    assert!(KeySet::from_jwks(padded(MAX_JWKS_BYTES + 1).as_bytes()).is_err());
}

/// What decides whether a new set voids what was verified under the old one.
#[test]
fn s4_08_sets_are_the_same_by_their_keys_and_names() {
    let (k1, e1) = (&keys().k1, &keys().e1);
    let renamed = |name: &str| {
        let mut jwk = jwk_of(k1);
        jwk["kid"] = json!(name);
        VerifyingKey::from_jwk(&jwk.to_string()).expect("usable")
    };
    let relabelled = || {
        let mut jwk = jwk_of(e1);
        jwk["alg"] = json!("EdDSA");
        VerifyingKey::from_jwk(&jwk.to_string()).expect("usable")
    };
    let one = || KeySet::new([public(k1)]);
    assert!(one().has_same_keys(&one()));
    assert!(!one().has_same_keys(&KeySet::new([public(k1), public(e1)])), "one more");
    assert!(!KeySet::new([public(k1), public(e1)]).has_same_keys(&one()), "one fewer");
    assert!(!one().has_same_keys(&KeySet::new([renamed("k2")])), "another name");
    assert!(!one().has_same_keys(&KeySet::new([public(&new_key(Algorithm::ES256, "k1"))])), "another key");
    assert!(!KeySet::new([public(e1)]).has_same_keys(&KeySet::new([relabelled()])), "another algorithm");
    let secret = || VerifyingKey::from_secret(&Secret::new(vec![b'q'; 32]), Algorithm::HS256, Some("s")).expect("good");
    assert!(!KeySet::new([secret()]).has_same_keys(&KeySet::new([secret()])), "secrets are not compared");
}

/// A source that has nothing and cannot look.
#[derive(Debug, Default)]
struct Unreachable(KeyCell);

impl KeySource for Unreachable {
    fn cell(&self) -> &KeyCell {
        &self.0
    }

    fn refresh(&self, _reason: RefreshReason) -> RefreshFuture<'_> {
        Box::pin(std::future::ready(RefreshOutcome::Unavailable { retry_after: Duration::from_secs(7) }))
    }
}

/// S5.07 as the verifier tells it: what could not be judged is not refused.
#[test]
fn s4_21_keys_that_cannot_be_had_are_no_refusal() {
    let trusted =
        |source: Arc<dyn KeySource>| built(builder_at(T).trust(NeedsAudience::new(ISSUER, source).audience(AUDIENCE)));
    let unreachable = trusted(Arc::new(Unreachable::default()));
    let token = valid().sign();
    let Step::NeedsKeys(needed) = unreachable.verify_with_cached_keys(&token) else { panic!("it needs keys") };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let looked = runtime.block_on(needed.refresh());
    let error = unreachable.verify_after_refresh(&token, &looked).expect_err("undecided");
    assert!(error.is_unavailable());
    assert_eq!((error.code(), error.retry_after()), ("keys_unavailable", Some(Duration::from_secs(7))));
    assert_eq!(outcome(&unreachable, &token), KEYS);
    let stats = unreachable.stats();
    assert_eq!((stats.undecided, stats.refused, stats.verified), (2, 0, 0));

    let emptied = StaticKeys::new([public(&keys().k1)]);
    emptied.cell().clear();
    let emptied = trusted(Arc::new(emptied));
    let error = judge(&emptied, &token).expect_err("no keys at all");
    assert_eq!((error.code(), error.retry_after()), ("keys_unavailable", Some(Duration::from_secs(1))));
}

#[test]
fn s10_07_what_was_decided_is_counted() {
    let k1 = &keys().k1;
    let verifier = built(builder_at(T).cache_bytes(1 << 20).trust(policy_over([public(k1)])));
    let token = valid().sign();
    for expected in [OK, OK, OK] {
        assert_eq!(code(&verifier, &token), expected);
    }
    for broken in ["", "a.b.c", &valid().header("kid", "other").sign()] {
        assert_ne!(code(&verifier, broken), OK);
    }
    let stats = verifier.stats();
    assert_eq!((stats.verified, stats.from_cache, stats.refused, stats.undecided), (1, 2, 3, 0));
    assert_eq!(verifier.cached_tokens(), 1);
    assert_eq!(verifier.issuers().map(|issuer| issuer.issuer().to_owned()).collect::<Vec<_>>(), [ISSUER]);
    assert!(format!("{verifier:?}").contains(ISSUER));
    assert_eq!(verifier.clock().now().as_secs(), T);
}

/// The commonest mistake is told in words; any other difference is not called that.
#[test]
fn s10_08_a_slash_too_many_is_named() {
    let told = |iss: &str| {
        let error = judge(&verifier(policy_over([])), &valid().claim("iss", iss).sign()).expect_err("unknown");
        error.to_string()
    };
    assert!(told("https://issuer.test/").contains("last slash"), "{}", told("https://issuer.test/"));
    assert!(!told("https://other.test").contains("last slash"));
    assert!(!told("https://issuer.test/x").contains("last slash"));
}
