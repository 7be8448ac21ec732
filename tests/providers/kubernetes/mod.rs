//! Kubernetes, set up as `docs/guides/kubernetes.md` says: an API server with etcd, and the files of pods as a kubelet writes
//! them.

mod calls;
mod certificates;
mod kubelet;
mod outage;
mod outside;
mod permission;
mod rotation;
mod server;
mod tokens;

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::error::ConfigError;
use countersign::health::Health;
use countersign::key::{KeyHealth, KeySource};
use countersign::keys::{KubernetesKeys, from_config};
use countersign::policy::{KeysConfig, Policy, TrustedIssuerConfig};
use countersign::verify::Verifier;
use kubelet::Pod;
use server::Cluster;
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard};

use crate::guide::Guide;
use crate::outage::often;

/// The address of the cluster that the guide uses from outside.
const GUIDE_OUTSIDE: &str = "https://cluster.shop.example";

fn guide() -> Guide {
    Guide::read("kubernetes")
}

/// The cluster of the guide with its two pods.
struct Shop {
    cluster: Cluster,
    billing: Pod,
    orders: Pod,
}

impl Shop {
    async fn start() -> Self {
        let cluster = Cluster::start(&guide(), "one.yaml", GUIDE_OUTSIDE).await;
        let (billing, orders) = (Pod::new(&cluster, "billing"), Pod::new(&cluster, "orders"));
        let shop = Shop { cluster, billing, orders };
        shop.fill().await;
        shop
    }

    /// Applies the files of the guide and writes the files of the pods.
    async fn fill(&self) {
        for file in ["billing.yaml", "orders.yaml"] {
            self.cluster.apply(guide().file(file)).await;
        }
        self.billing.write(&self.cluster).await;
        self.orders.write(&self.cluster).await;
    }
}

/// The cluster that all tests share.
async fn shared() -> &'static RwLock<Shop> {
    static SERVER: OnceCell<RwLock<Shop>> = OnceCell::const_new();
    SERVER.get_or_init(async || RwLock::new(Shop::start().await)).await
}

/// The cluster, while nobody harms it.
async fn shop() -> RwLockReadGuard<'static, Shop> {
    shared().await.read().await
}

/// Another cluster, whose keys anybody may read, with the account `billing`.
async fn partner() -> &'static Cluster {
    static SERVER: OnceCell<Cluster> = OnceCell::const_new();
    let start = async || {
        let guide = guide();
        let cluster = Cluster::start(&guide, "outside.yaml", GUIDE_OUTSIDE).await;
        cluster.apply(guide.file("billing.yaml")).await;
        cluster.bind(&guide, "anybody-reads-keys").await;
        cluster
    };
    SERVER.get_or_init(start).await
}

/// The keys that a process in this pod fetches: in a pod, `KubernetesKeys::from_cluster` has the same address and files.
fn keys(cluster: &Cluster, pod: &Pod) -> KubernetesKeys {
    let folder = "/var/run/secrets/kubernetes.io/serviceaccount";
    let [authority, token] = ["ca.crt", "token"].map(|name| pod.file(&format!("{folder}/{name}")));
    KubernetesKeys::from_server(cluster.url(), authority, token)
}

/// The key sources of the guide's configurations, in the pod of `orders`.
fn sources(shop: &Shop) -> impl Fn(&TrustedIssuerConfig) -> Result<Arc<dyn KeySource>, ConfigError> {
    |issuer| match issuer.keys {
        KeysConfig::Kubernetes => Ok(Arc::new(keys(&shop.cluster, &shop.orders))),
        _ => from_config(issuer),
    }
}

/// A verifier with the policy of the guide.
fn verifier(shop: &Shop) -> Verifier {
    let policy = Policy::from_toml(guide().file("policy.toml")).expect("a policy");
    Verifier::builder().policy(&policy, sources(shop)).build().expect("a verifier")
}

/// A verifier with the policy of the guide and these keys, which it fetches every two seconds.
fn fetching_often(keys: KubernetesKeys) -> (Verifier, Arc<KubernetesKeys>) {
    let policy = Policy::from_toml(guide().file("policy.toml")).expect("a policy");
    let keys = Arc::new(keys.refresh_policy(often()));
    let source = Arc::clone(&keys);
    let builder = Verifier::builder().policy(&policy, |_| Ok(Arc::clone(&source) as Arc<dyn KeySource>));
    (builder.build().expect("a verifier"), keys)
}

/// The state of the verifier's only key source.
fn health(verifier: &Verifier) -> KeyHealth {
    Health::new(verifier).report().remove(0).1
}

/// Waits until `is_true`, and asks every 100 ms.
async fn until(what: &str, is_true: impl AsyncFn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !is_true().await {
        assert!(Instant::now() < limit, "not so after a minute: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
