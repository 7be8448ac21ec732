//! Swaps of a token in a cookie, and an API key in a header of its own, behind each edge (S9.05): neither passes.

use countersign::authenticate::CookieToken;
use countersign::policy::Policy;
use countersign::prelude::*;
use countersign_apikey::{ApiKeys, MemoryKeyStore, NewApiKey, Pepper};
use countersign_core::secret::Secret;
use countersign_gateway::{Edge, Gateway, GatewayConfig};
use countersign_test::TestIssuer;

use crate::backend::values;
use crate::each::{on_each_edge, running_as};
use crate::opaque::{swap_of_all_routes, token_service, with_swap};
use crate::world::{World, guide};

/// The issuer to which the test kit assigns the names of its tokens.
const ASSIGNED: &str = "https://issuer.test";

/// The files of the guide for swaps, with the cookie and the header of API keys too.
fn with_all_credentials(name: &str, text: String) -> String {
    let text = with_swap(name, text);
    let (old, new) = match name {
        "nginx.conf" => {
            let line = "proxy_set_header DPoP $dpop;";
            let more = ["cookie Cookie", "x_api_key X-Api-Key"].map(|pair| {
                let (variable, header) = pair.split_once(' ').expect("two");
                format!(
                    "auth_request_set ${variable} $upstream_http_{variable}; proxy_set_header {header} ${variable};"
                )
            });
            return text.replace(line, &format!("{line}\n{}", more.join("\n")));
        }
        "Caddyfile" => ("Authorization DPoP", "Authorization DPoP Cookie X-Api-Key"),
        "routes.yaml" => ("[Authorization, DPoP,", "[Authorization, DPoP, Cookie, X-Api-Key,"),
        _ => return text,
    };
    assert!(text.contains(old), "{name}");
    text.replace(old, new)
}

async fn no_credential_in_other_headers_passes(edge: Edge) {
    let world = World::new().await;
    let service = token_service(TestIssuer::with_system_clock().with_name("https://sts.test")).await;
    let pepper = Pepper::new(&Secret::new(vec![7; 32])).expect("a pepper");
    let keys = ApiKeys::builder("https://shop.test/api-keys", MemoryKeyStore::new(), pepper).prefix("shop");
    let keys = keys.header("x-api-key").build().expect("keys");
    let key = keys.create(NewApiKey::new("reports", "orders").scopes(["orders:read"])).await.expect("a key");
    let issuer = world.provider.issuer();
    let verifier = Verifier::builder()
        .trust(issuer.trusted_for("orders"))
        .trust(keys.issuer("orders").map_authorities(|keys| keys.names_of(ASSIGNED).tenants_of(ASSIGNED)))
        .build()
        .expect("a verifier");
    let layer = AuthenticateLayer::builder(verifier).keep_caller_token().api_keys(keys);
    let layer = layer.cookie(CookieToken::new("__Host-token")).build().expect("a layer");
    // The parts of the layer are those of the test. These tables tell the gateway which headers have credentials.
    let more = "[cookie]\nname = \"__Host-token\"\n[api_keys]\nauthority = \"https://shop.test/api-keys\"\n\
                file = \"keys.json\"\npepper_file = \"pepper\"\nheader = \"x-api-key\"\n";
    let text = format!("{}\n{more}\n{}", guide().file("gateway.toml"), swap_of_all_routes(&service));
    let config = GatewayConfig::from_toml(&text).expect("settings");
    let gateway = Gateway::new(config.rules(layer, &Policy::default()).expect("rules"));
    let edge = running_as(edge, gateway, with_all_credentials).await;

    let token = issuer.token().subject("ann").audience("orders").scope("orders:read").sign();
    let cookie = format!("Cookie: theme=dark; __Host-token={token}");
    let key = key.text().expose().clone();
    let header = format!("X-Api-Key: {key}");
    let swapped = edge.request("GET", "/orders", std::slice::from_ref(&cookie)).await;
    let seen = edge.backend.seen();
    let [head] = &seen[..] else { panic!("{swapped:?}") };
    assert!(swapped.status == 200 && values(head, "authorization").len() == 1, "{head}");
    assert_eq!((values(head, "x-caller"), values(head, "cookie")), (vec!["ann"], vec![]), "{head}");
    let refused = edge.request("GET", "/orders", std::slice::from_ref(&header)).await;
    assert_eq!((refused.status, edge.backend.seen().len()), (403, 0), "a key is not exchanged: {refused:?}");
    for sent in [&cookie, &header] {
        let public = edge.request("GET", "/health", std::slice::from_ref(sent)).await;
        let seen = edge.backend.seen();
        assert_eq!((public.status, seen.len()), (200, 1), "{public:?}");
        assert!(!seen[0].contains(&token) && !seen[0].contains(&key), "{}", seen[0]);
    }
}

on_each_edge!(no_credential_in_other_headers_passes);
