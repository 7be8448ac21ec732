use axum::{Router, routing::get};
use huskarl_axum::layers::ValidatorLayer;
use huskarl_axum::resource_server::core::server_metadata::AuthorizationServerMetadata;
use huskarl_axum::resource_server::validator::rfc9068::Rfc9068Validator;
use huskarl_reqwest::ReqwestClient;
use huskarl_reqwest::mtls::NoMtls;

#[tokio::main]
async fn main() {
    let client = ReqwestClient::builder().mtls(NoMtls).build().await.expect("a client");
    let metadata = AuthorizationServerMetadata::fetch().http_client(&client).issuer("https://id.example.com").call();
    let metadata = metadata.await.expect("discovery");
    let validator = Rfc9068Validator::builder_from_metadata(&metadata).audience("orders").jwks_source(client);
    let layer = ValidatorLayer::builder().validator(validator.build().await.expect("a validator")).build();
    let router = Router::new().route("/orders", get(|| async { "orders" })).layer(layer.authenticated());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    axum::serve(listener, router).await.expect("served");
}
