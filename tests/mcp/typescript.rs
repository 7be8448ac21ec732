//! Clients and login servers that nobody here wrote: they find each other by the challenge and the metadata of our server, and calls
//! get the scopes that they need.

use serde_json::json;

use crate::foreign::{LoginServer, asked, client, results, revisions, serve, statuses};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
async fn s12_01_s12_02_s12_04_a_user_logs_in_and_grants_more_when_a_tool_needs_it() {
    let login = LoginServer::start(&[]);
    let (_service, url) = serve(|url| login.trusted(url)).await;
    for revision in revisions() {
        let mut user = login.user("mia");
        match *revision {
            "2026-07-28" => user["document"] = json!(login.text("/clients/document")),
            _ => user["client"] = json!(login.text("/clients/app")),
        }
        let found = client(&url, revision, ("user", user), &["whoami", "delete_order", "close_shop"]).await;
        assert_eq!(found["revision"], *revision, "{found}");
        assert_eq!(found["tools"], json!(["close_shop", "delete_order", "whoami"]), "{found}");
        assert_eq!(results(&found), ["mia", "deleted", "closed"], "{found}");
        assert_eq!(asked(&found), ["orders:read", "orders:read orders:write"], "only what is needed: {found}");
        let grants = found["grants"].as_array().expect("a list");
        assert!(grants.len() == 2 && grants.iter().all(|grant| grant["resource"] == url), "{found}");
        assert_eq!(statuses(&found)[0], 401, "{found}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
async fn s12_04_a_role_is_refused_and_nobody_is_asked_for_scopes() {
    let login = LoginServer::start(&[]);
    let (_service, url) = serve(|url| login.trusted(url)).await;
    for revision in revisions() {
        // A client that registers itself.
        let found = client(&url, revision, ("user", login.user("ann")), &["whoami", "close_shop"]).await;
        let results = results(&found);
        assert_eq!(results[0], "ann", "{found}");
        assert!(results[1] != "closed" && asked(&found) == ["orders:read"], "{found}");
        assert!(!found.to_string().contains("insufficient_scope"), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
async fn s12_02_s12_03_a_program_gets_tokens_by_its_credentials_and_a_token_for_a_sibling_is_refused() {
    let login = LoginServer::start(&[]);
    let (_service, url) = serve(|url| login.trusted(url)).await;
    let other = LoginServer::start(&[("INDICATORS", "no")]); // its tokens are for https://other.test
    let (_other_service, other_url) = serve(|url| other.trusted(url)).await;
    for revision in revisions() {
        let agent = |login: &LoginServer| {
            let (id, secret, issuer) = ("/clients/agent/id", "/clients/agent/secret", "/issuer");
            json!({ "id": login.text(id), "secret": login.text(secret), "issuer": login.text(issuer), "scope": "orders:read" })
        };
        let found = client(&url, revision, ("agent", agent(&login)), &["whoami"]).await;
        assert_eq!(results(&found), ["agent"], "{found}");
        assert_eq!(found["grants"][0]["resource"], url, "{found}");

        let found = client(&other_url, revision, ("agent", agent(&other)), &["whoami"]).await;
        assert!(results(&found).is_empty() && found["error"].is_string(), "{found}");
        assert_eq!(statuses(&found), [401, 401], "without a token, and with one for another server: {found}");
    }
}
