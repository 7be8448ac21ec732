//! What policies decide, shown with real tokens; and policies read from data.

mod dangers;
mod presets;
mod queue;
mod readiness;
mod reasons;
mod reload;

use std::sync::Arc;

use countersign::key::{KeySource, StaticKeys};
use countersign::keys;
use countersign::policy::{NeedsAudience, Policy, Profile, TrustedIssuer, TrustedIssuerConfig};
use countersign::verify::Verifier;
use countersign_test::{TestIssuer, TokenDraft};

fn verifier(issuer: &TestIssuer, trusted: TrustedIssuer) -> Verifier {
    Verifier::builder().trust(trusted).clock(Arc::new(issuer.clock().clone())).build().expect("a sound policy")
}

async fn code(verifier: &Verifier, draft: TokenDraft) -> &'static str {
    verifier.verify(&draft.sign()).await.err().map_or("accepted", |error| error.code())
}

#[tokio::test]
async fn only_allowed_clients_are_taken() {
    let issuer = TestIssuer::new();
    let verifier = verifier(&issuer, issuer.trusted_for("orders").allowed_client("web").allowed_client("app"));
    let token = || issuer.token().audience("orders");
    assert_eq!(code(&verifier, token().client_id("web")).await, "accepted");
    assert_eq!(code(&verifier, token().client_id("app")).await, "accepted");
    assert_eq!(code(&verifier, token().client_id("web2")).await, "subject_not_allowed");
    assert_eq!(code(&verifier, token().client_id("WEB")).await, "subject_not_allowed");
    assert_eq!(code(&verifier, token().without_claim("client_id")).await, "subject_not_allowed");
}

#[tokio::test]
async fn a_client_stands_for_an_absent_audience_only_where_the_policy_says_so() {
    let issuer = TestIssuer::new();
    let plain = verifier(&issuer, issuer.trusted_for("web"));
    let cognito = verifier(&issuer, issuer.trusted_for("web").client_id_for_absent_audience());
    let token = || issuer.token().client_id("web");
    assert_eq!(code(&plain, token()).await, "wrong_audience");
    assert_eq!(code(&cognito, token()).await, "accepted");
    assert_eq!(code(&cognito, token().client_id("other")).await, "wrong_audience");
    assert_eq!(code(&cognito, token().client_id("")).await, "wrong_audience");
    assert_eq!(code(&cognito, token().without_claim("client_id")).await, "wrong_audience");
    // An audience that is there decides, whatever the client.
    assert_eq!(code(&cognito, token().audience("orders")).await, "wrong_audience");
    assert_eq!(code(&cognito, token().claim("aud", serde_json::json!([]))).await, "wrong_audience");
    assert_eq!(code(&cognito, token().claim("aud", serde_json::Value::Null)).await, "wrong_audience");
    assert_eq!(code(&cognito, token().audience("web").client_id("other")).await, "accepted");
}

#[tokio::test]
async fn a_policy_from_data_judges_as_the_builders_does() {
    let issuer = TestIssuer::new();
    let json = r#"{"issuers":[{"issuer":"https://issuer.test","audience":["orders","billing"],"profile":"access_token",
        "algorithms":["ES256"],"leeway_seconds":0,"max_lifetime_seconds":300,"required_claims":["tenant"],
        "refused_subject_prefixes":["svc:"],"allowed_clients":["web"],
        "authorities":{"roles_at":["/roles"],"tenant_at":"/tenant","hierarchy":["admin > clerk"]}}]}"#;
    let source = |_: &TrustedIssuerConfig| -> Result<Arc<dyn KeySource>, _> { Ok(issuer.key_source()) };
    let verifier = Verifier::builder()
        .policy(&Policy::from_json(json).expect("readable"), source)
        .clock(Arc::new(issuer.clock().clone()))
        .build()
        .expect("a sound policy");
    let token = || issuer.token().audience("billing").client_id("web").tenant("acme").role("admin");
    let verified = verifier.verify(&token().sign()).await.expect("keeps every rule");
    assert!(verified.grants().roles.contains("clerk"));
    assert_eq!(verified.tenant().map(ToString::to_string).as_deref(), Some("acme"));
    for (refused, draft) in [
        ("wrong_audience", token().claim("aud", "other")),
        ("wrong_type", token().header("typ", "JWT")),
        ("missing_claim", token().without_claim("jti")),
        ("missing_claim", token().without_claim("tenant")),
        ("lifetime_too_long", token().lifetime(std::time::Duration::from_secs(301))),
        ("subject_not_allowed", token().subject("svc:billing")),
        ("subject_not_allowed", token().client_id("other")),
    ] {
        assert_eq!(code(&verifier, draft).await, refused);
    }
}

