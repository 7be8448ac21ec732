//! Discovery documents, JWKS addresses, and what must be refused in them.

use std::sync::Arc;
use std::time::Duration;

use countersign::key::KeySource;
use countersign::keys::RemoteKeys;
use countersign::policy::{NeedsAudience, Policy};
use countersign::verify::Verifier;
use countersign_test::TestIssuer;
use serde_json::json;

use crate::server::{Server, answer, ok};
use crate::world::{World, until};

const OPENID: &str = "/.well-known/openid-configuration";

async fn discovered() -> World {
    let world = World::of(Server::start(|_, _| answer(404, &[], "")).await, |url| RemoteKeys::from_issuer(url));
    document(&world, json!({"issuer": world.server.url, "jwks_uri": format!("{}/keys", world.server.url)}));
    world
}

/// Serves this document and the issuer's keys at `/keys`.
fn document(world: &World, document: serde_json::Value) {
    let issuer = world.issuer.clone();
    world.server.now(move |_, path| match path {
        OPENID => ok(document.to_string()),
        "/keys" => ok(issuer.jwks()),
        _ => answer(404, &[], ""),
    });
}

fn asked_for(world: &World, path: &str) -> usize {
    world.server.heads().iter().filter(|head| head.starts_with(&format!("get {path} "))).count()
}

#[tokio::test]
async fn s4_01_both_locations_of_the_document_are_tried() {
    let world = discovered().await;
    assert_eq!(world.verdict(&world.token()).await, "ok");
    assert_eq!((asked_for(&world, OPENID), asked_for(&world, "/keys")), (1, 1));
    drop(world);

    let world = discovered().await;
    let (issuer, url) = (world.issuer.clone(), world.server.url.clone());
    world.server.now(move |_, path| match path {
        "/.well-known/oauth-authorization-server" => {
            ok(json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string())
        }
        "/keys" => ok(issuer.jwks()),
        _ => answer(404, &[], ""),
    });
    assert_eq!(world.verdict(&world.token()).await, "ok");
}

/// CVE-2026-48522: a document that named `file:` or `data:` was followed.
#[tokio::test]
async fn s4_02_s4_03_an_untrustworthy_document_is_not_followed() {
    for change in [
        |url: &str, keys: &str| json!({"issuer": format!("{url}/"), "jwks_uri": keys}),
        |_: &str, keys: &str| json!({"issuer": "https://other.example", "jwks_uri": keys}),
        |_: &str, keys: &str| json!({"jwks_uri": keys}),
        |url: &str, _: &str| json!({"issuer": url}),
        |url: &str, _: &str| json!({"issuer": url, "jwks_uri": "http://keys.example/keys"}),
        |url: &str, _: &str| json!({"issuer": url, "jwks_uri": "file:///etc/passwd"}),
        |url: &str, _: &str| json!({"issuer": url, "jwks_uri": "ftp://127.0.0.1/keys"}),
        |url: &str, _: &str| json!({"issuer": url, "jwks_uri": "data:application/json,{}"}),
        |url: &str, _: &str| json!({"issuer": url, "jwks_uri": ["x"]}),
    ] {
        let world = discovered().await;
        let keys = format!("{}/keys", world.server.url);
        let changed = change(&world.server.url, &keys);
        document(&world, changed.clone());
        let token = world.token();
        assert_eq!(world.verdict(&token).await, "keys_unavailable", "cold: {changed}");
        assert_eq!(asked_for(&world, "/keys"), 0, "{changed}");

        document(&world, json!({"issuer": world.server.url, "jwks_uri": keys})); // the valid counterpart
        world.advance(Duration::from_secs(2)).await;
        until("the keys are there", || world.health().is_ready()).await;
        assert_eq!(world.verdict(&token).await, "ok", "{changed}");

        document(&world, changed.clone());
        let before = asked_for(&world, "/keys");
        world.advance(Duration::from_secs(3600 + 500)).await; // past the next reading of the document
        until("it was read", || asked_for(&world, OPENID) >= 3).await;
        let served = asked_for(&world, "/keys") - before;
        assert!(served <= 8, "the known address was used until then: {served}");
        assert_eq!(world.verdict(&token).await, "ok", "warm, last good keys: {changed}");
        assert!(matches!(world.health(), countersign::key::KeyHealth::Degraded { .. }), "{changed}");
    }
}

