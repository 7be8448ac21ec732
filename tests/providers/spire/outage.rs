//! SPIRE and its discovery provider hang, are killed and come back while requests arrive.

use std::sync::Arc;

use countersign::issuers::Preset;
use countersign::prelude::*;

use super::rotation::{publish, rotated};
use super::server::Spire;
use super::tokens::orders;
use super::{guide, shop, verifier};
use crate::load::kid;
use crate::outage::{
    Harmed as _, accept_the_new_and_refuse_the_old, hang_and_die, keys_that_are_fetched_often, recover,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_spire), ignore = "needs SPIRE: tests/peers/install all")]
async fn s4_20_while_spire_hangs_or_is_gone_its_known_keys_verify_all_tokens() {
    let mut spire = Spire::start("outage.example", true, &guide()).await;
    let issuer = spire.discovery();
    let mut trusted = Preset::SPIFFE.config(&issuer, "orders");
    trusted.spiffe_trust_domain = Some("outage.example".into());
    let keys = Arc::new(keys_that_are_fetched_often(&issuer));
    let verifier = Verifier::new(trusted.to_trusted_issuer(keys)).expect("a verifier");
    let token = spire.token("orders", "billing");
    let load = hang_and_die(&mut spire, &verifier, token.clone(), |other_issuer| {
        let other_issuer = other_issuer.clone().with_name(&issuer);
        let token = other_issuer.token().audience("orders").claim("sub", "spiffe://outage.example/billing");
        token.header("kid", "invented").sign()
    })
    .await;
    spire.until_tokens().await;
    let renewed = rotated(&spire, publish).await;
    assert_ne!(kid(&renewed), kid(&token));
    recover(load, &verifier, &renewed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_spire), ignore = "needs SPIRE: tests/peers/install all")]
async fn s4_15_s4_20_after_spire_lost_its_database_its_new_tokens_are_accepted_and_the_old_ones_end() {
    let mut spire = Spire::start("partner.example", true, &guide()).await;
    let verifier = verifier("policy-discovery.toml", shop().await, Some(&spire));
    let orders = orders(verifier.clone()).await;
    let old = spire.token("orders", "billing");
    assert_eq!(orders.get("/me", &old).await.status, 200);
    spire.kill().await;
    assert_eq!(orders.get("/me", &old).await.status, 200, "by the key that is held");
    spire.lose_data();
    spire.start().await;
    spire.register(&guide()).await;
    let new = spire.token("orders", "billing");
    assert_ne!(kid(&new), kid(&old));
    accept_the_new_and_refuse_the_old((&orders, "/me"), &verifier, (&old, &new)).await;
}