#[tokio::test]
async fn a_policy_file_with_its_keys_is_all_that_a_service_reads() {
    let issuer = TestIssuer::new();
    let with_keys = |keys: serde_json::Value| {
        let json = serde_json::json!({"issuers": [{"issuer": issuer.name(), "audience": "orders", "keys": keys}]});
        let policy = Policy::from_json(&json.to_string()).expect("readable");
        Verifier::builder().policy(&policy, keys::from_config).clock(Arc::new(issuer.clock().clone())).build()
    };
    let token = || issuer.token().audience("orders");
    let inline = with_keys(serde_json::json!({ "inline": issuer.jwks() })).expect("a sound policy");
    assert_eq!(code(&inline, token()).await, "accepted");
    let file = std::env::temp_dir().join(format!("countersign-policy-{}.json", std::process::id()));
    std::fs::write(&file, issuer.jwks()).expect("a writable folder");
    let from_file = with_keys(serde_json::json!({ "file": file })).expect("a sound policy");
    assert_eq!(code(&from_file, token()).await, "accepted");
    std::fs::remove_file(&file).expect("written above");
    let nothing = with_keys(serde_json::json!({ "inline": "{}" })).expect_err("no keys");
    assert_eq!(nothing.faults()[0].field, "keys");
    assert!(with_keys(serde_json::json!("discovery")).is_ok(), "asked for at first use");
}

#[test]
fn a_fault_names_its_issuer_where_there_are_several() {
    let issuer = |name: &str| NeedsAudience::new(name, Arc::new(StaticKeys::new([]))).audience("orders");
    let two = Verifier::builder().trust(issuer("https://a.example")).trust(issuer("https://b.example").algorithms([]));
    let error = two.build().expect_err("no algorithm");
    assert_eq!(error.faults()[0].field, "algorithms");
    assert!(error.to_string().contains("https://b.example") && !error.to_string().contains("https://a.example"));
}

#[tokio::test]
async fn s3_20_the_access_token_policy_is_rfc_9068_to_the_letter() {
    let issuer = TestIssuer::new();
    let policy = Policy::access_token(issuer.name(), "orders");
    assert_eq!(policy.issuers[0].profile, Profile::AccessToken);
    let verifier = verifier(&issuer, policy.issuers[0].to_trusted_issuer(issuer.key_source()));
    let token = || issuer.token().audience("orders");
    assert_eq!(code(&verifier, token()).await, "accepted");
    for claim in ["iss", "exp", "sub", "client_id", "iat", "jti"] {
        assert_eq!(code(&verifier, token().without_claim(claim)).await, "missing_claim", "{claim}");
    }
    assert_eq!(code(&verifier, token().without_claim("aud")).await, "wrong_audience");
    assert_eq!(code(&verifier, token().without_header("typ")).await, "wrong_type");
    assert_eq!(code(&verifier, token().header("typ", "Application/At+JWT")).await, "accepted");
}

/// Tokens of a hand-made middleware, and tenants that are display names.
#[tokio::test]
async fn refusals_that_no_setting_lifts_say_what_to_do() {
    let issuer = TestIssuer::new();
    let mapping = countersign::authz::Authorities::new().tenant_at("/org");
    let verifier = verifier(&issuer, issuer.trusted_for("orders").authorities(mapping));
    let token = || issuer.token().audience("orders");
    let error = verifier.verify(&token().without_claim("iss").sign()).await.expect_err("whose token?");
    assert_eq!(error.code(), "missing_claim");
    assert!(error.detail().contains("have the issuer write it"), "{error}");
    for org in [serde_json::json!("Acme GmbH"), serde_json::json!(["acme"]), serde_json::json!({"acme": {}})] {
        assert_eq!(code(&verifier, token().claim("org", org.clone())).await, "invalid_claim", "{org}");
    }
    assert_eq!(code(&verifier, token().claim("org", "acme")).await, "accepted");
}
