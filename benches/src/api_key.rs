//! A layer that takes API keys.

use std::time::Duration;

use countersign::authenticate::AuthenticateLayer;
use countersign_apikey::{ApiKeys, MemoryKeyStore, NewApiKey, Pepper};
use countersign_core::verify::Verifier;
use tower_layer::Layer as _;
use tower_service::Service as _;

use crate::sample::AUDIENCE;
use crate::services::{Bare, request};

/// Nothing is read again meanwhile.
const LASTING: Duration = Duration::from_secs(600);

/// A layer with so many keys, and the texts of the last `known` of them, which are in memory. It reads its store on the
/// caller's runtime.
///
/// # Panics
/// If a key is refused.
pub async fn layer(keys: usize, known: usize) -> (AuthenticateLayer, Vec<String>) {
    let pepper = Pepper::random().expect("a pepper");
    let settings = ApiKeys::builder("https://shop.example.com/api-keys", MemoryKeyStore::new(), pepper);
    let store = settings.refresh_every(LASTING).max_age(LASTING).build().expect("keys");
    let mut texts = Vec::new();
    for client in 0..keys {
        let new = NewApiKey::new(format!("client-{client}"), AUDIENCE).scopes(["orders:read"]);
        texts.push(store.create(new).await.expect("a key").text().expose().clone());
    }
    let texts = texts.split_off(keys - known);
    let verifier = Verifier::new(store.issuer(AUDIENCE)).expect("a verifier");
    let layer = AuthenticateLayer::builder(verifier).api_keys(store).build().expect("a layer");
    for key in &texts {
        let Ok(response) = layer.layer(Bare).call(request(key)).await;
        assert!(response.status().is_success(), "{}", response.status());
    }
    (layer, texts)
}
