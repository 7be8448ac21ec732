use axum::{Router, routing::get};
use axum_oidc_layer::{AuthenticationConfigProvider, Claims, OidcAuthenticationLayer};

#[derive(Clone)]
struct Config;

impl AuthenticationConfigProvider for Config {
    fn get_provider_url(&self) -> String {
        "https://id.example.com".into()
    }

    fn get_openid_configuration_url(&self) -> Option<String> {
        None
    }

    fn get_expected_audience(&self) -> Option<Vec<String>> {
        Some(vec!["orders".into()])
    }
}

async fn list(claims: Claims) -> String {
    format!("orders of {}", claims.sub)
}

#[tokio::main]
async fn main() {
    let layer = OidcAuthenticationLayer::<Config, Claims>::new(Config);
    let router = Router::new().route("/orders", get(list)).layer(layer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    axum::serve(listener, router).await.expect("served");
}
