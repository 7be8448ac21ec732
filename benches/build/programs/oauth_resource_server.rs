use std::sync::Arc;

use axum::{Router, routing::get};
use oauth_resource_server::axum::AuthLayer;
use oauth_resource_server::{KeyNaming, OAuthConfig, OAuthValidator};

#[tokio::main]
async fn main() {
    let config = OAuthConfig {
        enabled: true,
        issuer: "https://id.example.com".into(),
        audience: "orders".into(),
        resource: "https://api.example.com/".into(),
        required_scope: Some("orders:read".into()),
        ..OAuthConfig::default()
    };
    let config = config.resolve(KeyNaming::Dotted("oauth")).expect("a good configuration").expect("it is enabled");
    let validator = Arc::new(OAuthValidator::new(&config).expect("a validator"));
    let layer = AuthLayer::builder().oauth(validator).build().expect("a layer");
    let router = Router::new().route("/orders", get(|| async { "orders" })).route_layer(layer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    axum::serve(listener, router).await.expect("served");
}
