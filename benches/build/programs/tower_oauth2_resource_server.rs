use axum::{Extension, Router, routing::get};
use serde::Deserialize;
use tower_oauth2_resource_server::server::OAuth2ResourceServer;
use tower_oauth2_resource_server::tenant::TenantConfiguration;

#[derive(Clone, Deserialize)]
struct User {
    sub: String,
}

async fn list(Extension(user): Extension<User>) -> String {
    format!("orders of {}", user.sub)
}

#[tokio::main]
async fn main() {
    let tenant = TenantConfiguration::builder("https://id.example.com").audiences(&["orders"]).build();
    let tenant = tenant.await.expect("a tenant");
    let server = OAuth2ResourceServer::<User>::builder().add_tenant(tenant).build().await.expect("a server");
    let router = Router::new().route("/orders", get(list)).layer(server.into_layer());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    axum::serve(listener, router).await.expect("served");
}
