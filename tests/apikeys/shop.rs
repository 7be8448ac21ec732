//! Services that take keys and tokens.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use countersign::prelude::*;
use countersign_apikey::{ApiKeyStore, ApiKeys, ApiKeysBuilder, CreatedApiKey, MemoryKeyStore, NewApiKey, Pepper};
use countersign_core::secret::Secret;
use countersign_test::{ManualClock, TestIssuer};
use countersign_tests::http::{Answer, Service};

/// The authority of the keys.
pub const AUTHORITY: &str = "https://shop.test/api-keys";

pub fn pepper() -> Pepper {
    Pepper::new(&Secret::new(vec![7; 32])).expect("a pepper")
}

pub fn builder(store: impl ApiKeyStore) -> ApiKeysBuilder {
    ApiKeys::builder(AUTHORITY, store, pepper()).prefix("shop")
}

pub fn in_memory() -> ApiKeys {
    builder(MemoryKeyStore::new()).build().expect("keys")
}

/// A verifier that trusts the keys and an issuer of tokens, whose roles and tenants both name.
pub fn verifier(keys: &ApiKeys, issuer: &TestIssuer) -> Verifier {
    let same = |name: &str| {
        let name = name.to_owned();
        keys.issuer("orders").map_authorities(move |keys| keys.names_of(name.clone()).tenants_of(name))
    };
    let tokens = issuer.trusted_for("orders");
    let verifier = Verifier::builder().trust(tokens).trust(same(issuer.name()));
    verifier.clock(issuer.clock().clone()).build().expect("a verifier")
}

pub fn layer(keys: &ApiKeys, issuer: &TestIssuer) -> AuthenticateLayer {
    AuthenticateLayer::builder(verifier(keys, issuer)).api_keys(keys.clone()).build().expect("a layer")
}

/// Tells who calls.
async fn caller(claims: Claims) -> String {
    let verified = claims.verified();
    let kind = verified.token_kind().name();
    format!("{kind} {} {} {}", claims.issuer(), claims.subject(), verified.client_id().unwrap_or_default())
}

/// A service with the route `/orders`, which needs the scope `orders:read`.
pub async fn service(keys: &ApiKeys, issuer: &TestIssuer) -> Service {
    Service::start(app(keys, issuer)).await
}

pub fn app(keys: &ApiKeys, issuer: &TestIssuer) -> Router {
    Router::new().route("/orders", get(caller).layer(require(scope("orders:read")))).layer(layer(keys, issuer))
}

pub fn wanted() -> NewApiKey {
    NewApiKey::new("reports", "orders").scopes(["orders:read"])
}

pub async fn created(keys: &ApiKeys) -> CreatedApiKey {
    keys.create(wanted()).await.expect("a key")
}

pub async fn got(service: &Service, key: &str) -> Answer {
    service.get("/orders", key).await
}

/// Moves the time of the clock on by as much as makes keys in memory too old.
pub fn later(clock: &ManualClock) {
    clock.advance(Duration::from_secs(6));
}
