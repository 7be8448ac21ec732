//! A service outside the cluster, which finds the keys by discovery.

use countersign::keys::from_config;
use countersign::policy::Policy;
use countersign::prelude::*;

use super::{GUIDE_OUTSIDE, guide, partner, shop};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_kubernetes), ignore = "needs Kubernetes: tests/peers/install all")]
async fn s4_01_s4_02_discovery_finds_the_keys_of_a_cluster_from_outside() {
    let (cluster, shop) = (partner().await, shop().await);
    let text = guide().file("policy-outside.toml").replace(GUIDE_OUTSIDE, cluster.url());
    let text = text.replace("/etc/shop/cluster-ca.crt", &cluster.authority_file().display().to_string());
    let policy = Policy::from_toml(&text).expect("a policy");
    let verifier = Verifier::builder().policy(&policy, from_config).build().expect("a verifier");
    let verified = verifier.verify(&cluster.token("billing", "orders").await).await.expect("a good token");
    assert_eq!(verified.client_id(), Some("system:serviceaccount:shop:billing"));

    // By default, the API server answers its keys only to whom it knows.
    let closed = text.replace(cluster.url(), shop.cluster.url());
    let authority = [cluster, &shop.cluster].map(|cluster| cluster.authority_file().display().to_string());
    let closed = Policy::from_toml(&closed.replace(&authority[0], &authority[1])).expect("a policy");
    let verifier = Verifier::builder().policy(&closed, from_config).build().expect("a verifier");
    let name = shop.cluster.url();
    let invented = countersign_test::TestIssuer::with_system_clock().with_name(name).token().audience("orders");
    let invented = invented.claim("kubernetes.io", serde_json::json!({ "namespace": "shop" })).sign();
    assert_eq!(verifier.verify(&invented).await.expect_err("no keys").code(), "keys_unavailable");
    let reason = super::health(&verifier);
    assert!(format!("{reason:?}").contains("status 403"), "{reason:?}");
}
