use std::sync::Arc;

use axum::{Router, routing::get};
use countersign::app::protect;
use countersign::key::{KeySet, StaticKeys};
use countersign::policy::NeedsAudience;
use countersign::prelude::*;

async fn list(claims: Claims) -> String {
    format!("orders of {}", claims.subject())
}

#[tokio::main]
async fn main() {
    let jwks = std::fs::read("jwks.json").expect("a key set");
    let keys = StaticKeys::from_set(KeySet::from_jwks(&jwks).expect("good keys"));
    let issuer = NeedsAudience::new("https://id.example.com", Arc::new(keys)).audience("orders");
    let verifier = Verifier::new(issuer).expect("a good policy");
    let app = protect(Router::new().route("/orders", get(list)), AuthenticateLayer::new(verifier));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    axum::serve(listener, app).await.expect("served");
}
