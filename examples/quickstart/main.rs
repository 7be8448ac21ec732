//! One service with one guard, which calls itself and prints each request and its response.

use axum::{Router, routing::get};
use countersign::error::ConfigError;
use countersign::prelude::*;
use countersign_test::TestIssuer;

async fn list(claims: Claims) -> String {
    format!("orders of {}", claims.subject())
}

fn app(verifier: Verifier) -> Result<Router, ConfigError> {
    Ok(Router::new()
        .route("/orders", get(list).layer(require(scope("orders:read"))))
        .route("/health", get(|| async { "ok" }))
        .layer(AuthenticateLayer::builder(verifier).public(["/health"]).build()?)) // last: every other route requires a token
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // In production: Verifier::new(oidc("https://id.example.com").audience("orders"))?
    let issuer = TestIssuer::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let app = app(issuer.verifier_for("orders"))?;
    tokio::spawn(async move { axum::serve(listener, app).await });

    let ann = issuer.token().subject("ann").audience("orders");
    let calls = [
        ("no token, public path", "/health", None, 200),
        ("no token", "/orders", None, 401),
        ("a token with the scope", "/orders", Some(ann.clone().scope("orders:read").sign()), 200),
        ("a token without the scope", "/orders", Some(ann.clone().sign()), 403),
        ("an expired token", "/orders", Some(ann.scope("orders:read").expired().sign()), 401),
    ];
    for (what, path, token, expected) in calls {
        let mut request = reqwest::Client::new().get(format!("{url}{path}"));
        if let Some(token) = &token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        println!("GET {path} with {what}: {status} {}", response.text().await?);
        if status != expected {
            return Err(format!("{what}: expected {expected}").into());
        }
    }
    Ok(())
}
