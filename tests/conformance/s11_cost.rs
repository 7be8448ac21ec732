//! S11, what a caller can make us spend: order of checks, bounds of memory, the cache, panics of others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign::clock::UnixTime;
use countersign::key::{Algorithm, KeyCell, KeySet, KeySource, RefreshFuture, RefreshReason, StaticKeys};
use countersign::policy::NeedsAudience;
use countersign::secret::Secret;
use countersign::verify::Verifier;
use countersign_core::integration::Step;
use countersign_core::mint::Signer;
use countersign_test::ManualClock;
use countersign_tests::cost::least_cpu_time;
use serde_json::json;

use super::fixture::{
    AUDIENCE, ISSUER, OK, T, builder_at, built, code, code_alone, code_of, encode, keys, new_key, policy, policy_over,
    public, segments, sign_text, valid, verifier, with_signature,
};
use super::s3_identity::{CountingKeys, code_with_looks};

/// Refusals that need no key come before one is looked for, and before the signature is looked at: a wrong signature
/// under an unknown `kid` changes nothing, and nothing is fetched.
#[test]
fn s11_01_cheap_checks_come_first() {
    let source = CountingKeys::new(KeySet::new([public(&keys().k1)]));
    let trusted = source.trusted().leeway(Duration::from_secs(60));
    let verifier = built(builder_at(T).trust(trusted.profile(countersign::policy::Profile::AccessToken)));
    let unknown = || valid().header("kid", "unknown");
    for (token, expected) in [
        (unknown().header("alg", "HS256"), "algorithm_not_allowed"),
        (unknown().header("alg", "none"), "algorithm_not_allowed"),
        (unknown().header("typ", "logout+jwt"), "wrong_type"),
        (unknown().header("crit", json!(["x"])), "critical_header"),
        (unknown().claim("iss", "https://evil.test"), "unknown_issuer"),
        (unknown().claim("aud", "https://other.test"), "wrong_audience"),
        (unknown().claim("iat", T - 900).claim("exp", T - 600), "expired"),
        (unknown().claim("nbf", T + 100), "not_yet_valid"),
        (unknown().claim("sub", 1), "invalid_claim"),
        (unknown().without("jti"), "missing_claim"),
        (unknown().claim("nonce", "x"), "id_token"),
        (unknown().claim("cnf", json!({ "jkt": "x" })), "proof_required"),
    ] {
        let unsigned = with_signature(&token.sign(), &[1; 64]);
        assert_eq!(code_with_looks(&verifier, &unsigned), expected);
    }
    assert_eq!(source.asked.load(Ordering::Relaxed), 0);
    assert_eq!(code_with_looks(&verifier, &with_signature(&unknown().sign(), &[1; 64])), "unknown_key");
    assert_eq!(source.asked.load(Ordering::Relaxed), 1);
    assert_eq!(code_with_looks(&verifier, &with_signature(&valid().sign(), &[1; 64])), "bad_signature");
    assert_eq!(source.asked.load(Ordering::Relaxed), 1, "a bad signature asks for no keys");
    assert_eq!(code_with_looks(&verifier, &valid().sign()), OK);
}

#[test]
fn s11_02_at_most_four_keys_are_tried() {
    let same_name: Vec<Signer> = (0..6).map(|_| new_key(Algorithm::ES256, "same")).collect();
    let verifier = verifier(policy_over(same_name.iter().map(public)));
    for (index, key) in same_name.iter().enumerate() {
        let expected = if index < 4 { OK } else { "bad_signature" };
        assert_eq!(code(&verifier, &valid().by(key)), expected, "the key at {index}");
    }
}

/// CVE-2025-30204 and CVE-2025-27144: a split at every dot.
#[test]
fn s11_03_dots_and_size_cost_nothing() {
    let verifier = verifier(policy());
    assert_eq!(code(&verifier, &".".repeat(8192)), "malformed");
    let huge = ".".repeat(64 << 20);
    let time = least_cpu_time(|| assert_eq!(code_alone(&verifier, &huge), "too_large"));
    assert!(time < Duration::from_millis(1), "its length alone is looked at: {time:?}");
}

#[test]
#[cfg_attr(not(is_ci), ignore = "takes long; CI=true runs it")]
fn s11_04_floods_leave_nothing_behind() {
    let source = CountingKeys::new(KeySet::new([public(&keys().k1)]));
    let verifier = built(builder_at(T).cache_bytes(1 << 20).trust(source.trusted()));
    let [_, payload, signature] = segments(&valid().sign());
    for number in 0..20_000 {
        let header = encode(format!("{{\"alg\":\"ES256\",\"kid\":\"unknown-{number}\"}}"));
        let Step::NeedsKeys(_) = verifier.verify_with_cached_keys(&format!("{header}.{payload}.{signature}")) else {
            panic!("an unknown kid is looked for");
        };
    }
    assert_eq!(verifier.cached_tokens(), 0);

    let hmac = Signer::from_secret(Secret::new(vec![b'q'; 64]), Algorithm::HS256, "h").expect("long enough");
    let bounded = policy_over([public(&hmac)]).algorithms([Algorithm::HS256]);
    let bounded = built(builder_at(T).cache_bytes(256 * 1024).trust(bounded));
    for number in 0..3000 {
        assert_eq!(code(&bounded, &valid().claim("jti", format!("j{number}")).by(&hmac)), OK);
    }
    let held = bounded.cached_tokens();
    assert!((50..600).contains(&held), "{held} tokens of some 700 bytes in 256 KiB");
}

