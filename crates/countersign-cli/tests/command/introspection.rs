//! `countersign verify --introspection-answer`, run as a binary: CONFORMANCE S13.02, S13.03, S13.08.

use crate::run::{Output, assert_form, countersign, file};
use countersign_test::{TestIssuer, TokenDraft};
use serde_json::{Value, json};

const NOW: &str = "1700000000";

/// What an endpoint says about a token that a service accepts.
fn good(issuer: &TestIssuer) -> Value {
    let mut said = json!(issuer.token().subject("ann").audience("orders").scope("orders:read").claims());
    said["active"] = json!(true);
    said["token_type"] = json!("Bearer");
    said
}

fn with(issuer: &TestIssuer, name: &str, value: Value) -> Value {
    let mut said = good(issuer);
    match value {
        Value::Null => drop(said.as_object_mut().expect("an object").remove(name)),
        value => said[name] = value,
    }
    said
}

fn explained(issuer: &TestIssuer, answer: &str, more: &[&str]) -> Output {
    let jwks = file("jwks", &issuer.jwks());
    let options = ["verify", "--introspection-answer", "-", "--now", NOW, "--jwks", jwks.path()];
    countersign(&[&options[..], more].concat(), answer)
}

/// The verdict, the code, and the first check that failed.
fn verdict(issuer: &TestIssuer, answer: &str, more: &[&str]) -> (i32, String, String) {
    let named = ["--issuer", issuer.name(), "--audience", "orders", "--json"];
    let output = explained(issuer, answer, &[&named[..], more].concat());
    let report = output.json();
    assert_form("introspection_answer", &report);
    let failed = report["checks"].as_array().expect("checks").iter().find(|check| check["outcome"] == "failed");
    let name = failed.map_or("", |check| check["name"].as_str().expect("a name"));
    (output.code, report["code"].as_str().unwrap_or_default().to_owned(), name.to_owned())
}

#[test]
fn s13_02_s13_03_the_rule_that_refuses_an_answer_is_named() {
    let issuer = TestIssuer::new();
    assert_eq!(verdict(&issuer, &good(&issuer).to_string(), &[]), (0, String::new(), String::new()));
    for (name, value, code, check) in [
        ("active", json!("true"), "not_active", "active"),
        ("active", json!(1), "not_active", "active"),
        ("active", Value::Null, "not_active", "active"),
        ("token_type", json!("refresh_token"), "wrong_type", "token type"),
        ("token_type", json!("DPoP"), "proof_required", "token type"),
        ("iss", json!("https://other.test"), "unknown_issuer", "issuer"),
        ("aud", json!("stock"), "wrong_audience", "audience"),
        ("aud", Value::Null, "wrong_audience", "audience"),
        ("exp", json!(1_600_000_000), "expired", "expiry"),
        ("exp", Value::Null, "missing_claim", "expiry"),
        ("cnf", json!({ "kid": "x" }), "proof_required", "proof of possession"),
    ] {
        let found = verdict(&issuer, &with(&issuer, name, value.clone()).to_string(), &[]);
        assert_eq!(found, (1, code.to_owned(), check.to_owned()), "{name}: {value}");
    }
    for (name, value) in [("iss", Value::Null), ("token_type", Value::Null), ("aud", json!(["stock", "orders"]))] {
        assert_eq!(verdict(&issuer, &with(&issuer, name, value.clone()).to_string(), &[]).0, 0, "{name}: {value}");
    }
    let silent = with(&issuer, "aud", Value::Null).to_string();
    assert_eq!(verdict(&issuer, &silent, &["--absent-audience", "orders"]).0, 0);
    for unusable in ["", "[]", "<html>", r#"{"active":false,"active":true}"#] {
        let (exit, code, _) = verdict(&issuer, unusable, &[]);
        assert_eq!((exit, code.as_str()), (3, "introspection_unavailable"), "{unusable}");
    }
}

#[test]
fn s13_08_a_signed_answer_is_checked_by_type_audience_and_key() {
    let (issuer, other) = (TestIssuer::new(), TestIssuer::new());
    let signed = |issuer: &TestIssuer| {
        let draft = issuer.token().audience("our-client").header("typ", "token-introspection+jwt");
        draft.claim("token_introspection", good(issuer))
    };
    let ours = ["--client", "our-client"];
    let check = |draft: &TokenDraft, more: &[&str]| verdict(&issuer, &draft.sign(), more);
    assert_eq!(check(&signed(&issuer), &ours).0, 0);
    let refused = (3, "introspection_unavailable".to_owned(), "signed answer".to_owned());
    assert_eq!(check(&signed(&issuer).header("typ", "JWT"), &ours), refused);
    assert_eq!(check(&signed(&issuer), &["--client", "another"]), refused);
    assert_eq!(check(&signed(&other), &ours), refused);
    let inactive = signed(&issuer).claim("token_introspection", json!({ "active": false }));
    assert_eq!(check(&inactive, &ours), (1, "not_active".to_owned(), "active".to_owned()));
}

#[test]
fn s13_08_the_policy_says_which_form_is_demanded() {
    let issuer = TestIssuer::new();
    let policy = |more: &str| {
        let name = issuer.name();
        let text = format!(
            "[[issuers]]\nissuer = \"{name}\"\naudience = \"orders\"\nkeys = {{ file = \"unused\" }}\n\
             [introspection]\nclient = \"our-client\"\nsecret_env = \"UNUSED\"\n{more}"
        );
        file("policy.toml", &text)
    };
    let (plain, strict) = (policy(""), policy("require_signed_answers = true"));
    let silent = policy("absent_audience = \"orders\"");
    let answer = good(&issuer).to_string();
    let accepted = explained(&issuer, &answer, &["--policy", plain.path()]);
    assert_eq!(accepted.code, 0, "{} {}", accepted.stdout, accepted.stderr);
    assert!(accepted.stdout.starts_with("ACCEPTED\n"), "{}", accepted.stdout);
    let refused = explained(&issuer, &answer, &["--policy", strict.path()]);
    assert_eq!(refused.code, 3);
    assert!(refused.stdout.contains("FAIL form of the answer"), "{}", refused.stdout);
    let unnamed = with(&issuer, "aud", Value::Null).to_string();
    assert_eq!(explained(&issuer, &unnamed, &["--policy", plain.path()]).code, 1);
    assert_eq!(explained(&issuer, &unnamed, &["--policy", silent.path()]).code, 0);
    let escape = with(&issuer, "active", json!("\u{1b}[2J")).to_string();
    let shown = explained(&issuer, &escape, &["--policy", plain.path()]).stdout;
    assert!(!shown.contains('\u{1b}') && shown.contains("To fix it:"), "S10.04: {shown}");
}
