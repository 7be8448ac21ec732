//! Clients of the Model Context Protocol that log in at Keycloak, set up as `docs/guides/mcp-clients.md` says.

use countersign::issuers::Preset;
use serde_json::json;

use super::keycloak;
use super::server::Keycloak;
use crate::guide::Guide;
use crate::mcp::{asked, client, results, revisions, serve};

/// Does what the guide says, for the server at `url`.
async fn set_up(server: &Keycloak, url: &str) {
    let place = "https://mcp.example.com/mcp";
    let placed = |file: &str| file.replace(place, url);
    assert_eq!(server.create(&Guide::read("mcp-clients"), placed).await, 6);
    server.add_manager("tools").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(has_keycloak, has_node)), ignore = "needs Keycloak and Node.js: tests/peers/install")]
async fn s12_01_s12_02_s12_03_s12_04_clients_log_in_at_keycloak_and_grant_more_when_a_tool_needs_it() {
    let server = keycloak().await;
    let issuer = server.issuer("tools");
    let (_service, url) = serve(|url| Preset::KEYCLOAK_REALM.issuer(&issuer).audience(url)).await;
    set_up(&server, &url).await;
    for revision in revisions() {
        let user = json!({
            "name": "ann", "password": "ann", "redirect": "http://127.0.0.1:9/callback", "client": "mcp-app",
        });
        let found = client(&url, revision, ("user", user), &["whoami", "delete_order", "close_shop"]).await;
        let results = results(&found);
        assert_eq!((&found["revision"], results[1], results[2]), (&json!(revision), "deleted", "closed"), "{found}");
        assert_eq!(asked(&found)[0], "orders:read", "{found}");
        assert!(asked(&found)[1].contains("orders:write"), "{found}");

        let agent =
            |scope: &str| json!({ "id": "agent", "secret": "replace-me-agent", "issuer": issuer, "scope": scope });
        let found = client(&url, revision, ("agent", agent("orders:read")), &["whoami", "close_shop"]).await;
        assert!(found["calls"][0]["text"].is_string() && found["calls"][1]["error"].is_string(), "{found}");
    }
    // A token without a scope of the server names another audience.
    let other = server.token_of(
        "tools",
        &[("grant_type", "client_credentials"), ("client_id", "agent"), ("client_secret", "replace-me-agent")],
    );
    let found = client(&url, "2025-11-25", ("token", json!(other.await)), &["whoami"]).await;
    assert_eq!(found["answers"][0]["status"], 401, "{found}");
}
