//! GitHub Actions by its public documents: discovery, keys and a token of the documented form, with invented names.

use std::sync::Arc;

use countersign::issuers::Preset;
use countersign::key::Algorithm;
use countersign::verify::Verifier;
use countersign_test::{TestIssuer, TokenDraft};
use serde_json::{Value, json};

use crate::server::{Server, answer, ok};

/// The documented discovery document, for an issuer at this address.
fn discovery(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/jwks"),
        "subject_types_supported": ["public", "pairwise"],
        "response_types_supported": ["id_token"],
        "claims_supported": [
            "sub", "aud", "exp", "iat", "iss", "jti", "nbf", "ref", "sha", "repository", "repository_id", "repository_owner",
            "repository_owner_id", "run_id", "run_number", "run_attempt", "actor", "actor_id", "workflow", "workflow_ref",
            "workflow_sha", "head_ref", "base_ref", "event_name", "ref_type", "ref_protected", "environment",
            "job_workflow_ref", "job_workflow_sha", "repository_visibility", "runner_environment",
        ],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid"],
    })
}

/// The keys of `issuer` with the certificates that GitHub adds to each.
fn keys(issuer: &TestIssuer) -> Value {
    let mut set: Value = serde_json::from_str(&issuer.jwks()).expect("JSON");
    for key in set["keys"].as_array_mut().expect("an array") {
        (key["x5c"], key["x5t"]) = (json!(["MIIDrDCCApSgAwIBAgIQ"]), json!("eBZ_cn3sXYAd0ch4THBKHIgOwOE"));
    }
    set
}

/// A token of a workflow, with the documented claims: all but `jti` and the times are text.
fn token(issuer: &TestIssuer, audience: &str) -> TokenDraft {
    let claims = json!({
        "sub": "repo:acme-shop/deployer:environment:production", "aud": audience, "environment": "production",
        "ref": "refs/heads/main", "sha": "3f2c1d0e9b8a7f6e5d4c3b2a1f0e9d8c7b6a5f4e", "repository": "acme-shop/deployer",
        "repository_owner": "acme-shop", "actor_id": "4711", "repository_visibility": "private", "repository_id": "74",
        "repository_owner_id": "65", "run_id": "5013", "run_number": "10", "run_attempt": "2",
        "runner_environment": "github-hosted", "actor": "ann-example", "workflow": "release", "head_ref": "", "base_ref": "",
        "event_name": "workflow_dispatch", "ref_protected": "true", "ref_type": "branch",
        "workflow_ref": "acme-shop/deployer/.github/workflows/release.yml@refs/heads/main",
        "job_workflow_ref": "acme-shop/automation/.github/workflows/oidc.yml@refs/heads/main",
    });
    let draft = ["client_id", "scope"].into_iter().fold(issuer.token(), |draft, name| draft.without_claim(name));
    let draft = draft.header("x5t", "eBZ_cn3sXYAd0ch4THBKHIgOwOE").header("typ", "JWT");
    let claims = claims.as_object().expect("an object").clone();
    claims.into_iter().fold(draft, |draft, (name, value)| draft.claim(&name, value))
}

#[tokio::test]
async fn s15_05_a_workflow_is_accepted_by_discovery_only_for_its_owner_and_audience() {
    let server = Server::start(|_, _| answer(404, &[], "")).await;
    let github = TestIssuer::with_algorithm(Algorithm::RS256).with_name(&server.url);
    let (document, set) = (discovery(&server.url).to_string(), keys(&github).to_string());
    server.now(move |_, path| match path {
        "/.well-known/openid-configuration" => ok(&document),
        "/.well-known/jwks" => ok(&set),
        _ => answer(404, &[], ""),
    });
    let trusting = |owner: &str| {
        let issuer =
            Preset::GITHUB_ACTIONS.issuer(&server.url).allowed_owner(owner).audience("https://deploy.shop.test");
        Verifier::builder().trust(issuer).clock(Arc::new(github.clock().clone())).build().expect("a policy")
    };
    let verifier = trusting("65");
    let good = token(&github, "https://deploy.shop.test").sign();
    let verified = verifier.verify(&good).await.expect("a good token");
    assert_eq!(verified.subject(), "repo:acme-shop/deployer:environment:production");
    assert_eq!(verified.tenant().map(ToString::to_string).as_deref(), Some("acme-shop"));
    let claims = verified.claims::<Value>().expect("JSON");
    assert_eq!((&claims["environment"], &claims["head_ref"]), (&json!("production"), &json!("")));

    // Without an audience in the request, it is the owner's address.
    let default = token(&github, "https://github.com/acme-shop").sign();
    assert_eq!(verifier.verify(&default).await.expect_err("refused").code(), "wrong_audience");
    assert_eq!(trusting("66").verify(&good).await.expect_err("another owner").code(), "wrong_claim");
    let renamed = token(&github, "https://deploy.shop.test").claim("repository_owner_id", "66").sign();
    assert_eq!(verifier.verify(&renamed).await.expect_err("the same name of another").code(), "wrong_claim");
}
