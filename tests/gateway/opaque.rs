//! Swaps behind each edge, of every kind of credential: the service sees the new token, and never the client's own (S9.05).

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::{Form, State};
use axum::routing::post;
use axum::{Json, Router};
use countersign::policy::Policy;
use countersign_gateway::{Edge, Gateway, GatewayConfig};
use countersign_test::TestIssuer;
use countersign_tests::http::Service;
use serde_json::{Value, json};

use crate::backend::values;
use crate::each::{on_each_edge, running_as};
use crate::world::{World, guide};

/// The lifetime of a new token.
const LIFETIME: Duration = Duration::from_secs(60);

/// A token service that exchanges every token for one of ann. Its client is the gateway, which has verified the token.
pub async fn token_service(issuer: TestIssuer) -> Service {
    let exchange = async |State(issuer): State<TestIssuer>, Form(form): Form<HashMap<String, String>>| -> Json<Value> {
        assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:token-exchange");
        assert!(form["subject_token"].starts_with("opaque_") || form["subject_token"].starts_with("eyJ"));
        let draft = issuer.token().subject("ann").audience("orders-behind").scope("orders:read").lifetime(LIFETIME);
        let token = draft.claim("act", json!({ "sub": "gateway" })).sign();
        Json(json!({
            "access_token": token, "token_type": "Bearer", "expires_in": LIFETIME.as_secs(),
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        }))
    };
    Service::start(Router::new().route("/token", post(exchange)).with_state(issuer)).await
}

/// The table of a swap on all routes.
pub fn swap_of_all_routes(service: &Service) -> String {
    let port = service.url().rsplit(':').next().expect("a port").to_owned();
    let secret = std::env::temp_dir().join(format!("cs-gateway-opaque-{}-{port}", std::process::id()));
    std::fs::write(&secret, "a-secret-of-the-gateway").expect("a file");
    format!(
        "[[swap]]\nprefix = \"/\"\n[swap.token]\norigin = \"https://orders.internal\"\nissuer = \"https://sts.test\"\n\
         token_endpoint = \"{}/token\"\nclient = \"gateway\"\nsecret_file = {secret:?}\naudience = \"orders-behind\"\n\
         scope = \"orders:read\"\n",
        service.url()
    )
}

/// A gateway of the guide's routes, which swaps on all of them.
fn gateway(world: &World, service: &Service) -> Gateway {
    let swap = swap_of_all_routes(service);
    let config = GatewayConfig::from_toml(&format!("{}\n{swap}", guide().file("gateway.toml"))).expect("settings");
    let layer = world.layer_builder().keep_caller_token().build().expect("a layer");
    Gateway::new(config.rules(layer, &Policy::default()).expect("rules"))
}

/// The files of the guide with the changes that its section about swaps tells.
pub fn with_swap(name: &str, text: String) -> String {
    let (old, new) = match name {
        "nginx.conf" => {
            let line = "proxy_set_header X-Caller $caller;";
            return text.replace(line, &format!("{line}\n{}", guide().file("swap.conf")));
        }
        "Caddyfile" => ("copy_headers X-Caller", "copy_headers X-Caller Authorization DPoP"),
        "countersign.lua" => ("local SET = { \"x-caller\"", "local SET = { \"authorization\", \"dpop\", \"x-caller\""),
        "routes.yaml" => ("authResponseHeaders: [X-Caller", "authResponseHeaders: [Authorization, DPoP, X-Caller"),
        "envoy_http.yaml" => (
            "allowed_upstream_headers: { patterns: [{ exact: x-caller }",
            "allowed_upstream_headers: { patterns: [{ exact: authorization }, { exact: dpop }, { exact: x-caller }",
        ),
        _ => return text,
    };
    assert!(text.contains(old), "{name}");
    text.replace(old, new)
}

async fn the_service_sees_only_the_new_token(edge: Edge) {
    let world = World::new().await;
    let inner = TestIssuer::with_system_clock().with_name("https://sts.test");
    let service = token_service(inner.clone()).await;
    let edge = running_as(edge, gateway(&world, &service), with_swap).await;
    for (name, headers) in world.credentials("GET", "/orders").await {
        let expected = match name {
            "an API key" | "bound, with its proof" => 403, // cannot be exchanged, and is bound to a key of the client
            "two" => 400,
            _ => world.decides("GET", "/orders", &headers).await,
        };
        let headers = if name == "bound, with its proof" {
            world.credentials("GET", "/orders").await.into_iter().find(|(other, _)| *other == name).expect("one").1
        } else {
            headers
        };
        let answer = edge.request("GET", "/orders", &headers).await;
        let seen = edge.backend.seen();
        let context = format!("{name}: {answer:?} {seen:?}");
        assert_eq!((answer.status, seen.len()), (expected, usize::from(expected == 200)), "{context}");
        for head in &seen {
            let [authorization] = values(head, "authorization")[..] else { panic!("{context}") };
            let token = authorization.strip_prefix("Bearer ").expect("a bearer token");
            let verified = inner.verifier_for("orders-behind").verify(token).await.expect("of the token service");
            assert_eq!((verified.subject(), verified.actor()), ("ann", Some("gateway")), "{context}");
            assert_eq!(values(head, "x-caller"), ["ann"], "{context}");
            assert!(headers.iter().all(|header| !head.contains(secret_of(header))), "{context}");
        }
    }
    let proof = "DPoP: e30.e30.AA".to_owned();
    let mut public = 0;
    for (name, headers) in world.credentials("GET", "/health").await {
        edge.request("GET", "/health", &[&headers[..], std::slice::from_ref(&proof)].concat()).await;
        for head in edge.backend.seen() {
            public += 1;
            let are_left = !values(&head, "authorization").is_empty() || !values(&head, "dpop").is_empty();
            assert!(!are_left, "{name}, on a public route: {head:?}");
        }
    }
    assert!(public > 0, "the public route is open");
}

/// The part of a header that must not pass on.
fn secret_of(header: &str) -> &str {
    header.rsplit(' ').next().expect("a value")
}

on_each_edge!(the_service_sees_only_the_new_token);
