//! JWT-SVIDs of SPIFFE trust domains, verified with trust bundles in the form that SPIRE gives them.

use std::sync::Arc;

use countersign::authz::{client, issued_by};
use countersign::issuers::Preset;
use countersign::key::KeySource;
use countersign::keys::{FileKeys, from_config};
use countersign::policy::Policy;
use countersign::verify::Verifier;
use countersign_core::integration::RequestContext;
use countersign_test::TestIssuer;
use serde_json::{Value, json};

use crate::sources::file;

/// The keys of a trust domain as SPIRE shows them: those for X.509-SVIDs beside those for JWT-SVIDs, which have no `alg`.
fn bundle(domain: &TestIssuer) -> Value {
    let mut set: Value = serde_json::from_str(&domain.jwks()).expect("JSON");
    for key in set["keys"].as_array_mut().expect("an array") {
        let key = key.as_object_mut().expect("an object");
        key.remove("alg");
        key.insert("use".into(), json!("jwt-svid"));
    }
    let authority = json!({
        "use": "x509-svid", "kty": "EC", "crv": "P-256", "x": "JKWdXg1z4ofHVuBJDJ_K_wEZVJR4OyBYRyUfnVe9rzM",
        "y": "Pj0ta22sZcKo0LkOBvVXKUmWrVp1q5DCN5b4RTAsNh8", "x5c": ["MIIB2TCCAX6gAwIBAgIQ"],
    });
    set["keys"].as_array_mut().expect("an array").insert(0, authority);
    set["spiffe_sequence"] = json!(2);
    set["spiffe_refresh_hint"] = json!(300);
    set
}

fn write(name: &str, bundle: &Value) -> std::path::PathBuf {
    let path = file(name);
    std::fs::write(&path, bundle.to_string()).expect("written");
    path
}

/// The JWT-SVID that `domain` signs for this subject: without `iss`, `client_id` and `jti`.
fn svid(domain: &TestIssuer, subject: &str) -> String {
    let mut draft = domain.token().audience("orders").subject(subject);
    for name in ["iss", "client_id", "scope", "jti"] {
        draft = draft.without_claim(name);
    }
    draft.sign()
}

fn trust_domain() -> TestIssuer {
    TestIssuer::with_system_clock()
}

async fn code(verifier: &Verifier, token: &str) -> String {
    verifier.verify(token).await.map_or_else(|error| error.code().to_owned(), |verified| verified.issuer().to_owned())
}

#[tokio::test]
async fn s3_31_each_trust_domain_speaks_only_for_its_own_workloads() {
    let (shop, partner) = (trust_domain(), trust_domain());
    let trusted = |name: &str, file: &str, domain: &TestIssuer| {
        let keys = Arc::new(FileKeys::from_spiffe_bundle(write(file, &bundle(domain))));
        Preset::SPIFFE.issuer(name).keys(keys).audience("orders")
    };
    let shop_only = Verifier::new(trusted("spiffe://shop.example", "shop-1.json", &shop)).expect("a policy");
    let both = Verifier::builder()
        .trust(trusted("spiffe://shop.example", "shop-2.json", &shop))
        .trust(trusted("spiffe://partner.example", "partner-2.json", &partner))
        .build()
        .expect("a policy");

    let billing = svid(&shop, "spiffe://shop.example/billing");
    let theirs = svid(&partner, "spiffe://partner.example/billing");
    for verifier in [&shop_only, &both] {
        assert_eq!(code(verifier, &billing).await, "spiffe://shop.example");
    }
    let verified = both.verify(&billing).await.expect("a good token");
    assert_eq!(verified.subject(), "spiffe://shop.example/billing");
    let context = || RequestContext::from_clock(&countersign::clock::SystemClock);
    let billing_of =
        |domain: &str| client(format!("spiffe://{domain}/billing")).and(issued_by(format!("spiffe://{domain}")));
    assert!(verified.check(&billing_of("shop.example"), context()).is_allowed());
    assert!(!verified.check(&billing_of("partner.example"), context()).is_allowed());

    assert_eq!(code(&both, &theirs).await, "spiffe://partner.example");
    assert_eq!(code(&shop_only, &theirs).await, "unknown_issuer");
    // The key of one trust domain, the name of the other.
    let forged = svid(&partner, "spiffe://shop.example/billing");
    assert!(["unknown_key", "bad_signature", "key_mismatch"].contains(&code(&both, &forged).await.as_str()));
    // `iss` chooses the keys, and `sub` must still be of that trust domain.
    let named = |domain: &TestIssuer, issuer: &str, subject: &str| {
        domain.token().audience("orders").subject(subject).claim("iss", issuer).sign()
    };
    let borrowed = named(&partner, "spiffe://partner.example", "spiffe://shop.example/billing");
    assert_eq!(code(&both, &borrowed).await, "subject_not_allowed");
    for subject in
        ["ann", "", "spiffe://partner.example", "spiffe://partner.example.shop.example/x", "spiffe://Partner.example/x"]
    {
        let other = named(&partner, "spiffe://partner.example", subject);
        assert_eq!(code(&both, &other).await, "subject_not_allowed", "{subject}");
    }
    for subject in [
        "ann",
        "spiffe://shop.example",
        "spiffe://shop.example/",
        "spiffe://shop.example/../x",
        "spiffe://SHOP.example/x",
    ] {
        assert_eq!(code(&both, &svid(&shop, subject)).await, "missing_claim", "{subject}");
    }
    let elsewhere =
        shop.token().audience("invoices").subject("spiffe://shop.example/billing").without_claim("iss").sign();
    assert_eq!(code(&both, &elsewhere).await, "wrong_audience");
}

