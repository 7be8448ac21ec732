//! Hydra hangs, is killed and comes back while requests arrive.

use std::sync::Arc;

use countersign::policy::TrustedIssuerConfig;
use countersign::prelude::*;

use super::{Hydra, guide, shared, verifier};
use crate::load::kid;
use crate::outage::{accept_the_new_and_refuse_the_old, hang_and_die, keys_that_are_fetched_often, recover};
use crate::service;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_hydra), ignore = "needs Ory Hydra: tests/peers/install")]
async fn s4_20_while_hydra_hangs_or_is_gone_its_known_keys_verify_all_tokens() {
    let mut hydra = shared().await.write().await;
    let issuer = hydra.issuer().to_owned();
    let keys = Arc::new(keys_that_are_fetched_often(&issuer));
    let trusted = TrustedIssuerConfig::new(&issuer, "orders").to_trusted_issuer(keys);
    let verifier = Verifier::new(trusted).expect("a verifier");
    let token = hydra.billing_for_orders().await;
    let load = hang_and_die(&mut hydra.server, &verifier, token.clone(), |other_issuer| {
        other_issuer.clone().with_name(&issuer).token().audience("orders").header("kid", "invented").sign()
    })
    .await;
    hydra.rotate().await;
    let renewed = hydra.billing_for_orders().await;
    assert_ne!(kid(&renewed), kid(&token));
    recover(load, &verifier, &renewed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_hydra), ignore = "needs Ory Hydra: tests/peers/install")]
async fn s4_15_s4_20_after_hydra_lost_its_database_its_new_tokens_are_accepted_and_the_old_ones_end() {
    let mut hydra = Hydra::start(&guide()).await;
    let verifier = verifier(&hydra);
    let orders = service::orders(verifier.clone()).await;
    let old = hydra.billing_for_orders().await;
    assert_eq!(orders.get("/orders", &old).await.status, 200);
    hydra.lose_database(&guide()).await;
    assert_eq!(orders.get("/orders", &old).await.status, 200, "by the key that is held");
    let new = hydra.billing_for_orders().await;
    assert_ne!(kid(&new), kid(&old));
    accept_the_new_and_refuse_the_old((&orders, "/orders"), &verifier, (&old, &new)).await;
}