/// The exemption for plain http holds between an issuer and an endpoint that are both on loopback.
#[tokio::test]
async fn s4_03_the_document_of_an_issuer_elsewhere_leads_to_no_loopback_address() {
    let has_proxy =
        ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"].map(std::env::var_os).iter().any(Option::is_some);
    if has_proxy {
        return; // it would be used for the issuer's address
    }
    let world = discovered().await;
    let port = world.server.url.rsplit(':').next().expect("a port").to_owned();
    let elsewhere = format!("http://0.0.0.0:{port}"); // this machine, by an address that is not loopback
    for (keys, is_refused) in [
        (format!("http://127.0.0.1:{port}/keys"), true),
        (format!("http://localhost:{port}/keys"), true),
        (format!("http://127.1:{port}/keys"), true),
        (format!("{elsewhere}/keys"), false),
    ] {
        document(&world, json!({"issuer": elsewhere, "jwks_uri": keys}));
        let before = asked_for(&world, "/keys");
        let source = RemoteKeys::from_issuer(&elsewhere).danger_allow_plain_http();
        let trusted = NeedsAudience::new(&elsewhere, Arc::new(source)).audience("orders");
        let trusted = countersign::policy::danger::plain_http_issuer(trusted);
        let verifier = Verifier::builder().trust(trusted).clock(Arc::new(world.issuer.clock().clone()));
        let verifier = verifier.build().expect("explicitly allowed");
        let token = world.issuer.clone().with_name(&elsewhere).token().audience("orders").sign();
        let error = verifier.verify(&token).await.err();
        assert_eq!(error.is_some_and(|error| error.is_unavailable()), is_refused, "{keys}");
        assert_eq!(asked_for(&world, "/keys") - before, usize::from(!is_refused), "{keys}");
    }
}

#[tokio::test]
async fn the_keys_may_move_and_the_document_may_be_down() {
    let world = discovered().await;
    assert_eq!(world.verdict(&world.token()).await, "ok");
    let (issuer, url) = (world.issuer.clone(), world.server.url.clone());
    issuer.rotate();
    world.server.now(move |_, path| match path {
        OPENID => ok(json!({"issuer": url, "jwks_uri": format!("{url}/moved")}).to_string()),
        "/moved" => ok(issuer.jwks()),
        _ => answer(404, &[], ""),
    });
    world.advance(Duration::from_secs(11)).await;
    assert_eq!(world.verdict(&world.token()).await, "keys_unavailable", "the old address fails");
    world.advance(Duration::from_secs(11)).await;
    assert_eq!(world.verdict(&world.token()).await, "ok", "the next fetch reads the document again");

    let issuer = world.issuer.clone();
    world.server.now(move |_, path| if path == "/moved" { ok(issuer.jwks()) } else { answer(503, &[], "") });
    world.advance(Duration::from_secs(2 * 3600)).await;
    assert_eq!(world.verdict(&world.token()).await, "ok");
    assert_eq!(world.health(), countersign::key::KeyHealth::Ready, "the known address still works");
}

/// CVE-2026-50202: keys of one issuer verified tokens of another.
#[tokio::test]
async fn s4_22_keys_verify_only_tokens_of_their_own_issuer() {
    let (one, other) = (Server::start(|_, _| ok("{}")).await, Server::start(|_, _| ok("{}")).await);
    let issuers = [&one, &other].map(|server| TestIssuer::new().with_name(&server.url));
    for (server, issuer) in [&one, &other].into_iter().zip(issuers.clone()) {
        server.now(move |_, _| ok(issuer.jwks()));
    }
    let clock = Arc::new(issuers[0].clock().clone());
    let trusted = |server: &Server| {
        let keys = RemoteKeys::from_url(format!("{}/jwks", server.url));
        NeedsAudience::new(&server.url, Arc::new(keys) as Arc<dyn KeySource>).audience("orders")
    };
    let verifier =
        Verifier::builder().trust(trusted(&one)).trust(trusted(&other)).clock(clock.clone()).build().expect("good");
    // Both keys have the same kid: each verifies only tokens of its own issuer.
    assert_eq!(issuers[0].key_id(), issuers[1].key_id());
    for issuer in &issuers {
        assert!(verifier.verify(&issuer.token().audience("orders").sign()).await.is_ok());
    }
    let crossed = issuers[0].clone().with_name(&other.url).token().audience("orders").sign();
    assert_eq!(verifier.verify(&crossed).await.expect_err("crossed").code(), "bad_signature");
}

#[test]
fn s4_01_s4_03_bad_addresses_are_refused_when_built() {
    let bad =
        ["http://id.example", "https://id.example?x=1", "https://id.example#f", "https://u:p@id.example", "id", ""];
    for issuer in bad {
        let trusted = countersign::issuers::oidc(issuer).audience("orders");
        assert!(Verifier::new(trusted).is_err(), "{issuer}");
        let trusted = countersign::issuers::jwks("https://id.example", issuer).audience("orders");
        let built = Verifier::new(trusted);
        assert!(built.is_err() || issuer.contains('?'), "a JWKS address may have a query: {issuer}");
    }
    assert!(Verifier::new(countersign::issuers::oidc("https://id.example").audience("orders")).is_ok());
    assert!(Verifier::new(countersign::issuers::oidc("http://127.0.0.1:1").audience("orders")).is_ok());
}

