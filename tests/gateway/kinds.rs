//! API keys and cookies in the configuration, and answers of the layer that are no permission.

use axum::Router;
use axum::http::{HeaderMap, Method};
use countersign::app::RouteTable;
use countersign::prelude::*;
use countersign::response::ResourceMetadata;
use countersign_apikey::{ApiKeys, FileKeyStore, NewApiKey, Pepper};
use countersign_gateway::{
    ClientRequest, Edge, EdgeDecision, ForeignHeaders, ForwardAuth, Gateway, ReservedHeaders, Rules, WatchedGateway,
};
use countersign_test::TestIssuer;
use countersign_tests::http::Service;
use tower_http::cors::CorsLayer;

use crate::world::guide;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s13_09_a_configured_gateway_takes_api_keys_and_cookies() {
    let issuer = TestIssuer::with_system_clock();
    let folder = std::env::temp_dir().join(format!("cs-gateway-kinds-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let authority = "https://shop.test/api-keys";
    let policy = format!(
        "[[issuers]]\nissuer = {:?}\naudience = \"orders\"\nkeys = {{ inline = '{}' }}\n\
         [[issuers]]\nissuer = {authority:?}\naudience = \"orders\"\nkeys = \"api_keys\"\n",
        issuer.name(),
        issuer.jwks()
    );
    std::fs::write(folder.join("policy.toml"), policy).expect("a file");
    std::fs::write(folder.join("pepper"), Pepper::generate().expect("randomness").expose()).expect("a file");
    let more = format!(
        "[api_keys]\nauthority = {authority:?}\nfile = \"keys.json\"\npepper_file = \"pepper\"\nprefix = \"shop\"\n\
         header = \"x-api-key\"\n[cookie]\nname = \"__Host-token\"\n"
    );
    let path = folder.join("gateway.toml");
    std::fs::write(&path, format!("{}\n{more}", guide().file("gateway.toml"))).expect("a file");
    let keys = ApiKeys::builder(authority, FileKeyStore::new(folder.join("keys.json")), {
        Pepper::from_file(folder.join("pepper")).expect("a pepper")
    });
    let keys = keys.prefix("shop").header("x-api-key").build().expect("keys");
    let key = keys.create(NewApiKey::new("reports", "orders").scopes(["orders:read"])).await.expect("a key");
    let watched = WatchedGateway::from_file(&path).expect("a gateway");
    let asks = async |name: &'static str, value: String| {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().expect("a value"));
        let request = ClientRequest::new(Method::GET, "shop.example.com", "/orders", headers);
        match watched.gateway().decide(request, ForeignHeaders::Refuse).await {
            EdgeDecision::Allowed(changes) => Ok(changes.set["x-caller"].to_str().expect("text").to_owned()),
            EdgeDecision::Refused(response) => Err(response.status().as_u16()),
            _ => panic!("a decision of a new kind"),
        }
    };
    let token = issuer.token().subject("ann").audience("orders").scope("orders:read").sign();
    assert_eq!(asks("x-api-key", key.text().expose().clone()).await, Ok("reports".to_owned()));
    assert_eq!(asks("x-api-key", "shop_0000000000000000_abc".to_owned()).await, Err(401));
    assert_eq!(asks("cookie", format!("__Host-token={token}")).await, Ok("ann".to_owned()));
    assert_eq!(asks("cookie", "__Host-token=e30.e30.AA".to_owned()).await, Err(401));
    assert_eq!(asks("authorization", format!("Bearer {token}")).await, Ok("ann".to_owned()));
    std::fs::remove_dir_all(&folder).expect("removed");
}

/// A document of the layer is 200, and no permission: edges over HTTP would take it for one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s5_23_an_answer_of_the_layer_itself_lets_nobody_in() {
    let issuer = TestIssuer::with_system_clock();
    let metadata = ResourceMetadata::new("https://shop.example.com").expect("an address");
    let layer = AuthenticateLayer::builder(issuer.verifier_for("orders")).resource_metadata(metadata);
    let layer = layer.preflights(CorsLayer::very_permissive()).build().expect("a layer");
    let table = RouteTable::from_json(r#"[{ "method": "ANY", "path": "/orders", "access": "authenticated" }]"#);
    let headers = ReservedHeaders::new().build().expect("names");
    let rules = Rules::new(&table.expect("a table"), layer, headers).expect("rules");
    let checks = ForwardAuth::new(Gateway::new(rules.clone()), Edge::Nginx);
    let service = Service::with_peers(Router::new().fallback_service(checks)).await;
    let asks = async |method: &str, target: &str, more: &[&str]| {
        let uri = format!("X-Countersign-Uri: {target}");
        service.request(&format!("GET /check/{method}{target}"), &[&[uri.as_str()], more].concat()).await
    };
    let document = "/.well-known/oauth-protected-resource";
    let preflight = ["Origin: https://evil.test", "Access-Control-Request-Method: DELETE"];
    for (method, target, more) in
        [("GET", document, &[][..]), ("OPTIONS", "/orders", &preflight), ("OPTIONS", "/x", &preflight)]
    {
        let mut sent = HeaderMap::new();
        for (name, value) in more.iter().filter_map(|line| line.split_once(": ")) {
            sent.insert(axum::http::HeaderName::from_bytes(name.as_bytes()).expect(name), value.parse().expect(value));
        }
        let request = ClientRequest::new(method.parse().expect(method), "shop.example.com", target, sent);
        let EdgeDecision::Refused(own) = rules.decide(request, ForeignHeaders::Remove).await else {
            panic!("{target}")
        };
        assert_eq!(own.status(), 200, "{method} {target}: the layer's own answer");
        assert_eq!(asks(method, target, more).await.status, 403, "{method} {target}");
    }
    let token = issuer.token().audience("orders").sign();
    assert_eq!(asks("GET", "/orders", &[&format!("Authorization: Bearer {token}")]).await.status, 200);
}
