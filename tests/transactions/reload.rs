//! A policy file that is replaced, with the transaction token service that it names: S4.21, S9.08.

use std::sync::Arc;

use countersign::clock::Clock;
use countersign::health::Health;
use countersign::policy::{Policy, TrustedIssuerConfig};
use countersign::prelude::*;
use countersign::reload::{PolicyFile, WatchedPolicy};
use countersign_test::{Provider, TestIssuer};
use serde_json::{Value, json};

use crate::shop::{DOMAIN, Shop, app, request, send, with};

/// A policy file that is removed at the end.
struct File(std::path::PathBuf);

impl File {
    fn new(name: &str) -> Self {
        File(std::env::temp_dir().join(format!("countersign-transactions-{}-{name}.json", std::process::id())))
    }

    fn write(&self, policy: &Value) {
        let text = policy.to_string();
        Policy::from_json(&text).expect("a policy");
        std::fs::write(&self.0, text).expect("written");
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The keys are made by name: those of the test kit.
fn keys_of(
    shop: &Shop,
    more: &TestIssuer,
) -> impl Fn(&TrustedIssuerConfig) -> Result<Arc<dyn countersign::key::KeySource>, countersign::error::ConfigError> + use<>
{
    let issuers = [shop.issuer.clone(), shop.service.clone(), more.clone()];
    move |place| {
        let known = issuers.iter().find(|issuer| issuer.name() == place.issuer);
        known.map(TestIssuer::key_source).ok_or_else(|| countersign::error::ConfigError::new("issuer", "unknown"))
    }
}

fn policy(shop: &Shop, transactions: Option<Value>) -> Value {
    let mut policy = json!({ "issuers": [{ "issuer": shop.issuer.name(), "audience": "stock" }] });
    if let Some(transactions) = transactions {
        policy["transactions"] = transactions;
    }
    policy
}

fn watched(file: &File, shop: &Shop, more: &TestIssuer) -> WatchedPolicy {
    let clock: Arc<dyn Clock> = Arc::new(shop.issuer.clock().clone());
    PolicyFile::new(&file.0).keys(keys_of(shop, more)).clock(clock).build().expect("a policy")
}

#[tokio::test]
async fn s9_08_a_replaced_policy_replaces_the_service_of_transaction_tokens() {
    let shop = Shop::new();
    let key = countersign_core::mint::Signer::generate(shop.issuer.algorithm()).expect("a key").with_key_id("next");
    let next = shop.issuer.clone().with_name("https://next.test").with_key(key);
    let file = File::new("replaced");
    let service = |issuer: &TestIssuer| Some(json!({ "trust_domain": DOMAIN, "issuer": issuer.name() }));
    file.write(&policy(&shop, service(&shop.service)));
    let watched = watched(&file, &shop, &next);
    let transactions = watched.transactions().expect("the policy names one").clone();
    let layer = AuthenticateLayer::builder(watched.verifier().clone()).transaction_tokens(transactions).build();
    let app = app(layer.expect("a layer"));
    let old = shop.transaction().sign();
    let new = next.transaction_token(DOMAIN, "trade.stocks").subject("ann").sign();
    assert_eq!(with(&app, "/", &shop.caller(), &old).await.status(), 200);
    assert_eq!(with(&app, "/", &shop.caller(), &new).await.status(), 401);

    file.write(&policy(&shop, service(&next)));
    assert_eq!(watched.reload().await, Ok(true));
    assert_eq!(with(&app, "/", &shop.caller(), &new).await.status(), 200);
    assert_eq!(with(&app, "/", &shop.caller(), &old).await.status(), 401, "also from the cache");

    // Rules of the same service, whose keys stay.
    file.write(&policy(
        &shop,
        Some(json!({ "trust_domain": DOMAIN, "issuer": next.name(), "max_lifetime_seconds": 30 })),
    ));
    assert_eq!(watched.reload().await, Ok(true));
    assert_eq!(with(&app, "/", &shop.caller(), &new).await.status(), 401, "it lives longer");
    file.write(&policy(&shop, service(&next)));
    assert_eq!(watched.reload().await, Ok(true));

    // What layers rely on does not change: the last good policy stays in force.
    for (what, transactions) in [
        ("none", None),
        ("another trust domain", Some(json!({ "trust_domain": "bank.example", "issuer": next.name() }))),
        ("unknown keys", Some(json!({ "trust_domain": DOMAIN, "issuer": "https://unknown.test" }))),
        ("a fault", Some(json!({ "trust_domain": DOMAIN, "issuer": next.name(), "max_lifetime_seconds": 100_000 }))),
    ] {
        file.write(&policy(&shop, transactions));
        assert!(watched.reload().await.is_err(), "{what}");
        assert!(watched.verifier().policy_error().is_some(), "{what}");
        assert_eq!(with(&app, "/", &shop.caller(), &new).await.status(), 200, "{what}");
    }
    file.write(&policy(&shop, service(&shop.service)));
    assert_eq!(watched.reload().await, Ok(true));
    assert_eq!(with(&app, "/", &shop.caller(), &old).await.status(), 200);
    assert!(send(&app, shop.caller().on(request("/"))).await.status() == 200);
}

#[tokio::test]
async fn a_policy_without_a_service_has_no_verifier_of_its_tokens_until_the_next_start() {
    let shop = Shop::new();
    let file = File::new("without");
    file.write(&policy(&shop, None));
    let watched = watched(&file, &shop, &shop.issuer);
    assert!(watched.transactions().is_none());
    file.write(&policy(&shop, Some(json!({ "trust_domain": DOMAIN, "issuer": shop.service.name() }))));
    assert_eq!(watched.reload().await, Ok(true));
    assert!(watched.transactions().is_none());
}

#[tokio::test]
async fn s4_21_health_knows_the_keys_of_transaction_tokens() {
    let shop = Shop::new();
    let provider = Provider::start(&TestIssuer::with_system_clock()).await.expect("a free port");
    let verifier = shop.issuer.verifier_for("stock");
    let policy = json!({ "issuers": [{ "issuer": shop.issuer.name(), "audience": "stock" }],
        "transactions": { "trust_domain": DOMAIN, "issuer": provider.url() } });
    let policy = Policy::from_json(&policy.to_string()).expect("a policy");
    let transactions = countersign::verify::TransactionVerifier::builder_for(&policy, countersign::keys::from_config);
    let transactions = transactions.expect("a service").build().expect("a verifier");
    let health = Health::new(&verifier).transactions(&transactions);
    assert!(Health::new(&verifier).is_ready() && !health.is_ready(), "its keys were not fetched yet");
    let names = |health: &Health| health.report().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(&health), [shop.issuer.name(), DOMAIN]);
    health.ready_within(std::time::Duration::from_secs(30)).await.expect("ready");
    assert!(health.is_ready());
    assert_eq!(health.stats().into_iter().find(|(name, _)| name == DOMAIN).map(|(_, stats)| stats.fetched), Some(1));
}
