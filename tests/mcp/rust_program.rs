//! The `auth` client of rmcp as a program of its own (client credentials), at the embedded issuer.

use countersign::prelude::*;
use countersign::secret::Secret;
use countersign_issuer::{Audience, Client, Issuer};
use countersign_tests::http::Service;
use rmcp::model::ProtocolVersion;
use rmcp::transport::auth::{
    AuthClient, AuthError, AuthorizationManager, AuthorizationMetadata, ClientCredentialsConfig, OAuthState,
};
use serde_json::{Value, json};

use crate::foreign::serve;
use crate::rust_login::{call, connect};

const SECRET: &str = "quaint-heron-lifts-49";

/// The MCP server, its issuer, and the addresses of both.
async fn servers() -> ((Service, String), (Service, String)) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let name = format!("http://{}", listener.local_addr().expect("an address"));
    let mut router = None;
    let server = serve(|url| {
        let program = Client::new("report").secret(Secret::from(SECRET)).audiences([url]);
        let issuer = Issuer::builder(&name)
            .add_audience(Audience::new(url).scopes(["orders:read", "orders:write"]))
            .add_client(program.scopes(["orders:read"]))
            .build()
            .expect("a sound configuration");
        router = Some(issuer.router());
        oidc(&name).audience(url)
    })
    .await;
    (server, (Service::on(listener, router.expect("built")), name))
}

fn program(url: &str, secret: &str) -> ClientCredentialsConfig {
    ClientCredentialsConfig::ClientSecret {
        client_id: "report".to_owned(),
        client_secret: secret.to_owned(),
        scopes: vec!["orders:read".to_owned()],
        resource: Some(url.to_owned()),
    }
}

#[tokio::test]
async fn s12_01_a_rust_program_gets_its_token_from_the_embedded_issuer() {
    let ((_server, url), (_issuer, name)) = servers().await;

    // rmcp reads no metadata without `authorization_endpoint`, which RFC 8414 requires only for grants that use it. If this begins
    // to work, the guide's workaround can go.
    let mut state = OAuthState::new(&url, None).await.expect("a state");
    let found = state.authenticate_client_credentials(program(&url, SECRET)).await;
    assert!(found.is_err(), "discovery reads the metadata of the issuer");

    let metadata = reqwest::get(format!("{name}/.well-known/oauth-authorization-server")).await.expect("an answer");
    let mut metadata: Value = metadata.json().await.expect("a document");
    assert!(metadata.get("authorization_endpoint").is_none(), "the issuer has none");
    metadata["authorization_endpoint"] = json!("https://unused.invalid/authorize");
    let metadata: AuthorizationMetadata = serde_json::from_value(metadata).expect("metadata");
    let right = program(&url, SECRET);
    for version in [ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28] {
        let mut manager = AuthorizationManager::new(&url).await.expect("a manager");
        manager.set_metadata(metadata.clone());
        manager.validate_client_credentials_metadata(&right).expect("the way of authentication is supported");
        manager.configure_client_credentials(&right).expect("configured");
        manager.exchange_client_credentials(&right).await.expect("a token");
        let client = connect(&url, AuthClient::new(reqwest::Client::new(), manager), &version).await;
        assert_eq!(call(&client, "whoami").await.as_deref(), Ok("report"), "{version}");
        assert!(call(&client, "delete_order").await.is_err(), "{version}");
        client.cancel().await.expect("an end");
    }

    let mut manager = AuthorizationManager::new(&url).await.expect("a manager");
    manager.set_metadata(metadata);
    let wrong = program(&url, "another");
    manager.configure_client_credentials(&wrong).expect("configured");
    let refused = manager.exchange_client_credentials(&wrong).await.map(drop);
    assert!(matches!(refused, Err(AuthError::ClientCredentialsError(_))), "{refused:?}");
}
