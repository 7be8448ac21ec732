//! rmcp's own client, with its feature `auth`.

use countersign_tests::http::Service;
use countersign_tests::peers::{answer, node};
use rmcp::model::{CallToolRequestParams, ClientConfig, Implementation, ProtocolVersion};
use rmcp::serve_client_with_lifecycle;
use rmcp::service::{ClientLifecycleMode, RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{AuthClient, AuthorizationCallback, AuthorizationRequest, OAuthState};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::json;

use crate::foreign::{LoginServer, serve};

/// Logs in at this address, and returns the address that the browser is sent to.
async fn browse(login: &LoginServer, url: String, name: &str) -> AuthorizationCallback {
    let input = json!({ "url": url, "user": login.user(name) });
    let returned = tokio::task::spawn_blocking(move || answer(node("mcp_browser.mjs"), &input)).await.expect("ran");
    AuthorizationCallback::from_redirect_url(returned["returned"].as_str().expect("an address")).expect("a code")
}

pub type Client = RunningService<RoleClient, ClientConfig>;

pub async fn connect(url: &str, http: AuthClient<reqwest::Client>, version: &ProtocolVersion) -> Client {
    let transport =
        StreamableHttpClientTransport::with_client(http, StreamableHttpClientTransportConfig::with_uri(url));
    let lifecycle = match version.has_initialize() {
        true => ClientLifecycleMode::Initialize,
        false => ClientLifecycleMode::Discover { preferred_versions: vec![version.clone()] },
    };
    let mut client = ClientConfig::new(Default::default(), Implementation::new("test", "1"));
    client.protocol_version = version.clone();
    serve_client_with_lifecycle(client, transport, lifecycle).await.expect("connects")
}

/// The text of the result, or the error.
pub async fn call(client: &Client, tool: &'static str) -> Result<String, String> {
    let answer = client.call_tool(CallToolRequestParams::new(tool)).await.map_err(|error| format!("{error:?}"))?;
    Ok(answer.content.iter().filter_map(|part| part.as_text()).map(|text| text.text.clone()).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
async fn s12_01_s12_02_s12_04_the_rust_client_logs_in_and_grants_more_when_a_tool_needs_it() {
    let login = LoginServer::start(&[]);
    let (service, url) = serve(|url| login.trusted(url)).await;
    for version in [ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28] {
        let mut state = OAuthState::new(&url, None).await.expect("a state");
        let request = AuthorizationRequest::new(login.text("/redirect"))
            .with_preregistered_client(login.text("/clients/app"))
            .with_initial_scope_selection()
            .with_challenge(challenge(&service).await);
        state.start_authorization(request).await.expect("discovery");
        let address = state.get_authorization_url().await.expect("an address");
        assert!(address.contains("scope=orders%3Aread") && !address.contains("write"), "{address}");
        let returned = browse(&login, address, "mia").await;
        let issuer = returned.issuer.as_deref();
        state.handle_callback_with_issuer(&returned.code, &returned.csrf_token, issuer).await.expect("a token");

        let manager = state.into_authorization_manager().expect("a manager");
        let http = AuthClient::new(reqwest::Client::new(), manager);
        let client = connect(&url, http.clone(), &version).await;
        assert_eq!(call(&client, "whoami").await.as_deref(), Ok("mia"));
        assert_eq!(call(&client, "close_shop").await.as_deref(), Ok("closed"));
        let refused = call(&client, "delete_order").await.expect_err("a scope is missing");
        assert!(refused.contains("orders:write orders:read"), "it names all scopes: {refused}");

        let manager = http.auth_manager.lock().await;
        let address = manager.request_scope_upgrade("orders:read orders:write").await.expect("an address");
        let returned = browse(&login, address, "mia").await;
        let issuer = returned.issuer.as_deref();
        let token = manager.exchange_code_for_token_with_issuer(&returned.code, &returned.csrf_token, issuer).await;
        token.expect("a token");
        drop(manager);
        // A session is its caller's, whatever the token: subject and client are the same.
        assert_eq!(call(&client, "delete_order").await.as_deref(), Ok("deleted"), "{version}");
        client.cancel().await.expect("an end");
    }
}

/// The challenge to a request without a token.
async fn challenge(service: &Service) -> String {
    service.request("POST /mcp", &["Content-Length: 0"]).await.challenge().to_owned()
}
