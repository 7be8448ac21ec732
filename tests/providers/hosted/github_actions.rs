//! GitHub Actions by its public documents, as `docs/guides/github-actions.md` says.

use countersign::authz::{claim, client};
use countersign::key::Algorithm;
use serde_json::{Value, json};

use super::{Form, Identity, Provider};

async fn github() -> Provider {
    let kid = "cc413527-example-5a59-68cc-b0da33525e6b";
    let form = Form {
        algorithm: Algorithm::RS256,
        kid,
        key: json!({ "alg": "RS256", "use": "sig", "x5c": ["MIIDrDCCApSgAwIBAgIQ"], "x5t": "eBZ_cn3sXYAd0ch4THBKHIgOwOE" }),
        header: json!({ "typ": "JWT", "x5t": "eBZ_cn3sXYAd0ch4THBKHIgOwOE" }),
    };
    Provider::start("github-actions", &["https://token.actions.githubusercontent.com"], form).await
}

/// A job of the guide's workflow, with this subject.
fn deployer(subject: &str) -> Identity {
    Identity { client: None, ..Identity::user(subject, "") }.tenant("65")
}

#[tokio::test]
async fn s15_05_a_workflow_is_accepted_by_discovery_only_for_its_owner_and_audience() {
    let github = github().await;
    let verifier = github.verifier("policy.toml");
    for subject in
        ["repo:acme-shop/deployer:environment:production", "repo:acme-shop@65/deployer@74:environment:production"]
    {
        let identity = github.identity(&verifier, "service-token.json", json!({ "sub": subject })).await;
        assert_eq!(identity, deployer(subject));
    }
    let good = github.sign(github.claims("service-token.json", json!({})));
    let verified = verifier.verify(&good).await.expect("a good token");
    assert!(verified.meets(&claim("environment", "production")) && verified.meets(&claim("ref_protected", "true")));
    assert!(!verified.meets(&claim("event_name", "pull_request")) && !verified.meets(&client("ann-example")));
    assert_eq!(verified.claims::<Value>().expect("JSON")["head_ref"], json!(""));

    let url = github.service.url();
    for (changes, code) in [
        (json!({ "aud": "https://github.com/acme-shop" }), "wrong_audience"),
        (json!({ "repository_owner_id": "66" }), "wrong_claim"),
        (json!({ "repository_owner_id": 65 }), "wrong_claim"),
        (json!({ "repository_id": "76" }), "wrong_claim"),
        (json!({ "repository_owner_id": null }), "missing_claim"),
        (json!({ "iss": format!("{url}/acme-inc"), "enterprise": "acme-inc", "enterprise_id": "1" }), "unknown_issuer"),
        (json!({ "exp": 1_699_999_900, "iat": 1_699_999_600 }), "expired"),
    ] {
        assert_eq!(github.refusal(&verifier, "service-token.json", changes.clone()).await, code, "{changes}");
    }
    let policy = github.guide.file("policy.toml");
    assert!(github.verifier_of(policy).is_ok());
    assert!(github.verifier_of(&policy.replace("preset_owners = [\"65\"]", "")).is_err());
}
