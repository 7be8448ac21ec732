//! The API server hangs, is killed and comes back while requests arrive.

use serde_json::json;

use super::rotation::{restart, withdraw_the_old_key};
use super::{fetching_often, keys, shared};
use crate::kubernetes::certificates::write_account_key;
use crate::load::kid;
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
