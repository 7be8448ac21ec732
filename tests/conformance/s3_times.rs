//! S3, times: `exp`, `nbf`, `iat`, their types and ranges, lifetimes, leeway, clocks that step.

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::UnixTime;
use countersign::policy::{Profile, TrustedIssuer};
use countersign::verify::Outcome;
use countersign_test::ManualClock;
use serde_json::json;

use super::fixture::{
    OK, T, Token, builder_at, built, code, code_of, faulty_fields, policy, sign_text, valid, verifier, verifier_at,
};
use super::http::{TOK, outcome};

/// The policy with another leeway, in seconds.
fn with_leeway(seconds: u64) -> TrustedIssuer {
    policy().leeway(Duration::from_secs(seconds))
}

/// A token that ends then; begun early enough that its length is no matter.
fn ending(exp: impl Into<serde_json::Value>) -> Token {
    valid().claim("iat", T - 300).claim("exp", exp)
}

#[test]
fn s3_01_every_profile_requires_exp() {
    for profile in [Profile::AccessToken, Profile::Compatible, Profile::Named] {
        let verifier = verifier(policy().profile(profile).token_type("at+jwt"));
        assert_eq!(code(&verifier, &valid().without("exp").sign()), "missing_claim", "{profile:?}");
        assert_eq!(code(&verifier, &valid().sign()), OK, "{profile:?}");
    }
}

/// CVE-2026-9097: an expired token, taken.
#[test]
fn s3_02_from_exp_on_plus_leeway_it_is_expired() {
    for (leeway, exp, expected) in [
        (0, T, "expired"),
        (0, T - 1, "expired"),
        (0, T + 1, OK),
        (60, T - 59, OK),
        (60, T - 60, "expired"),
        (300, T - 299, OK),
    ] {
        assert_eq!(code(&verifier(with_leeway(leeway)), &ending(exp).sign()), expected, "{leeway} {exp}");
    }
    assert_eq!(faulty_fields(with_leeway(300)), [""; 0]);
    assert_eq!(faulty_fields(with_leeway(301)), ["leeway"]);
}

#[test]
fn s3_03_before_nbf_less_leeway_it_is_not_yet_valid() {
    let starting = |nbf: u64| valid().claim("nbf", nbf).sign();
    for (leeway, nbf, expected) in
        [(60, T + 60, OK), (60, T + 61, "not_yet_valid"), (0, T, OK), (0, T + 1, "not_yet_valid"), (60, 0, OK)]
    {
        assert_eq!(code(&verifier(with_leeway(leeway)), &starting(nbf)), expected, "{leeway} {nbf}");
    }
    assert_eq!(code_of(&valid().without("nbf").sign()), OK, "it is optional");
}

#[test]
fn s3_04_iat_is_there_and_not_in_the_future() {
    assert_eq!(code_of(&valid().without("iat").sign()), "missing_claim");
    // The profile requires it, also if no bound of the lifetime needs it.
    let report = verifier(policy()).explain_with_cached_keys(&valid().without("iat").sign());
    for name in ["lifetime", "required claims"] {
        let outcome = &report.check(name).expect("checked").outcome;
        assert!(matches!(outcome, Outcome::Failed { code: "missing_claim", .. }), "{name}: {outcome:?}");
    }
    assert_eq!(code_of(&valid().claim("iat", T + 60).sign()), OK);
    assert_eq!(code_of(&valid().claim("iat", T + 61).sign()), "issued_in_future");
    let compatible = verifier(policy().profile(Profile::Compatible));
    assert_eq!(code(&compatible, &valid().without("iat").sign()), OK);
    assert_eq!(code(&compatible, &valid().claim("iat", T + 61).sign()), "issued_in_future");
}

/// CVE-2026-25537: a time of another type, taken for absent.
#[test]
fn s3_05_a_time_of_another_type_is_fatal() {
    for name in ["exp", "nbf", "iat", "auth_time"] {
        for wrong in [
            json!("1700000000"),
            json!("never"),
            json!(""),
            json!(null),
            json!(true),
            json!(false),
            json!([]),
            json!([T]),
            json!({}),
        ] {
            assert_eq!(code_of(&valid().claim(name, wrong.clone()).sign()), "invalid_claim", "{name} {wrong}");
        }
    }
    let all = valid().claim("nbf", T).claim("auth_time", T - 20);
    assert_eq!(code_of(&all.sign()), OK);
}

#[test]
fn s3_06_fractions_are_legal_and_never_rounded_up() {
    let half = ending(json!(1_700_000_000.5));
    assert_eq!(code(&verifier(with_leeway(0)), &half.sign()), OK);
    assert_eq!(code(&verifier_at(T + 1, with_leeway(0)), &half.sign()), "expired");
    let begins = valid().claim("nbf", json!(1_700_000_000.5));
    assert_eq!(code(&verifier(with_leeway(0)), &begins.sign()), "not_yet_valid");
    assert_eq!(code(&verifier_at(T + 1, with_leeway(0)), &begins.sign()), OK);

    let claims = valid().claims_json();
    for (from, to) in [("1699999990", "1.69999999e9"), ("1700000290", "17000002900e-1")] {
        assert!(claims.contains(from));
        assert_eq!(code_of(&sign_text(valid().header_json(), claims.replace(from, to))), OK, "{to}");
    }
}

