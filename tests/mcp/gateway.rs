//! A server of another SDK behind the gateway, set up by the words of the guide.

use std::process::Command;

use axum::Router;
use countersign_gateway::{ForwardAuth, Gateway, GatewayConfig, TrustedPeers};
use countersign_tests::guide::Guide;
use countersign_tests::http::Service;
use countersign_tests::parts::Part;
use countersign_tests::peers::{Running, node, python_mcp};
use countersign_tests::proxy::Proxy;
use serde_json::json;
use tokio::net::TcpListener;

use crate::foreign::{LoginServer, asked, client, results, revisions, statuses};

/// The edge with its gateway, and the address that clients call.
struct Edge {
    _gateway: Service,
    proxy: Proxy,
    url: String,
}

async fn edge(login: &LoginServer, server: &Running) -> Edge {
    let guide = Guide::read("mcp-clients");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let gateway = format!("127.0.0.1:{}", listener.local_addr().expect("bound").port());
    let behind = format!("127.0.0.1:{}", server.ready["port"]);
    let issuer = login.text("/issuer");
    let placed = |text: &str, port: u16| {
        let text = text.replace("https://mcp.example.com", &format!("http://127.0.0.1:{port}"));
        let text = text.replace("https://id.example.com", issuer).replace(":8080", &format!(":{port}"));
        text.replace("127.0.0.1:9001", &gateway).replace("127.0.0.1:9002", &behind)
    };
    let set_up = |folder: &std::path::Path, port| {
        let path = folder.join("Caddyfile");
        std::fs::write(&path, placed(guide.file("mcp.Caddyfile"), port)).expect("a file");
        vec!["run".into(), "--adapter".into(), "caddyfile".into(), "--config".into(), path.display().to_string()]
    };
    let proxy = Proxy::start(Part::Caddy, set_up).await;
    let config =
        GatewayConfig::from_toml(&placed(guide.file("mcp-gateway.toml"), proxy.port)).expect("a configuration");
    let (verifier, policy) = config.verifier().expect("a verifier");
    let layer = config.layer(&verifier, &policy).expect("a layer");
    let rules = Gateway::new(config.rules(layer, &policy).expect("rules"));
    let checks = ForwardAuth::new(rules, config.edge).trusted_peers(TrustedPeers::loopback());
    let url = format!("http://127.0.0.1:{}/mcp", proxy.port);
    Edge { _gateway: Service::on_with_peers(listener, Router::new().fallback_service(checks)), proxy, url }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(has_node, has_caddy)), ignore = "needs Node.js and Caddy: tests/peers/install")]
async fn s12_01_s12_02_s12_03_a_server_of_the_typescript_sdk_is_guarded_by_the_gateway() {
    guarded(node("mcp_server.mjs"), &["2025-06-18", "2025-11-25"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(all(has_node, has_python_mcp, has_caddy)),
    ignore = "needs Node.js, Python and Caddy: tests/peers/install"
)]
async fn s12_01_s12_02_s12_03_a_server_of_the_python_sdk_is_guarded_by_the_gateway() {
    guarded(python_mcp("mcp_server.py"), revisions()).await;
}

/// Puts a server with the tools of `peers/mcp_server.mjs` behind the gateway, and calls it as clients of these revisions do.
async fn guarded(server: Command, revisions: &[&str]) {
    let login = LoginServer::start(&[]);
    let server = Running::start(server);
    let edge = edge(&login, &server).await;
    let metadata = format!("http://127.0.0.1:{}/.well-known/oauth-protected-resource/mcp", edge.proxy.port);
    let answer = edge.proxy.request("POST /mcp", &["Content-Length: 0"]).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    let expected = [format!("resource_metadata=\"{metadata}\""), "scope=\"orders:read\"".to_owned()];
    assert!(expected.iter().all(|part| answer.challenge().contains(part)), "{answer:?}");
    let document = edge.proxy.request("GET /.well-known/oauth-protected-resource/mcp", &[]).await;
    assert_eq!((document.status, &document.json()["resource"]), (200, &json!(edge.url)));

    for revision in revisions {
        let mut user = login.user("mia");
        user["client"] = json!(login.text("/clients/app"));
        let found = client(&edge.url, revision, ("user", user), &["whoami", "list_orders"]).await;
        let whoami = json!({ "subject": "mia", "has_token": false }).to_string();
        assert_eq!(found["revision"], *revision, "{found}");
        assert_eq!(found["tools"], json!(["delete_order", "list_orders", "whoami"]), "{found}");
        let who: serde_json::Value = serde_json::from_str(results(&found)[0]).expect("JSON");
        assert_eq!(
            (who.to_string(), results(&found)[1], asked(&found)),
            (whoami, "order 1", vec!["orders:read".to_owned()]),
            "{found}"
        );
        assert_eq!(statuses(&found)[0], 401, "{found}");
    }

    // Without the scope: 403 with a challenge that names it.
    let agent = |scope: &str| {
        let (id, secret) = (login.text("/clients/agent/id"), login.text("/clients/agent/secret"));
        json!({ "id": id, "secret": secret, "issuer": login.text("/issuer"), "scope": scope })
    };
    let found = client(&edge.url, "2025-11-25", ("agent", agent("orders:write")), &["whoami"]).await;
    let refused = found["answers"].as_array().expect("a list").iter().find(|answer| answer["status"] == 403);
    let challenge = refused.and_then(|answer| answer["challenge"].as_str()).expect("a challenge");
    assert!(challenge.contains("insufficient_scope") && challenge.contains("orders:read"), "{found}");
    assert!(results(&found).is_empty(), "{found}");
}
