use axum::{Router, routing::get};
use jwt_authorizer::{Authorizer, IntoLayer, JwtAuthorizer, JwtClaims, Validation};
use serde::Deserialize;

#[derive(Clone, Deserialize)]
struct User {
    sub: String,
}

async fn list(JwtClaims(user): JwtClaims<User>) -> String {
    format!("orders of {}", user.sub)
}

#[tokio::main]
async fn main() {
    let rules = Validation::new().iss(&["https://id.example.com"]).aud(&["orders"]);
    let authorizer: Authorizer<User> =
        JwtAuthorizer::from_oidc("https://id.example.com").validation(rules).build().await.expect("an authorizer");
    let router = Router::new().route("/orders", get(list)).layer(authorizer.into_layer());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    axum::serve(listener, router).await.expect("served");
}