fn caching(clock: &ManualClock, source: Arc<dyn KeySource>, audience: &str) -> Verifier {
    let issuer = NeedsAudience::new(ISSUER, source).audience(audience);
    built(builder_at(T).clock(Arc::new(clock.clone())).cache_bytes(1 << 20).trust(issuer))
}

/// CVE-2026-35030 (the first characters as the key), CVE-2026-35039 (a key of the caller's making).
#[test]
fn s11_05_only_the_whole_token_is_remembered() {
    let clock = ManualClock::new(UnixTime::from_secs(T));
    let verifier = caching(&clock, Arc::new(StaticKeys::new([public(&keys().k1)])), AUDIENCE);
    let token = valid().sign();
    assert_eq!((code(&verifier, &token), code(&verifier, &token)), (OK, OK));
    assert_eq!(verifier.stats().from_cache, 1);
    for kept in [20, 100, token.len() - 87, token.len() - 2] {
        let filler = if token[kept..].starts_with('A') { "B" } else { "A" };
        let other = format!("{}{}", &token[..kept], filler.repeat(token.len() - kept));
        assert_ne!(code(&verifier, &other), OK, "the first {kept} characters");
    }
    let [header, payload, signature] = segments(&token);
    let admin = encode(valid().claim("sub", "admin").claims_json());
    assert_eq!(code(&verifier, &format!("{header}.{admin}.{signature}")), "bad_signature", "the same end");
    assert_eq!(code(&verifier, &format!("{header}.{payload}A.{signature}")), "malformed");
    assert_eq!(verifier.stats().from_cache, 1);
}

/// lua-resty-openidc before 1.9: one cache for two policies.
#[test]
fn s11_05_another_policy_shares_no_memory() {
    let clock = ManualClock::new(UnixTime::from_secs(T));
    let keys = StaticKeys::new([public(&keys().k1)]);
    let source: Arc<dyn KeySource> = Arc::new(keys);
    let ours = caching(&clock, Arc::clone(&source), AUDIENCE);
    let theirs = caching(&clock, source, "https://other.test");
    let token = valid().sign();
    assert_eq!((code(&ours, &token), code(&ours, &token)), (OK, OK));
    assert_eq!(code(&theirs, &token), "wrong_audience");
    assert_eq!(code(&ours, &token), OK);
}

#[test]
fn s11_05_a_withdrawn_key_and_the_end_are_judged_at_each_hit() {
    let clock = ManualClock::new(UnixTime::from_secs(T));
    let source = CountingKeys::new(KeySet::new([public(&keys().k1)]));
    let verifier = caching(&clock, Arc::clone(&source) as Arc<dyn KeySource>, AUDIENCE);
    let token = valid().sign();
    assert_eq!((code(&verifier, &token), code(&verifier, &token)), (OK, OK));
    source.cell().store(Arc::new(KeySet::new([public(&keys().r1)])), None);
    assert_eq!(code(&verifier, &token), "unknown_key", "withdrawn");
    source.cell().store(Arc::new(KeySet::new([public(&keys().k1)])), None);
    assert_eq!(code(&verifier, &token), OK);
    clock.advance(Duration::from_secs(320));
    assert_eq!(code(&verifier, &token), "expired");
    assert_eq!(verifier.cached_tokens(), 0, "and forgotten");
}

#[test]
fn s11_05_refusals_are_not_remembered() {
    let clock = ManualClock::new(UnixTime::from_secs(T));
    let verifier = caching(&clock, Arc::new(StaticKeys::new([public(&keys().k1)])), AUDIENCE);
    let early = valid().claim("nbf", T + 100).sign();
    assert_eq!(code(&verifier, &early), "not_yet_valid");
    assert_eq!(code(&verifier, &with_signature(&early, &[1; 64])), "not_yet_valid");
    assert_eq!(verifier.cached_tokens(), 0);
    clock.advance(Duration::from_secs(100));
    assert_eq!(code(&verifier, &early), OK);
}

