//! The services of the guides.

use std::time::Duration;

use countersign::app::{Access, Routes, protect};
use countersign::authz::client;
use countersign::policy::{Policy, TrustedIssuer};
use countersign::prelude::*;
use countersign_test::ManualClock;
use countersign_tests::http::Service;

/// The verifier of a guide's policy, with the address of `issuer` in place of the guide's.
pub fn verifier(policy: &str, guide_issuer: &str, issuer: &str) -> Verifier {
    assert!(policy.contains(guide_issuer), "the policy of the guide names {guide_issuer}");
    let policy = Policy::from_toml(&policy.replace(guide_issuer, issuer)).expect("a policy");
    Verifier::builder().policy(&policy, countersign::keys::from_config).build().expect("a verifier")
}

/// Asserts that a token of `issuer` is good now, and refused once this time has passed.
pub async fn assert_expires(issuer: impl Into<TrustedIssuer>, token: &str, after: Duration) {
    let clock = ManualClock::from_system();
    let verifier = Verifier::builder().clock(clock.clone()).trust(issuer.into()).build().expect("a verifier");
    verifier.verify(token).await.expect("a good token");
    clock.advance(after);
    assert_eq!(verifier.verify(token).await.expect_err("refused").code(), "expired");
}

/// The service `orders` of the guides, over HTTP.
pub async fn orders(verifier: Verifier) -> Service {
    let routes = Routes::new()
        .get("/orders", scope("orders:read"), || async { "orders" })
        .post("/orders", scope("orders:read").and(role("manager")), || async { "created" })
        .get("/invoices", client("billing"), || async { "invoices" })
        .get("/me", Access::Authenticated, |claims: Claims| async move { claims.subject().to_owned() });
    Service::start(protect(routes, verifier).into()).await
}