#[tokio::test]
async fn s3_31_an_issuer_without_a_trust_domain_is_never_the_issuer_of_a_token_without_iss() {
    let ours = TestIssuer::new();
    let verifier = ours.verifier_for("orders");
    let token = svid(&ours, "spiffe://shop.example/billing");
    assert_eq!(code(&verifier, &token).await, "unknown_issuer");
    let report = verifier.explain(&token).await;
    let issuer = report.checks.iter().find(|check| check.name == "issuer").expect("there");
    assert!(format!("{issuer:?}").contains("spiffe://shop.example"), "{issuer:?}");
}

#[tokio::test]
async fn a_trust_bundle_and_a_key_set_are_not_taken_for_each_other() {
    let domain = trust_domain();
    let plain: Value = serde_json::from_str(&domain.jwks()).expect("JSON");
    let token = svid(&domain, "spiffe://shop.example/billing");
    let with = |keys: Arc<dyn KeySource>| {
        Verifier::new(Preset::SPIFFE.issuer("spiffe://shop.example").keys(keys).audience("orders")).expect("a policy")
    };

    // What the Workload API gives is a JWK Set of keys without `use`: not a bundle, and it is told so.
    let mut without_use = plain.clone();
    without_use["keys"][0].as_object_mut().expect("an object").remove("use");
    let keys = Arc::new(FileKeys::from_spiffe_bundle(write("plain.json", &without_use)));
    assert!(with(keys.clone()).verify(&token).await.expect_err("no bundle").is_unavailable());
    let stated = format!("{:?}", keys.describe().health);
    assert!(stated.contains("read them as one"), "{stated}");
    let set_keys = with(Arc::new(FileKeys::new(write("plain.json", &without_use))));
    assert_eq!(code(&set_keys, &token).await, "spiffe://shop.example");

    let error = with(Arc::new(FileKeys::new(write("whole.json", &bundle(&domain))))).verify(&token).await;
    assert!(error.expect_err("no key set").is_unavailable());
    let mut no_tokens = bundle(&domain);
    no_tokens["keys"].as_array_mut().expect("an array").truncate(1);
    let none = with(Arc::new(FileKeys::from_spiffe_bundle(write("none.json", &no_tokens))));
    assert!(none.verify(&token).await.expect_err("none for tokens").is_unavailable());
    let mut nameless = bundle(&domain);
    nameless["keys"][1].as_object_mut().expect("an object").remove("kid");
    let nameless = with(Arc::new(FileKeys::from_spiffe_bundle(write("nameless.json", &nameless))));
    assert!(nameless.verify(&token).await.expect_err("no kid").is_unavailable());
}

#[tokio::test]
async fn a_policy_file_names_trust_domains_and_their_bundles() {
    let domain = trust_domain();
    let path = write("policy.json", &bundle(&domain));
    let policy = |rest: &str| {
        let text = format!("[[issuers]]\npreset = \"spiffe\"\naudience = \"orders\"\n{rest}");
        let policy = Policy::from_toml(&text).expect("a policy");
        Verifier::builder().policy(&policy, from_config).build()
    };
    let keys = format!("keys = {{ spiffe_bundle_file = \"{}\" }}", path.display());
    let verifier = policy(&format!("issuer = \"spiffe://shop.example\"\n{keys}")).expect("a verifier");
    assert_eq!(code(&verifier, &svid(&domain, "spiffe://shop.example/billing")).await, "spiffe://shop.example");

    // The issuer that `iss` names, with the keys of the bundle.
    let https = "issuer = \"https://oidc.shop.example\"\nspiffe_trust_domain = \"shop.example\"";
    let verifier = policy(&format!("{https}\n{keys}")).expect("a verifier");
    let named = |subject: &str| {
        domain.token().audience("orders").subject(subject).claim("iss", "https://oidc.shop.example").sign()
    };
    assert_eq!(code(&verifier, &named("spiffe://shop.example/billing")).await, "https://oidc.shop.example");
    assert_eq!(code(&verifier, &named("spiffe://other.example/billing")).await, "subject_not_allowed");
    assert_eq!(code(&verifier, &svid(&domain, "spiffe://shop.example/billing")).await, "unknown_issuer", "no iss");

    let fields = |built: Result<Verifier, countersign::error::ConfigError>| {
        let error = built.expect_err("a fault");
        error.faults().iter().map(|fault| fault.field.clone().into_owned()).collect::<Vec<_>>()
    };
    let field = "spiffe_trust_domain";
    assert_eq!(fields(policy(&format!("issuer = \"spiffe://shop.example/\"\n{keys}"))), [field]);
    assert_eq!(
        fields(policy(&format!("issuer = \"spiffe://shop.example\"\nspiffe_trust_domain = \"a.example\"\n{keys}"))),
        [field]
    );
    assert_eq!(fields(policy("issuer = \"spiffe://shop.example\"")), ["issuer"], "a trust domain has no discovery");
    let url = "keys = { spiffe_bundle_url = \"http://bundle.shop.example\" }";
    assert_eq!(fields(policy(&format!("issuer = \"spiffe://shop.example\"\n{url}"))), ["jwks"], "plain http");
}