#[test]
fn s11_08_wide_json_is_read_in_linear_time() {
    let verifier = built(builder_at(T).trust(policy()).max_token_bytes(64 * 1024));
    let members = |count: usize| {
        let members: Vec<String> = (0..count).map(|index| format!("\"m{index}\":0")).collect();
        let claims = valid().claims_json();
        sign_text(valid().header_json(), format!("{{{},{}", members.join(","), &claims[1..]))
    };
    let blanks = |count: usize| valid().claim("scope", format!("read{}", " ".repeat(count))).sign();
    let items = |count: usize| valid().claim("x", vec![0; count]).sign();
    // Eight times the input, because time is measured on a machine that has other work: linear time is 8 times as long, quadratic
    // time 64 times. The core counts the comparisons of names.
    for (small, large, case) in [
        (members(450), members(3600), "members"),
        (blanks(4_000), blanks(32_000), "blanks"),
        (items(2_500), items(20_000), "items"),
    ] {
        assert_eq!((code(&verifier, &small), code(&verifier, &large)), (OK, OK), "{case}");
        let ratio = |small: &str, large: &str| {
            let once = least_cpu_time(|| assert_eq!(code_alone(&verifier, small), OK));
            least_cpu_time(|| assert_eq!(code_alone(&verifier, large), OK)).as_secs_f64() / once.as_secs_f64()
        };
        // One quiet run of ten is enough: noise only ever adds.
        let ratios: Vec<f64> =
            (0..10).map_while(|_| Some(ratio(&small, &large)).filter(|ratio| *ratio >= 27.0)).collect();
        assert!(ratios.len() < 10, "{case}: eight times the input took {ratios:.1?} times as long");
    }
}

/// CVE-2023-6681, CVE-2022-36083, GHSA-2c7c-3mj9-8fqh, CVE-2023-49290, CVE-2023-50658, CVE-2023-52428, CVE-2023-51775,
/// CVE-2023-31582, CVE-2023-50967 and CVE-2023-50966 (`p2c`); CVE-2024-28180, CVE-2024-28122, CVE-2025-63811 and
/// CVE-2024-29371 (`zip`).
#[test]
fn s11_09_no_iterations_and_no_inflating() {
    let deflated = encode([0x4b; 1000]);
    for header in [
        r#"{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2s":"AAAAAAAA","p2c":2147483647}"#,
        r#"{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2s":"AAAAAAAA","p2c":1}"#,
        r#"{"alg":"dir","enc":"A256GCM","zip":"DEF"}"#,
    ] {
        let encrypted = format!("{}.{deflated}.{deflated}.{deflated}.{deflated}", encode(header));
        assert_eq!(code_of(&encrypted), "jwe_unsupported");
        let plain = verifier(policy());
        let time = least_cpu_time(|| assert_eq!(code_alone(&plain, &encrypted), "jwe_unsupported"));
        assert!(time < Duration::from_millis(1), "{time:?}");
        let three = sign_text(header, valid().claims_json());
        assert_eq!(code_of(&three), "algorithm_not_allowed", "as three segments it is an algorithm of no list");
    }
    assert_eq!(code_of(&valid().header("zip", "DEF").sign()), OK, "to a signed token zip means nothing");
}

/// A source that fails hard once.
#[derive(Debug)]
struct Panicking {
    cell: KeyCell,
    failed: AtomicBool,
}

impl KeySource for Panicking {
    fn cell(&self) -> &KeyCell {
        &self.cell
    }

    fn refresh(&self, _reason: RefreshReason) -> RefreshFuture<'_> {
        Box::pin(async {
            assert!(self.failed.swap(true, Ordering::Relaxed), "the source fails");
            self.cell.store(Arc::new(KeySet::new([public(&keys().k1)])), None);
            countersign::key::RefreshOutcome::Refreshed
        })
    }
}

#[test]
fn s11_13_a_panic_of_one_request_is_its_own() {
    let source = Arc::new(Panicking { cell: KeyCell::new(), failed: AtomicBool::new(false) });
    let issuer = NeedsAudience::new(ISSUER, source as Arc<dyn KeySource>).audience(AUDIENCE);
    let verifier = built(builder_at(T).cache_bytes(1 << 20).trust(issuer));
    let token = valid().sign();
    let fails = {
        let (verifier, token) = (verifier.clone(), token.clone());
        std::thread::spawn(move || code_with_looks(&verifier, &token))
    };
    assert!(fails.join().is_err(), "the source panicked");
    assert_eq!(code_with_looks(&verifier, &token), OK, "the next one fares as ever");
    assert_eq!(code_with_looks(&verifier, &token), OK);

    /// Claims whose decoding fails hard.
    struct Explosive;
    impl<'de> serde::Deserialize<'de> for Explosive {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("a type of the user's")
        }
    }
    let verified = super::fixture::judge(&verifier, &token).expect("accepted");
    let shared = Arc::clone(&verified);
    assert!(std::thread::spawn(move || shared.claims::<Explosive>().is_ok()).join().is_err());
    assert!(verified.claims::<serde_json::Value>().is_ok());
    assert_eq!(code_with_looks(&verifier, &token), OK);
}
