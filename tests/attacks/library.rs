//! The forgeries against the verifier itself: refused, each for its own reason, none remembered.

use countersign::key::Algorithm;
use countersign::policy::Profile;
use countersign::verify::{Verifier, VerifierBuilder};
use countersign_test::{Attack, TestIssuer, TokenDraft};
use std::sync::Arc;

const KINDS: [Algorithm; 8] = [
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::ES512,
    Algorithm::RS256,
    Algorithm::PS256,
    Algorithm::Ed25519,
    Algorithm::EdDSA,
    Algorithm::MlDsa44,
];

fn honest(issuer: &TestIssuer) -> TokenDraft {
    issuer.token().subject("ann").audience("orders").scope("orders:read")
}

fn by_clock_of(issuer: &TestIssuer) -> VerifierBuilder {
    Verifier::builder().clock(Arc::new(issuer.clock().clone()))
}

async fn assert_all_refused(verifier: &Verifier, issuer: &TestIssuer, case: &str) {
    let honest = honest(issuer);
    assert!(verifier.verify(&honest.sign()).await.is_ok(), "{case}: the honest token");
    let before = verifier.stats();
    for attack in Attack::ALL {
        let forged = honest.clone().hostile(*attack).sign();
        for _ in 0..2 {
            let refused = verifier.verify(&forged).await.expect_err(attack.name());
            let name = attack.name();
            assert!(attack.expected().contains(&refused.kind()), "{case}, {name}: {refused}");
            let report = verifier.explain(&forged).await;
            let verdict = format!("{:?}", report.verdict);
            assert!(
                !report.is_accepted() && verdict.contains(refused.code()),
                "{case}, {name}: {refused}, but {verdict}"
            );
            assert!(!format!("{refused} {refused:?}").contains(&forged), "{case}, {name}: the token in the error");
        }
    }
    let after = verifier.stats();
    assert_eq!((after.verified, after.from_cache), (before.verified, before.from_cache), "{case}");
    assert!(verifier.verify(&honest.sign()).await.is_ok(), "{case}: the honest token afterwards");
}

/// CVE-2018-0114, CVE-2026-34240 and CVE-2025-24976 are among them: a key that the token itself brings. S4.24.
#[tokio::test]
async fn s4_24_every_attack_on_every_kind_of_key_is_refused() {
    for algorithm in KINDS {
        let issuer = TestIssuer::with_algorithm(algorithm);
        assert_all_refused(&issuer.verifier_for("orders"), &issuer, algorithm.name()).await;
    }
}

#[tokio::test]
async fn every_attack_is_refused_where_all_algorithms_are_allowed() {
    for algorithm in KINDS {
        let issuer = TestIssuer::with_algorithm(algorithm);
        let all = Algorithm::ALL.iter().copied().filter(|algorithm| !algorithm.is_symmetric());
        let verifier = by_clock_of(&issuer).trust(issuer.trusted_for("orders").algorithms(all)).build().expect("good");
        assert_all_refused(&verifier, &issuer, algorithm.name()).await;
    }
}

#[tokio::test]
async fn every_attack_is_refused_after_a_rotation_and_beside_another_issuer() {
    let issuer = TestIssuer::new();
    let other = TestIssuer::with_algorithm(Algorithm::Ed25519).with_name("https://partner.test");
    issuer.rotate();
    let verifier = by_clock_of(&issuer).trust(issuer.trusted_for("orders")).trust(other.trusted_for("orders"));
    assert_all_refused(&verifier.build().expect("good"), &issuer, "two issuers, two keys").await;
}

#[tokio::test]
async fn every_attack_is_refused_by_rfc_9068() {
    let issuer = TestIssuer::new();
    let strict = issuer.trusted_for("orders").profile(Profile::AccessToken);
    let verifier = by_clock_of(&issuer).trust(strict).build().expect("good");
    assert_all_refused(&verifier, &issuer, "the strict profile").await;
}
