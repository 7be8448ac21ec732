//! Rotations of the key for service account tokens while requests arrive.

use super::{Shop, fetching_often, guide, keys, shared, until};
use crate::kubernetes::certificates::write_account_key;
use crate::load::{Load, kid, rotations};

/// Restarts the API server with the flags in this file of the guide.
pub async fn restart(shop: &mut Shop, flags: &str) {
    shop.cluster.restart(guide().file(flags)).await;
}

/// Renews the files of both pods, as kubelets do within an hour, withdraws the old key, and gives the key `sa-new` the name `sa`,
/// as which the next rotation begins.
pub async fn withdraw_the_old_key(shop: &mut Shop) {
    for pod in [&shop.billing, &shop.orders] {
        pod.write(&shop.cluster).await;
    }
    restart(shop, "withdrawn.yaml").await;
    for kind in ["key", "pub"] {
        let [new, old] = ["sa-new", "sa"].map(|name| shop.cluster.folder().join(format!("{name}.{kind}")));
        std::fs::rename(new, old).expect("renamed");
    }
    shop.cluster.set_flags(guide().file("one.yaml"));
}

/// A rotation restarts the API server three times, so there is one for five rotations of others. Keys of both kinds take turns.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_kubernetes), ignore = "needs Kubernetes: tests/peers/install all")]
async fn s4_08_s4_31_rotations_of_the_cluster_under_load_refuse_only_the_withdrawn_key() {
    let mut shop = shared().await.write().await;
    let (verifier, keys) = fetching_often(keys(&shop.cluster, &shop.orders));
    let load = Load::start(&verifier, shop.cluster.token("billing", "orders").await).await;
    let rotations = rotations().div_ceil(5);
    for number in 0..rotations {
        let old = shop.cluster.token("billing", "orders").await;
        write_account_key(shop.cluster.folder(), "sa-new", number % 2 == 1);
        restart(&mut shop, "published.yaml").await;
        let same = shop.cluster.token("billing", "orders").await;
        assert_eq!(kid(&same), kid(&old), "the old key signs");
        let count = || keys.snapshot().map_or(0, |snapshot| snapshot.to_json().matches("\"kid\"").count());
        until("the new key is known", async || count() == 2).await;

        restart(&mut shop, "signing.yaml").await;
        let new = shop.cluster.token("billing", "orders").await;
        assert_ne!(kid(&new), kid(&old), "the new key signs");
        load.send(new.clone());
        verifier.verify(&old).await.expect("both keys are published");

        withdraw_the_old_key(&mut shop).await;
        let refused = async || verifier.verify(&old).await.is_err_and(|error| error.code() == "unknown_key");
        until("the old key is not known", refused).await;
    }
    let codes = load.end().await;
    println!("{rotations} rotations of Kubernetes: {codes:?}");
    assert!(codes.keys().eq(&["ok"]), "{codes:?}");
}