/// The published audit of jwt-simple found negative times that wrapped to the far future.
#[test]
fn s3_07_times_lie_between_1970_and_9999() {
    for name in ["exp", "nbf", "iat", "auth_time"] {
        for number in [
            "-1",
            "-0.5",
            "-9223372036854775808",
            "1700000000000",
            "253402300800",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "1e300",
            "-1e300",
        ] {
            let mut token = valid();
            token.claims.remove(name);
            let claims = token.claims_json();
            let text = format!("{{\"{name}\":{number},{}", &claims[1..]);
            assert_eq!(code_of(&sign_text(valid().header_json(), text)), "invalid_claim", "{name} {number}");
        }
    }
    let lasting = verifier(policy().profile(Profile::Compatible));
    assert_eq!(code(&lasting, &ending(253_402_300_799_u64).sign()), OK);
    assert_eq!(code(&lasting, &valid().claim("iat", 0).claim("nbf", 0).sign()), OK);
    assert_eq!(code(&verifier_at(u64::MAX, policy()), &valid().sign()), "expired", "a clock at its end");
    assert_eq!(code(&verifier_at(0, policy()), &valid().sign()), "issued_in_future", "a clock at its beginning");
}

/// CVE-2026-96460: tokens renewed without end are bounded by their lifetime.
#[test]
fn s3_08_lifetimes_are_positive_and_bounded() {
    for (iat, exp, expected) in [
        (T + 30, T + 30, "lifetime_too_long"),
        (T + 30, T + 29, "lifetime_too_long"),
        (T + 30, T + 31, OK),
        (T - 10, T - 10 + 86_401, "lifetime_too_long"),
        (T - 10, T - 10 + 86_400, OK),
    ] {
        let token = valid().claim("iat", iat).claim("exp", exp).sign();
        assert_eq!(code_of(&token), expected, "{iat} {exp}");
    }
    for (nbf, expected) in [(T + 30, "lifetime_too_long"), (T + 31, "lifetime_too_long"), (T + 29, OK)] {
        let token = valid().claim("nbf", nbf).claim("exp", T + 30).sign();
        assert_eq!(code_of(&token), expected, "nbf {nbf}");
    }

    let bounded = verifier(policy().profile(Profile::Compatible).max_lifetime(Duration::from_secs(300)));
    assert_eq!(code(&bounded, &valid().sign()), OK);
    assert_eq!(code(&bounded, &valid().claim("exp", T + 291).sign()), "lifetime_too_long");
    assert_eq!(code(&bounded, &valid().without("iat").sign()), "missing_claim", "without iat it has no bound");
    let unbounded = verifier(policy().profile(Profile::Compatible));
    assert_eq!(code(&unbounded, &valid().claim("exp", T + 1_000_000).sign()), OK);
    assert_eq!(faulty_fields(policy().max_lifetime(Duration::ZERO)), ["max_lifetime"]);
}

#[test]
fn s3_09_the_age_is_bounded_where_the_policy_says_so() {
    let issued = |iat: u64| valid().claim("iat", iat).sign();
    let bounded = verifier(policy().max_age(Duration::from_secs(300)));
    assert_eq!(code(&bounded, &issued(T - 360)), OK);
    assert_eq!(code(&bounded, &issued(T - 361)), "too_old");
    assert_eq!(code_of(&issued(T - 361)), OK, "only where it says so");
    let compatible = verifier(policy().profile(Profile::Compatible).max_age(Duration::from_secs(300)));
    assert_eq!(code(&compatible, &valid().without("iat").sign()), "missing_claim");
}

/// CVE-2026-30223 skipped a check on one of its paths.
#[test]
fn s3_10_leeway_counts_once_on_every_path() {
    let late = ending(T - 61).sign();
    let plain = verifier(policy());
    assert_eq!(code(&plain, &late), "expired");
    assert_eq!(outcome(&plain, &late), TOK);

    let clock = ManualClock::new(UnixTime::from_secs(T - 200));
    let cached = built(builder_at(T).clock(Arc::new(clock.clone())).cache_bytes(1 << 20).trust(policy()));
    let token = valid().claim("iat", T - 300).claim("exp", T - 61).sign();
    assert_eq!(code(&cached, &token), OK);
    clock.step_wall(UnixTime::from_secs(T - 2));
    assert_eq!((code(&cached, &token), cached.stats().from_cache), (OK, 1), "59 s after its end, a hit");
    clock.step_wall(UnixTime::from_secs(T - 1));
    assert_eq!((code(&cached, &token), outcome(&cached, &token)), ("expired", TOK), "60 s after its end");
    assert_eq!(cached.stats().from_cache, 1);
}

#[test]
fn s3_28_a_wall_clock_that_steps_decides_at_once() {
    let clock = ManualClock::new(UnixTime::from_secs(T));
    let verifier = built(builder_at(T).clock(Arc::new(clock.clone())).cache_bytes(1 << 20).trust(policy()));
    let token = valid().claim("nbf", T - 10).sign();
    assert_eq!(code(&verifier, &token), OK);
    clock.step_wall(UnixTime::from_secs(T - 3600));
    assert_eq!(code(&verifier, &token), "not_yet_valid");
    clock.step_wall(UnixTime::from_secs(T));
    assert_eq!(code(&verifier, &token), OK);
    clock.step_wall(UnixTime::from_secs(T + 3600));
    assert_eq!(code(&verifier, &token), "expired", "remembered or not");
    clock.step_wall(UnixTime::from_secs(T));
    assert_eq!(code(&verifier, &token), OK);

    let without_nbf = valid().sign();
    assert_eq!(code(&verifier, &without_nbf), OK);
    clock.step_wall(UnixTime::from_secs(T + 350));
    assert_eq!(code(&verifier, &without_nbf), "expired");
    clock.step_wall(UnixTime::from_secs(0));
    assert_ne!(code(&verifier, &token), OK);
}
