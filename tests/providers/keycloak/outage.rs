//! Keycloak hangs, is killed and comes back while requests arrive.

use std::sync::Arc;

use countersign::issuers::Preset;
use countersign::prelude::*;

use super::rotation::next_priority;
use super::shared;
use crate::load::kid;
use crate::outage::{hang_and_die, keys_that_are_fetched_often, recover};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn s4_20_while_keycloak_hangs_or_is_gone_its_known_keys_verify_all_tokens() {
    let mut keycloak = shared().await.write().await;
    let issuer = keycloak.issuer("shop");
    let keys = Arc::new(keys_that_are_fetched_often(&issuer));
    let verifier =
        Verifier::new(Preset::KEYCLOAK.config(&issuer, "orders").to_trusted_issuer(keys)).expect("a verifier");
    let token = keycloak.billing("orders:read").await;
    let load = hang_and_die(&mut keycloak.server, &verifier, token.clone(), |other_issuer| {
        let other_issuer = other_issuer.clone().with_name(&issuer);
        other_issuer.token().audience("orders").claim("typ", "Bearer").header("kid", "invented").sign()
    })
    .await;
    keycloak.rotate(next_priority()).await;
    let renewed = keycloak.billing("orders:read").await;
    assert_ne!(kid(&renewed), kid(&token));
    recover(load, &verifier, &renewed).await;
}
