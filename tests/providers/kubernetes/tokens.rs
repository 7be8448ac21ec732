//! Tokens of service accounts, accepted and refused over HTTP.

use std::time::Duration;

use countersign::app::{Access, Routes, protect};
use countersign::authz::client;
use countersign::issuers::Preset;
use countersign::policy::Policy;
use countersign::prelude::*;
use countersign_test::ManualClock;
use countersign_tests::http::Service;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{guide, keys, partner, shop, sources, until, verifier};

/// The claims that Kubernetes adds to the registered ones.
#[derive(Deserialize)]
struct Workload {
    #[serde(rename = "kubernetes.io")]
    place: Place,
    jti: String,
}

#[derive(Deserialize)]
struct Place {
    namespace: String,
    pod: Option<Named>,
    serviceaccount: Named,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// The service of the guide, with paths that state the caller and the ID of its token.
pub async fn orders(verifier: Verifier) -> Service {
    let billing = client("system:serviceaccount:shop:billing");
    let me = |claims: Claims<Workload>| async move {
        let Place { namespace, pod, serviceaccount } = &claims.place;
        let pod = pod.as_ref().map_or("none", |pod| &pod.name);
        let tenant = claims.tenant().map(ToString::to_string);
        format!("{} {tenant:?} {namespace} {} {pod}", claims.subject(), serviceaccount.name)
    };
    let routes = Routes::new()
        .get("/orders", billing, || async { "orders" })
        .get("/me", Access::Authenticated, me)
        .get("/id", Access::Authenticated, |claims: Claims<Workload>| async move { claims.jti.clone() });
    Service::start(protect(routes, verifier).into()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_kubernetes), ignore = "needs Kubernetes: tests/peers/install all")]
async fn s3_15_a_service_account_is_known_by_its_name_namespace_and_pod() {
    let shop = shop().await;
    let orders = orders(verifier(&shop)).await;

    let projected = std::fs::read_to_string(shop.billing.file("/var/run/secrets/tokens/orders")).expect("a token");
    assert_eq!(orders.get("/orders", &projected).await.status, 200);
    let me = orders.get("/me", &projected).await.body;
    assert_eq!(me, "system:serviceaccount:shop:billing Some(\"shop\") shop billing billing");

    let unbound = shop.cluster.token("billing", "orders").await;
    assert_eq!(orders.get("/orders", &unbound).await.status, 200);
    let me = orders.get("/me", &unbound).await.body;
    assert_eq!(me, "system:serviceaccount:shop:billing Some(\"shop\") shop billing none");
    let several = json!({ "audiences": ["invoices", "orders"], "expirationSeconds": 86_400 });
    assert_eq!(orders.get("/orders", &shop.cluster.token_of("billing", &several).await).await.status, 200);

    let other = orders.get("/orders", &shop.cluster.token("orders", "orders").await).await;
    assert_eq!((other.status, other.code()), (403, "forbidden".into()), "another account");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_kubernetes), ignore = "needs Kubernetes: tests/peers/install all")]
async fn s3_13_tokens_of_kubernetes_for_others_and_of_others_are_refused_with_their_code() {
    let (shop, partner) = (shop().await, partner().await);
    let verifier = verifier(&shop);
    let code = async |verifier: &Verifier, token: &str| verifier.verify(token).await.expect_err("refused").code();

    assert_eq!(code(&verifier, &shop.cluster.token("billing", "invoices").await).await, "wrong_audience");
    let own = shop.billing.file("/var/run/secrets/kubernetes.io/serviceaccount/token");
    let own = std::fs::read_to_string(own).expect("a token");
    assert_eq!(code(&verifier, &own).await, "wrong_audience", "the pod's own, for the API server");

    let theirs = partner.token("billing", "orders").await;
    assert_eq!(code(&verifier, &theirs).await, "unknown_issuer", "another cluster");
    let keys = std::sync::Arc::new(keys(&shop.cluster, &shop.orders));
    let mistaken = Preset::KUBERNETES.issuer(partner.url()).keys(keys).audience("orders");
    let mistaken = Verifier::new(mistaken).expect("a verifier");
    // It is known as one only after a fetch that began later than the request.
    until("the key of another cluster", async || code(&mistaken, &theirs).await == "unknown_key").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_kubernetes), ignore = "needs Kubernetes: tests/peers/install all")]
async fn s3_02_the_token_of_a_workload_is_refused_after_its_end() {
    let shop = shop().await;
    let clock = ManualClock::from_system();
    let policy = Policy::from_toml(guide().file("policy.toml")).expect("a policy");
    let builder = Verifier::builder().policy(&policy, sources(&shop)).clock(clock.clone());
    let verifier = builder.build().expect("a verifier");
    let token = shop.cluster.token("billing", "orders").await;
    verifier.verify(&token).await.expect("a good token");
    clock.advance(Duration::from_secs(590));
    verifier.verify(&token).await.expect("still good");
    clock.advance(Duration::from_secs(100));
    assert_eq!(verifier.verify(&token).await.expect_err("refused").code(), "expired");
}

/// Only the API server knows which pods are gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_kubernetes), ignore = "needs Kubernetes: tests/peers/install all")]
async fn the_token_of_a_deleted_pod_holds_until_its_end() {
    let shop = shop().await;
    let pod =
        guide().file("orders.yaml").split("---\n").nth(1).expect("a pod").replace("name: orders,", "name: deleted,");
    shop.cluster.apply(&pod).await;
    let bound = json!({ "kind": "Pod", "apiVersion": "v1", "name": "deleted" });
    let spec = json!({ "audiences": ["orders"], "expirationSeconds": 600, "boundObjectRef": bound });
    let token = shop.cluster.token_of("orders", &spec).await;
    let path = "/api/v1/namespaces/shop/pods/deleted";
    let (status, answer) = shop.cluster.request(Method::DELETE, path, &json!({ "gracePeriodSeconds": 0 })).await;
    assert_eq!(status, 200, "{answer}");

    let review = json!({ "spec": { "token": token, "audiences": ["orders"] } });
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    let (_, review) = shop.cluster.request(Method::POST, path, &review).await;
    assert_ne!(review["status"]["authenticated"], json!(true), "{review}");
    verifier(&shop).verify(&token).await.expect("its signature and times are good");
}
