//! npm's oauth4webapi follows `resource_metadata` from a refusal to the provider, and comes back with a token.

use axum::Router;
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::policy::danger::plain_http_issuer;
use countersign::prelude::*;
use countersign::response::ResourceMetadata;
use countersign_tests::http::Service;
use countersign_tests::peers::{self, OpenIdProvider};
use serde_json::json;
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
async fn s5_03_s5_04_s5_14_s5_15_an_oauth_library_follows_the_challenge_to_a_token() {
    let script = peers::node("challenge_oauth4webapi.mjs");
    let provider = OpenIdProvider::start("ES256,RS256");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let resource = format!("http://{}/", listener.local_addr().expect("bound"));

    let trusted = plain_http_issuer(oidc(provider.issuer()).audience(&*resource));
    let metadata = ResourceMetadata::new(&*resource).expect("an address").scopes(["orders:read", "orders:write"]);
    let layer = AuthenticateLayer::builder(Verifier::new(trusted).expect("a policy")).resource_metadata(metadata);
    let layer = layer.build().expect("a layer");
    let who = |claims: Claims| async move { claims.subject().to_owned() };
    let app = Router::new()
        .route("/orders", get(who).layer(require(scope("orders:read"))))
        .route("/orders/write", get(who).layer(require(scope("orders:write"))))
        .layer(layer);
    let service = Service::on(listener, app);

    let given = json!({
        "url": service.url(), "client_id": "svc-basic", "client_secret": provider.client_secret(),
    });
    let seen = tokio::task::spawn_blocking(move || peers::answer(script, &given)).await.expect("it ran");
    let document = format!("{}.well-known/oauth-protected-resource", resource);
    assert_eq!(seen["resource"]["resource"], *resource);
    assert_eq!(seen["resource"]["authorization_servers"], json!([provider.issuer()]));
    let [refused, denied] = seen["challenges"].as_array().expect("challenges").as_slice() else {
        panic!("two challenges: {seen}")
    };
    assert_eq!((&refused["status"], &refused["scheme"]), (&json!(401), &json!("bearer")));
    assert_eq!((&refused["error"], &refused["realm"]), (&json!("invalid_token"), &json!("api")));
    assert_eq!(refused["resource_metadata"], *document);
    assert_eq!((&denied["status"], &denied["error"]), (&json!(403), &json!("insufficient_scope")));
    assert_eq!(denied["scope"], "orders:write", "the client asked for just that and came back");
    assert_eq!(seen["read"], json!({"status": 200, "body": "svc-basic"}));
    assert_eq!(seen["written"], json!({"status": 200, "body": "svc-basic"}));
}
