//! Keycloak hangs, is killed and comes back while requests arrive.

use std::time::Duration;

use countersign::issuers::Preset;
use countersign::keys::{RefreshPolicy, RemoteKeys};
use countersign::prelude::*;
use countersign_test::TestIssuer;

use super::shared;
use crate::load::{Load, outage};

/// A verifier that fetches its keys every two seconds.
fn verifier_that_refreshes_often(issuer: &str) -> Verifier {
    let second = Duration::from_secs(1);
    let policy = RefreshPolicy::default().default_lifetime(2 * second).min_lifetime(second).max_lifetime(2 * second);
    let keys = RemoteKeys::from_issuer(issuer).refresh_policy(policy);
    let trusted = Preset::KEYCLOAK.config(issuer, "orders").to_trusted_issuer(std::sync::Arc::new(keys));
    Verifier::new(trusted).expect("a verifier")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn s4_20_while_keycloak_hangs_or_is_gone_its_known_keys_verify_all_tokens() {
    let mut server = shared().await.write().await;
    let issuer = server.issuer("shop");
    let verifier = verifier_that_refreshes_often(&issuer);
    let token = server.billing("orders:read").await;
    let load = Load::start(&verifier, token.clone()).await;

    for harm in ["STOP", "KILL"] {
        match harm {
            "STOP" => server.signal("STOP"),
            _ => server.kill(),
        }
        tokio::time::sleep(outage()).await;
        let stranger = TestIssuer::with_system_clock().with_name(&issuer);
        let invented = stranger.token().audience("orders").claim("typ", "Bearer").header("kid", harm).sign();
        let error = verifier.verify(&invented).await.expect_err("invented");
        assert_eq!(error.code(), "keys_unavailable", "{harm}: an unknown key may be a new one");
        match harm {
            "STOP" => server.signal("CONT"),
            _ => server.start_again().await,
        }
    }
    server.rotate(super::rotation::next_priority()).await;
    let renewed = server.billing("orders:read").await;
    assert_ne!(crate::load::kid(&renewed), crate::load::kid(&token));
    load.send(renewed);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let codes = load.end().await;
    println!("Keycloak hung and was gone for {:?} each: {codes:?}", outage());
    assert!(codes.keys().eq(&["ok"]), "{codes:?}");
}
