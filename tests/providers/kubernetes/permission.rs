//! What the API server lets a pod read.

use countersign::key::KeyHealth;
use reqwest::Method;
use serde_json::{Value, json};

use super::server::BINDINGS;
use super::{Pod, fetching_often, guide, health, keys, shared, shop, until, verifier};

/// The role for the keys, and the binding that every cluster has by default.
const ROLE: &str = "system:service-account-issuer-discovery";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_kubernetes), ignore = "needs Kubernetes: tests/peers/install all")]
async fn s4_20_s4_21_without_its_role_a_pod_gets_no_keys_the_cause_is_reported_and_those_it_has_hold() {
    let mut shop = shared().await.write().await;
    let (known, _) = fetching_often(keys(&shop.cluster, &shop.orders));
    let token = shop.cluster.token("billing", "orders").await;
    known.verify(&token).await.expect("by default");

    let default = format!("{BINDINGS}/{ROLE}");
    let (status, answer) = shop.cluster.request(Method::DELETE, &default, &json!({})).await;
    assert_eq!(status, 200, "{answer}");
    let is_named = |reason: &str| reason.contains("status 403") && reason.contains(ROLE);
    let degraded = async || matches!(health(&known), KeyHealth::Degraded { reason, .. } if is_named(&reason));
    until("the role is missing", degraded).await;
    known.verify(&shop.cluster.token("billing", "orders").await).await.expect("by the keys that it has");
    let started = verifier(&shop);
    assert_eq!(started.verify(&token).await.expect_err("no keys").code(), "keys_unavailable");
    assert!(matches!(health(&started), KeyHealth::NotReady { reason } if is_named(&reason)));

    shop.cluster.bind(&guide(), "orders-reads-keys").await;
    until("the role is there", async || health(&known) == KeyHealth::Ready).await;
    until("keys", async || started.verify(&token).await.is_ok()).await;

    // The API server brings its default bindings back when it starts.
    let own = format!("{BINDINGS}/orders-reads-keys");
    assert_eq!(shop.cluster.request(Method::DELETE, &own, &json!({})).await.0, 200);
    assert_eq!(shop.cluster.request(Method::GET, &default, &json!(null)).await.0, 404);
    shop.cluster.restart(guide().file("one.yaml")).await;
    assert_eq!(shop.cluster.request(Method::GET, &default, &json!(null)).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_kubernetes), ignore = "needs Kubernetes: tests/peers/install all")]
async fn s4_28_keys_are_requested_with_the_token_that_the_kubelet_wrote_last() {
    let shop = shop().await;
    let cluster = &shop.cluster;
    let object =
        guide().file("orders.yaml").split("---\n").nth(1).expect("a pod").replace("name: orders,", "name: again,");
    cluster.apply(&object).await;
    let pod = Pod::new(cluster, "again");
    pod.write(cluster).await;
    let (verifier, _) = fetching_often(keys(cluster, &pod));
    let token = cluster.token("billing", "orders").await;
    verifier.verify(&token).await.expect("keys");

    // A token is good only for the pod that it was made for, and not for the next one of its name.
    let path = "/api/v1/namespaces/shop/pods/again";
    let (status, answer) = cluster.request(Method::DELETE, path, &json!({ "gracePeriodSeconds": 0 })).await;
    assert_eq!(status, 200, "{answer}");
    cluster.apply(&object).await;
    let is_refused = |reason: &str| reason.contains("status 401");
    let degraded = async || matches!(health(&verifier), KeyHealth::Degraded { reason, .. } if is_refused(&reason));
    until("its token is refused", degraded).await;
    verifier.verify(&token).await.expect("the keys that it has");
    pod.write(cluster).await;
    until("the new token is accepted", async || health(&verifier) == KeyHealth::Ready).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_kubernetes), ignore = "needs Kubernetes: tests/peers/install all")]
async fn the_discovery_document_names_the_issuer_of_the_guide_and_the_path_of_the_keys() {
    let shop = shop().await;
    let own = shop.orders.file("/var/run/secrets/kubernetes.io/serviceaccount/token");
    let own = std::fs::read_to_string(own).expect("a token");
    let document: Value = shop.cluster.read("/.well-known/openid-configuration", &own).await;
    let policy = countersign::policy::Policy::from_toml(guide().file("policy.toml")).expect("a policy");
    assert_eq!(document["issuer"], json!(policy.issuers[0].issuer), "{document}");
    // The address is the one inside the cluster: `--advertise-address`.
    let address = document["jwks_uri"].as_str().expect("an address");
    assert!(address.starts_with("https://192.0.2.1:") && address.ends_with("/openid/v1/jwks"), "{address}");
    let keys = shop.cluster.read("/openid/v1/jwks", &own).await;
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(1), "{keys}");
}
