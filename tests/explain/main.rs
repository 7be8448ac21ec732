//! The report of every check says what production does, and shows no more than it may.

use std::time::Duration;

use countersign::inspect::inspect;
use countersign::key::{KeySet, VerifyingKey};
use countersign::verify::{Outcome, Verdict, Verifier};
use countersign_test::{Attack, TestIssuer, TokenDraft};

fn honest(issuer: &TestIssuer) -> TokenDraft {
    issuer.token().subject("ann").audience("orders").scope("orders:read").role("clerk")
}

/// What `verify` says, and what `explain` does.
async fn both(verifier: &Verifier, token: &str) -> (Option<&'static str>, Verdict) {
    let explained = verifier.explain(token).await;
    let verified = verifier.verify(token).await;
    (verified.err().map(|error| error.code()), explained.verdict)
}

#[tokio::test]
async fn the_verdict_is_that_of_production_for_every_attack() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("orders");
    let (verified, explained) = both(&verifier, &honest(&issuer).sign()).await;
    assert_eq!((verified, explained), (None, Verdict::Accepted));
    for attack in Attack::ALL {
        let token = honest(&issuer).hostile(*attack).sign();
        let (verified, explained) = both(&verifier, &token).await;
        assert!(verified.is_some(), "{}", attack.name());
        assert_eq!(verified, explained.code(), "{}", attack.name());
        assert_eq!(explained.name(), "rejected", "{}", attack.name());
    }
}

#[tokio::test]
async fn every_check_is_asked_though_one_failed() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("orders");
    let token = honest(&issuer).claim("aud", "billing").expired().hostile(Attack::SignatureBitFlipped).sign();
    let report = verifier.explain(&token).await;
    assert_eq!(report.verdict.code(), Some("wrong_audience"));
    let code = |name: &str| match &report.check(name).unwrap_or_else(|| panic!("no check {name}")).outcome {
        Outcome::Failed { code, .. } => *code,
        other => other.name(),
    };
    assert_eq!((code("audience"), code("expiry"), code("signature")), ("wrong_audience", "expired", "bad_signature"));
    assert_eq!((code("issuer"), code("key"), code("authorities")), ("passed", "passed", "passed"));
    let audience = report.check("audience").expect("asked");
    assert_eq!((audience.expected.as_deref(), audience.found.as_deref()), (Some("orders"), Some("\"billing\"")));
    let found = async |token: String| verifier.explain(&token).await.check("authorities").expect("asked").found.clone();
    let read = found(honest(&issuer).scope("orders:read").role("clerk").sign()).await;
    assert_eq!(read.as_deref(), Some("scopes orders:read; roles clerk; tenant none"));
    let many = honest(&issuer).scope("a b c d e f").role("x\ny").tenant("acme").sign();
    let many = found(many).await.expect("read");
    assert_eq!(many, "scopes a, b, c, d and 3 more; roles clerk, \"x\\ny\"; tenant acme");

    let names: Vec<&str> = report.checks.iter().map(|check| check.name).collect();
    let broken = verifier.explain("x").await;
    assert_eq!(names, broken.checks.iter().map(|check| check.name).collect::<Vec<_>>(), "always the same checks");
    assert!(broken.checks.iter().skip(2).all(|check| check.outcome == Outcome::NotReached));
}

#[tokio::test]
async fn a_header_that_cannot_be_read_leaves_the_claims_to_be_judged() {
    let issuer = TestIssuer::new();
    let token = honest(&issuer).expired().header("crit", serde_json::json!(["x"])).sign();
    let report = issuer.verifier_for("orders").explain(&token).await;
    assert_eq!(report.verdict.code(), Some("critical_header"));
    assert_eq!(report.check("algorithm").expect("listed").outcome, Outcome::NotReached);
    assert!(matches!(report.check("expiry").expect("asked").outcome, Outcome::Failed { code: "expired", .. }));
}

#[tokio::test]
async fn the_data_form_is_the_documented_one() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("orders");
    let good = serde_json::to_value(verifier.explain(&honest(&issuer).sign()).await).expect("serialises");
    let members: Vec<&String> = good.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["checks", "claims", "header", "verdict"]);
    assert_eq!((&good["verdict"], &good["claims"]["sub"]), (&"accepted".into(), &"ann".into()));
    let bad = serde_json::to_value(verifier.explain(&honest(&issuer).expired().sign()).await).expect("serialises");
    assert_eq!((&bad["verdict"], &bad["code"]), (&"rejected".into(), &"expired".into()));
    assert!(bad["message"].as_str().is_some_and(|message| message.contains("ago")));
    let expiry = bad["checks"].as_array().and_then(|checks| checks.iter().find(|check| check["name"] == "expiry"));
    assert_eq!(expiry.expect("listed")["outcome"], "failed");
}

