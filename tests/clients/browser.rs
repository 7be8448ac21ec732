//! A page in headless Chromium calls protected routes of another origin, sees statuses and challenges, and acts.

use std::time::Duration;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::header;
use axum::response::Html;
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::lifetime::TokenEnd;
use countersign::prelude::*;
use countersign::response::ResourceMetadata;
use countersign_test::TestIssuer;
use countersign_tests::http::Service;
use countersign_tests::peers;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_http::cors::CorsLayer;

/// Says who is there, and closes when the token ends.
async fn serve(mut socket: WebSocket, claims: Claims, end: TokenEnd) {
    let _ = socket.send(Message::Text(claims.subject().into())).await;
    let is_short =
        claims.expires_at().saturating_since(claims.verified().issued_at().unwrap_or_default()).as_secs() < 60;
    let (code, reason) = if is_short {
        end.reached().await;
        (1008, "the token ended")
    } else {
        (1000, "that was all")
    };
    let _ = socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
}

async fn seen_by_the_page() -> (Value, String, String) {
    let script = peers::node("challenge_browser.mjs");
    let chromium = peers::chromium();
    let page =
        Service::start(Router::new().route("/", get(|| async { Html("<!doctype html><title>shop</title>") }))).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let resource = format!("http://{}/", listener.local_addr().expect("bound"));

    let issuer = TestIssuer::with_system_clock();
    let metadata = ResourceMetadata::new(&*resource).expect("an address").scopes(["read"]);
    let layer = AuthenticateLayer::builder(issuer.verifier_for("api")).resource_metadata(metadata).websocket_protocol();
    let layer = layer.build().expect("a layer");
    // As it is written down for users: CORS stands outside, and need not name what it exposes.
    let cors =
        CorsLayer::new().allow_origin([page.url().parse().expect("an origin")]).allow_headers([header::AUTHORIZATION]);
    let socket = |upgrade: WebSocketUpgrade, claims: Claims, end: TokenEnd| async move {
        upgrade.protocols(["chat.v1"]).on_upgrade(|socket| serve(socket, claims, end))
    };
    let shared = Router::new()
        .route("/orders", get(|claims: Claims| async move { format!("orders of {}", claims.subject()) }))
        .route("/admin", get(|| async { "in" }).layer(require(scope("admin"))))
        .route("/socket", get(socket))
        .layer(layer.clone())
        .layer(cors);
    let hidden = Router::new().route("/not-shared", get(|| async { "in" })).route_layer(layer);
    let api = Service::on(listener, hidden.merge(shared));

    let draft = || issuer.token().subject("ann").audience("api").scope("read");
    let given = json!({
        "chromium": chromium, "page": page.url(), "api": api.url(),
        "token": draft().sign(), "ending": draft().lifetime(Duration::from_secs(1)).sign(),
    });
    let seen = tokio::task::spawn_blocking(move || peers::answer(script, &given)).await.expect("it ran");
    (seen, resource, issuer.name().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(has_node, has_chromium)), ignore = "needs Node.js and Chromium: tests/peers/install")]
async fn s5_19_s5_21_a_page_of_another_origin_sees_status_and_challenge() {
    let (seen, resource, issuer) = seen_by_the_page().await;
    let document = format!("resource_metadata=\"{resource}.well-known/oauth-protected-resource\"");
    assert_eq!(seen["bare"]["status"], 401);
    assert_eq!(seen["bare"]["challenge"], format!("Bearer realm=\"api\", {document}"));
    assert!(seen["bare"]["body"].as_str().is_some_and(|body| body.contains("no_token")), "{seen}");
    assert_eq!(seen["metadata"]["authorization_servers"], json!([issuer]), "where the page is to go");
    assert_eq!((&seen["passed"]["status"], &seen["passed"]["body"]), (&json!(200), &json!("orders of ann")));
    let challenge = |of: &str| seen[of]["challenge"].as_str().unwrap_or_default().to_owned();
    assert_eq!(seen["bad"]["status"], 401);
    assert!(challenge("bad").contains("error=\"invalid_token\""), "{seen}");
    assert_eq!(seen["denied"]["status"], 403);
    assert!(challenge("denied").contains("scope=\"admin\""), "{seen}");
    assert_eq!(seen["hidden"], json!({"error": "TypeError"}), "without CORS the page sees nothing");
    assert_eq!(seen["socket"], json!({"code": 1000, "protocol": "chat.v1", "messages": ["ann"]}));
    assert_eq!(seen["ended"]["code"], 1008, "{seen}");
    assert_eq!(seen["ended"]["protocol"], "chat.v1", "the token was not chosen");
    assert_eq!(seen["refused"], json!({"code": 1006, "protocol": "", "messages": []}), "no handshake without a token");
}