/// Keycloak under its service name, and on loopback or by a public name with its keys at the service name.
#[test]
fn s4_03_plain_http_of_a_policy_reaches_its_fetched_keys() {
    const KEYS: &str = "http://keycloak:8080/realms/shop/protocol/openid-connect/certs";
    let issuers = [
        ("http://keycloak:8080/realms/shop", None),
        ("http://localhost:8080/realms/shop", Some(KEYS)),
        ("https://id.shop.test", Some(KEYS)),
    ];
    for (issuer, jwks_url) in issuers {
        let toml = |plain: bool| {
            let keys = jwks_url.map(|url| format!("keys = {{ jwks_url = \"{url}\" }}\n")).unwrap_or_default();
            let plain = if plain { "danger_plain_http = true\n" } else { "" };
            Policy::from_toml(&format!("[[issuers]]\nissuer = \"{issuer}\"\naudience = \"orders\"\n{keys}{plain}"))
        };
        let environment = |plain: bool| {
            let mut vars = vec![("AUTH_ISSUER", issuer.to_owned()), ("AUTH_AUDIENCE", "orders".to_owned())];
            vars.extend(jwks_url.map(|url| ("AUTH_KEYS", json!({ "jwks_url": url }).to_string())));
            vars.extend(plain.then(|| ("AUTH_DANGER_PLAIN_HTTP", "true".to_owned())));
            Policy::from_vars("AUTH_", vars)
        };
        for [strict, plain] in [[toml(false), toml(true)], [environment(false), environment(true)]] {
            let builder = |policy: &Policy| Verifier::builder().policy(policy, countersign::keys::from_config);
            let refused = builder(&strict.expect("a policy")).build().expect_err("plain http").to_string();
            assert!(refused.contains("danger_plain_http"), "{refused}");
            let plain = plain.expect("a policy");
            assert!(builder(&plain).build().is_ok(), "{issuer}");
            let denied = builder(&plain).deny_danger().build().expect_err("a danger");
            assert!(denied.faults().iter().all(|fault| fault.field == "danger"), "{denied}");
        }
    }
}

/// Tokens name the issuer as clients see it; its keys come from an address inside the network.
#[tokio::test]
async fn s4_03_an_issuer_with_a_public_name_has_its_keys_at_an_internal_address() {
    let issuer = TestIssuer::new().with_name("https://id.shop.test");
    let served = issuer.clone();
    let server = Server::start(move |_, _| ok(served.jwks())).await;
    let address = format!("{}/certs", server.url);
    let toml = format!(
        "[[issuers]]\nissuer = \"https://id.shop.test\"\naudience = \"orders\"\nkeys = {{ jwks_url = \"{address}\" }}\n"
    );
    let policy = Policy::from_toml(&toml).expect("a policy");
    let builders = [
        Verifier::builder().trust(countersign::issuers::jwks("https://id.shop.test", &address).audience("orders")),
        Verifier::builder().policy(&policy, countersign::keys::from_config),
    ];
    for builder in builders {
        let verifier = builder.clock(Arc::new(issuer.clock().clone())).build().expect("good");
        assert!(verifier.verify(&issuer.token().audience("orders").sign()).await.is_ok());
        let internal = issuer.clone().with_name(&server.url).token().audience("orders").sign();
        assert_eq!(verifier.verify(&internal).await.expect_err("its address is no name").code(), "unknown_issuer");
    }
}

#[tokio::test]
async fn s4_03_plain_http_off_loopback_needs_a_switch_that_deny_danger_forbids() {
    let world = World::honest().await;
    let port = world.server.url.rsplit(':').next().expect("a port").to_owned();
    let address = format!("http://0.0.0.0:{port}/jwks"); // this machine, by an address that is not loopback
    let clock = Arc::new(world.issuer.clock().clone());
    let keys = || RemoteKeys::from_url(&address);
    let builder = |keys: RemoteKeys| {
        let trusted = NeedsAudience::new(&world.server.url, Arc::new(keys)).audience("orders");
        Verifier::builder().trust(trusted).clock(clock.clone())
    };
    assert!(builder(keys()).build().is_err());
    let error = builder(keys().danger_allow_plain_http()).deny_danger().build().expect_err("forbidden");
    assert_eq!(error.faults()[0].field, "danger");
    let verifier = builder(keys().danger_allow_plain_http()).build().expect("explicitly allowed");
    let has_proxy =
        ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"].map(std::env::var_os).iter().any(Option::is_some);
    if !has_proxy {
        assert!(verifier.verify(&world.token()).await.is_ok()); // a proxy would be used for such an address
    }
    let by_discovery = RemoteKeys::from_issuer("http://id.internal").danger_allow_plain_http();
    let trusted = NeedsAudience::new("http://id.internal", Arc::new(by_discovery)).audience("orders");
    let trusted = countersign::policy::danger::plain_http_issuer(trusted);
    assert!(Verifier::builder().trust(trusted).build().is_ok());
}
