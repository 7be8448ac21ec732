//! An MCP server whose tools require different scopes, with an issuer and two clients of the crate `rmcp`.
//!
//! With `serve` as argument it only serves, until it is stopped, and prints what other clients need.

mod server;

use countersign_issuer::{Audience, Client, Issuer, SecretHash};
use rmcp::model::{CallToolRequestParams, ClientConfig, Implementation, ProtocolVersion};
use rmcp::serve_client_with_lifecycle;
use rmcp::service::{ClientLifecycleMode, RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use tokio::net::TcpListener;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (listener, url) = listen().await?;
    let address = format!("{url}/mcp");

    // The token service. Clients ask for tokens for the address of the MCP server (RFC 8707).
    let (issuer_listener, issuer_url) = listen().await?;
    let (reader_secret, reader) = SecretHash::generate()?;
    let (editor_secret, editor) = SecretHash::generate()?;
    let client = |name: &str, secret, scopes: &[&str]| {
        Client::new(name).secret(secret).audiences([address.as_str()]).scopes(scopes.iter().copied())
    };
    let issuer = Issuer::builder(&issuer_url)
        .add_audience(Audience::new(&address).scopes(["orders:read", "orders:write"]))
        .add_client(client("reader", reader, &["orders:read"]))
        .add_client(client("editor", editor, &["orders:read", "orders:write"]))
        .build()?;
    tokio::spawn(async move { axum::serve(issuer_listener, issuer.router()).await });

    let app = server::app(&address, &issuer_url)?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    if std::env::args().nth(1).as_deref() == Some("serve") {
        println!("MCP server    {address}\nissuer        {issuer_url}");
        println!("client reader {}", reader_secret.expose());
        println!("client editor {}", editor_secret.expose());
        return Ok(tokio::signal::ctrl_c().await?);
    }

    let metadata = reqwest::get(format!("{url}/.well-known/oauth-protected-resource/mcp")).await?;
    println!("metadata without a token: {}\n{}", metadata.status(), metadata.text().await?);
    let unknown = reqwest::Client::new().post(&address).send().await?;
    let challenge = unknown.headers().get("www-authenticate").and_then(|line| line.to_str().ok()).unwrap_or_default();
    println!("a call without a token: {}\n{challenge}", unknown.status());
    check(unknown.status() == 401 && challenge.contains("resource_metadata="), "the challenge tells where to look")?;

    let reader_token = token(&issuer_url, &address, ("reader", reader_secret.expose()), "orders:read").await?;
    let editor_token =
        token(&issuer_url, &address, ("editor", editor_secret.expose()), "orders:read orders:write").await?;
    for version in [ProtocolVersion::V_2026_07_28, ProtocolVersion::V_2025_11_25] {
        println!("\nprotocol version {version}");
        let reader = connect(&address, &reader_token, &version).await?;
        check(call(&reader, "list_shops").await == "Bristol, Leeds", "any token will do")?;
        check(call(&reader, "list_orders").await == "order 17 of reader", "the tool knows its caller")?;
        check(call(&reader, "delete_order").await.contains("orders:write"), "the answer names the missing scope")?;
        let editor = connect(&address, &editor_token, &version).await?;
        check(call(&editor, "delete_order").await == "order 17 is deleted", "both scopes suffice")?;
        reader.cancel().await?;
        editor.cancel().await?;
    }
    Ok(())
}

/// A client with a token for this server.
async fn connect(
    address: &str,
    token: &str,
    version: &ProtocolVersion,
) -> Result<RunningService<RoleClient, ClientConfig>, Failure> {
    let config = StreamableHttpClientTransportConfig::with_uri(address).auth_header(token);
    let transport = StreamableHttpClientTransport::from_config(config);
    let lifecycle = match version.has_initialize() {
        true => ClientLifecycleMode::Initialize,
        false => ClientLifecycleMode::Discover { preferred_versions: vec![version.clone()] },
    };
    let mut client = ClientConfig::new(Default::default(), Implementation::new("example", "1"));
    client.protocol_version = version.clone();
    Ok(serve_client_with_lifecycle(client, transport, lifecycle).await?)
}

/// A token for `resource` by client credentials. The client library of rmcp fetches tokens too, but only from issuers with an
/// endpoint for logins.
async fn token(issuer: &str, resource: &str, client: (&str, &str), scope: &str) -> Result<String, Failure> {
    let form = [("grant_type", "client_credentials"), ("resource", resource), ("scope", scope)];
    let request =
        reqwest::Client::new().post(format!("{issuer}/token")).basic_auth(client.0, Some(client.1)).form(&form);
    let answer: Value = request.send().await?.error_for_status()?.json().await?;
    Ok(answer["access_token"].as_str().ok_or("no token")?.to_owned())
}

/// The text of the result, or of the error.
async fn call(client: &RunningService<RoleClient, ClientConfig>, tool: &'static str) -> String {
    let arguments = json!({ "number": 17 }).as_object().cloned().unwrap_or_default();
    match client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await {
        Ok(result) => {
            let texts = result.content.iter().filter_map(|part| part.as_text()).map(|text| text.text.as_str());
            let answer: String = texts.collect();
            println!("  {tool}: {answer}");
            answer
        }
        Err(error) => {
            println!("  {tool}: refused");
            format!("{error:?}")
        }
    }
}

async fn listen() -> Result<(TcpListener, String), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

fn check(holds: bool, what: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(format!("check failed: {what}").into()) }
}