#[tokio::test]
async fn s10_01_s10_04_no_signature_and_no_raw_foreign_text() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("orders");
    let token = honest(&issuer).claim("sub", "a\r\nverdict: accepted\u{202e}").claim("aud", "\u{1b}[2Jx").sign();
    let (_, signature) = token.rsplit_once('.').expect("a token");
    let report = verifier.explain(&token).await;
    let text = report.to_string();
    assert!(text.bytes().all(|byte| byte == b'\n' || (0x20..0x7f).contains(&byte)), "{text}");
    assert_eq!(text.lines().count(), report.checks.len() + 2, "a check a line: {text}");
    for written in [text, format!("{report:?}"), serde_json::to_string(&report).expect("serialises")] {
        assert!(!written.contains(signature) && !written.contains(&token), "{written}");
    }
    assert!(!format!("{report:?}").contains("verdict: accepted"));
}

#[tokio::test]
async fn explaining_leaves_cache_and_counters_alone() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("orders");
    let (token, expired) = (honest(&issuer).sign(), honest(&issuer).expired().sign());
    let before = verifier.stats();
    assert!(verifier.explain(&token).await.is_accepted());
    assert!(!verifier.explain(&expired).await.is_accepted());
    assert_eq!((verifier.stats(), verifier.cached_tokens()), (before, 0));
    // Nor does it believe the cache: what was cached is judged anew.
    verifier.verify(&token).await.expect("good");
    issuer.clock().advance(Duration::from_secs(3600));
    assert_eq!(verifier.explain(&token).await.verdict.code(), Some("expired"));
}

#[tokio::test]
async fn a_key_that_is_not_at_hand_leaves_the_held_report_undecided() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("orders");
    let token = honest(&issuer).hostile(Attack::UnknownKid).sign();
    assert_eq!(verifier.explain_with_cached_keys(&token).verdict.name(), "undecided");
    assert_eq!(verifier.explain(&token).await.verdict.code(), Some("unknown_key"));
    assert!(verifier.explain_with_cached_keys(&honest(&issuer).sign()).is_accepted());
}

#[test]
fn s1_24_an_inspection_checks_signatures_and_is_no_proof() {
    let issuer = TestIssuer::new();
    let keys = KeySet::from_jwks(issuer.jwks().as_bytes()).expect("a set");
    let state = |token: &str| inspect(token).signature(Some(&keys)).name();
    assert_eq!(state(&honest(&issuer).sign()), "valid");
    assert_eq!(state(&honest(&issuer).expired().sign()), "valid", "times are no part of a signature");
    for attack in [
        Attack::SignatureBitFlipped,
        Attack::AlgNone,
        Attack::HmacWithPem,
        Attack::CritUnknown,
        Attack::UnencodedNotCritical,
        Attack::DuplicateHeaderMember,
        Attack::ForeignKeyOurKid,
        Attack::UnknownKid,
        Attack::EmbeddedJwk,
        Attack::SignatureZero,
        Attack::SignatureDer,
        Attack::AlgLowerCase,
    ] {
        assert_eq!(state(&honest(&issuer).hostile(attack).sign()), "invalid", "{}", attack.name());
    }
    assert_eq!(inspect(&honest(&issuer).sign()).signature(None).name(), "unchecked");
}

#[test]
fn an_inspection_takes_a_key_without_kid_and_payloads_that_are_no_claims() {
    // RFC 8037, appendix A.4: a text under an Ed25519 key, neither with a kid.
    let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let keys = KeySet::new([VerifyingKey::from_jwk(key).expect("a good key")]);
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let inspection = inspect(token);
    assert_eq!(inspection.payload_bytes(), Some(&b"Example of Ed25519 signing"[..]));
    assert_eq!(inspection.payload(), None);
    assert_eq!(inspection.signature(Some(&keys)).name(), "valid");
    let changed = token.replace(".RX", ".RY");
    assert_eq!(inspect(&changed).signature(Some(&keys)).name(), "invalid");
}
