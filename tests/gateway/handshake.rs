//! WebSocket handshakes with a token in a cookie, which a browser also sends for pages of other sites (S5.23). Traefik does not
//! tell the upgrade.

use countersign::authenticate::CookieToken;
use countersign::policy::Policy;
use countersign::prelude::*;
use countersign_gateway::{Edge, Gateway};

use crate::backend::values;
use crate::each::{on_each_edge, running};
use crate::world::World;

async fn another_site_opens_no_websocket(edge: Edge) {
    let world = World::new().await;
    let verifier = world.provider.issuer().verifier_for("orders");
    let layer = AuthenticateLayer::builder(verifier).cookie(CookieToken::new("__Host-token")).build();
    let rules = world.config.rules(layer.expect("a layer"), &Policy::default());
    let edge = running(edge, Gateway::new(rules.expect("rules"))).await;
    let token = world.provider.issuer().token().subject("ann").audience("orders").scope("orders:read").sign();
    let cookie = format!("Cookie: __Host-token={token}");
    let headers =
        |more: &[&str]| more.iter().map(|line| (*line).to_owned()).chain([cookie.clone()]).collect::<Vec<_>>();
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let handshake = |origin: &str, site: &str| {
        headers(&[
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            key,
            &format!("Origin: {origin}"),
            &format!("Sec-Fetch-Site: {site}"),
        ])
    };

    let plain = edge.request("GET", "/orders", &headers(&["Origin: https://evil.test"])).await;
    assert_eq!((plain.status, edge.backend.seen().len()), (200, 1), "a GET changes nothing: {plain:?}");
    let own = edge.raw("GET /orders", "Upgrade", &handshake("https://shop.example.com", "same-origin")).await;
    assert_eq!((own.status, edge.backend.seen().len()), (101, 1), "{own:?}");
    for site in ["cross-site", "same-site"] {
        for connection in ["Upgrade", "keep-alive, Upgrade", "upgrade, Sec-WebSocket-Key, Sec-WebSocket-Version"] {
            let other = edge.raw("GET /orders", connection, &handshake("https://evil.test", site)).await;
            let seen = edge.backend.seen();
            // No browser sends the last one. Without the key there is no handshake (RFC 6455 §4.2.1).
            let is_open = seen.iter().any(|head| !values(head, "sec-websocket-key").is_empty());
            assert!(!is_open, "{connection}: {other:?} {seen:?}");
            if connection == "Upgrade" {
                assert_eq!((other.status, seen.len()), (403, 0), "{other:?} {seen:?}");
            }
        }
    }
}

on_each_edge!(another_site_opens_no_websocket);
