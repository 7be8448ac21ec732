//! The texts of refusals and faults: what was found, what was expected, and by how much a time is off.

use std::sync::Arc;
use std::time::Duration;

use countersign::authz::Requirement;
use countersign::clock::Clock;
use countersign::health::Health;
use countersign::issuers::oidc;
use countersign::key::{StaticKeys, VerifyingKey};
use countersign::keys;
use countersign::outbound::OutboundError;
use countersign::policy::{NeedsAudience, Policy};
use countersign::verify::Verifier;
use countersign_test::TestIssuer;

use super::verifier;

/// A program that ends with an error prints its `Debug` form.
#[tokio::test]
async fn an_error_that_ends_main_prints_its_text() {
    fn assert_readable<E: std::error::Error>(error: &E, part: &str) {
        let text = format!("{error:?}");
        assert!(text == error.to_string() && text.contains(part), "{text}");
    }
    let keys = || Arc::new(StaticKeys::new([]));
    let config = Verifier::new(NeedsAudience::new("https://id.example.com", keys()).audience("")).expect_err("empty");
    assert_readable(&config, "audience is empty");
    assert_readable(&VerifyingKey::from_jwk(r#"{"kty":"oct","k":"c2VjcmV0"}"#).expect_err("private"), "private");
    assert_readable(&Requirement::from_json("[]").expect_err("no requirement"), "requirement");
    assert_readable(&OutboundError::refused("no such client"), "token_refused: no such client");
    let issuer = TestIssuer::new();
    let refused = verifier(&issuer, issuer.trusted_for("orders")).verify("a.b").await.expect_err("refused");
    assert_readable(&refused, "malformed");
    let unready = Verifier::new(oidc("http://127.0.0.1:1").audience("orders")).expect("built");
    let unready = Health::new(&unready).ready_within(Duration::from_millis(1)).await.expect_err("no keys");
    assert_readable(&unready, "no keys of http://127.0.0.1:1");
    let sealed = countersign_issuer::StoreError::new(countersign_issuer::StoreErrorKind::Unreadable)
        .with_detail("the file is sealed by another key");
    assert_readable(&sealed, "the file is sealed by another key");
}

#[test]
fn a_plain_http_fault_names_the_issuer_and_the_address() {
    let faults = |keys: &str| {
        let text = format!(r#"{{"issuers":[{{"issuer":"ISSUER","audience":"orders","keys":{keys}}}]}}"#);
        move |issuer: &str| {
            let policy = Policy::from_json(&text.replace("ISSUER", issuer)).expect("a policy");
            let error = Verifier::builder().policy(&policy, keys::from_config).build().expect_err("plain http");
            assert_eq!(error.faults().len(), 1, "{error}");
            error.to_string()
        }
    };
    let discovered = faults(r#""discovery""#)("http://kc.internal:8080/realms/shop");
    assert!(discovered.contains("http://kc.internal:8080/realms/shop is plain http"), "{discovered}");
    assert_eq!(discovered.matches("kc.internal").count(), 1, "{discovered}");
    let fixed = faults(r#"{"jwks_url":"http://kc.internal:8080/keys?token=hidden"}"#)("https://id.example.com");
    assert!(fixed.contains("not https (http://kc.internal:8080)"), "{fixed}");
    assert!(fixed.contains("(issuer \"https://id.example.com\")") && !fixed.contains("hidden"), "{fixed}");
    let secret = faults(r#""discovery""#)("http://user:s3cret@kc.internal/");
    assert!(secret.contains("the issuer is plain http"), "{secret}");
}

#[tokio::test]
async fn an_unknown_issuer_is_told_beside_those_that_are_trusted() {
    let issuer = TestIssuer::new();
    let foreign = issuer.token().audience("orders").claim("iss", "https://elsewhere.test").sign();
    let name = |number: usize| format!("https://issuer-{number}.test/{}", "x".repeat(100));
    let mut builder = Verifier::builder().trust(issuer.trusted_for("orders"));
    let detail = builder.build().expect("built").verify(&foreign).await.expect_err("unknown").to_string();
    let expected = format!("expected a trusted issuer ({}), found \"https://elsewhere.test\"", issuer.name());
    assert!(detail.contains(&expected), "{detail}");

    builder = Verifier::builder().trust(issuer.trusted_for("orders"));
    for number in 0..40 {
        builder = builder.trust(NeedsAudience::new(name(number), issuer.key_source()).audience("orders"));
    }
    let verifier = builder.build().expect("built");
    let error = verifier.verify(&foreign).await.expect_err("unknown");
    let detail = error.to_string();
    assert!(detail.contains("issuer-0.test") && detail.contains("and 37 more"), "{detail}");
    assert!(detail.len() < 500 && !detail.contains("issuer-5.test"), "{detail}");
    assert!(verifier.explain(&foreign).await.to_string().contains("issuer-0.test"));
}

#[tokio::test]
async fn a_time_that_is_off_is_told_with_the_seconds() {
    let issuer = TestIssuer::new();
    let trusted = issuer.trusted_for("orders").max_age(Duration::from_secs(600)).leeway(Duration::from_secs(5));
    let verifier = verifier(&issuer, trusted);
    let now = issuer.clock().now().as_secs();
    let token = || issuer.token().audience("orders");
    for (draft, code, text) in [
        (token().claim("exp", now - 7), "expired", "expired 7 s ago, with 5 s of leeway"),
        (token().claim("nbf", now + 44), "not_yet_valid", "valid in 44 s, with 5 s of leeway"),
        (
            token().claim("iat", now + 31).claim("exp", now + 90),
            "issued_in_future",
            "iat is 31 s in the future, with 5 s of leeway; compare clocks",
        ),
        (
            token().claim("iat", now - 700),
            "too_old",
            "issued 700 s ago, at most 600 s are permitted, with 5 s of leeway",
        ),
        (
            token().claim("iat", now + 4).claim("exp", now + 2),
            "lifetime_too_long",
            "exp is not after iat: it is 2 s before it",
        ),
        (
            token().claim("nbf", now + 4).claim("exp", now + 4),
            "lifetime_too_long",
            "exp is not after nbf: it is 0 s before it",
        ),
    ] {
        let token = draft.sign();
        let error = verifier.verify(&token).await.expect_err(code);
        assert_eq!((error.code(), error.detail()), (code, text));
        assert!(verifier.explain(&token).await.to_string().contains(text), "{code}");
    }
}
