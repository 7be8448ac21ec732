use axum::{Router, routing::get};
use countersign::app::{Protected, protect};
use countersign::prelude::*;

async fn list(claims: Claims) -> String {
    format!("orders of {}", claims.subject())
}

fn app() -> Result<Protected, countersign::error::ConfigError> {
    let verifier = Verifier::new(oidc("https://id.example.com").audience("orders"))?;
    let router = Router::new().route("/orders", get(list)).route("/health", get(|| async { "ok" }));
    Ok(protect(router, AuthenticateLayer::builder(verifier).public(["/health"]).build()?))
}

#[tokio::main]
async fn main() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    axum::serve(listener, app().expect("a good policy")).await.expect("served");
}
