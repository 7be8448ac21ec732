//! The API server hangs, is killed and comes back while requests arrive.

use countersign::key::KeyHealth;
use serde_json::json;

use super::rotation::{restart, withdraw_the_old_key};
use super::{Shop, fetching_often, health, keys, shared, until};
use crate::kubernetes::certificates::write_account_key;
use crate::load::{Load, kid};
use crate::outage::{hang_and_die, recover};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_kubernetes), ignore = "needs Kubernetes: tests/peers/install all")]
async fn s4_20_while_the_api_server_hangs_or_is_gone_its_known_keys_verify_all_tokens() {
    let mut shop = shared().await.write().await;
    let (verifier, _) = fetching_often(keys(&shop.cluster, &shop.orders));
    let token = shop.cluster.token("billing", "orders").await;
    let load = hang_and_die(&mut shop.cluster.server, &verifier, token.clone(), |other_issuer| {
        let token = other_issuer.clone().with_name("https://kubernetes.default.svc.cluster.local").token();
        let token = token.audience("orders").claim("kubernetes.io", json!({ "namespace": "shop" }));
        token.header("kid", "invented").sign()
    })
    .await;
    write_account_key(shop.cluster.folder(), "sa-new", true);
    restart(&mut shop, "signing.yaml").await;
    let renewed = shop.cluster.token("billing", "orders").await;
    assert_ne!(kid(&renewed), kid(&token));
    recover(load, &verifier, &renewed).await;
    withdraw_the_old_key(&mut shop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_kubernetes), ignore = "needs Kubernetes: tests/peers/install all")]
async fn s4_20_s4_28_after_the_api_server_lost_its_database_its_tokens_are_accepted_and_keys_need_a_new_own_token() {
    let mut shop = Shop::start().await;
    let (verifier, _) = fetching_often(keys(&shop.cluster, &shop.orders));
    let token = shop.cluster.token("billing", "orders").await;
    let load = Load::start(&verifier, token.clone()).await;
    shop.cluster.lose_database().await;
    // The service account of the service's own token is gone.
    let is_refused = |reason: &str| reason.contains("status 401");
    let degraded = async || matches!(health(&verifier), KeyHealth::Degraded { reason, .. } if is_refused(&reason));
    until("its token is refused", degraded).await;
    shop.fill().await;
    until("the new token is accepted", async || health(&verifier) == KeyHealth::Ready).await;
    load.send(shop.cluster.token("billing", "orders").await);
    let codes = load.end().await;
    println!("the API server lost its database: {codes:?}");
    assert!(codes.keys().eq(&["ok"]), "the signing key is a file, so it stays: {codes:?}");
}
