//! The swap of every kind of credential for a token that an embedded issuer mints in the gateway's process.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, Method};
use axum::routing::get;
use axum::{Json, Router};
use countersign::authenticate::CookieToken;
use countersign::clock::Clock;
use countersign::introspect::Introspection;
use countersign::policy::{Policy, Profile};
use countersign::prelude::*;
use countersign::proof::Dpop;
use countersign::secret::Secret;
use countersign::verify::VerifierBuilder;
use countersign_apikey::{ApiKeys, MemoryKeyStore, NewApiKey, Pepper};
use countersign_gateway::{
    ClientRequest, EdgeDecision, ForeignHeaders, Gateway, GatewayConfig, RequestChanges, WatchedGateway,
};
use countersign_issuer::{Audience, Client, Issuer, SecretHash};
use countersign_test::{Provider, TestIssuer, TestKey, TokenDraft};
use countersign_tests::http::Service;
use countersign_tests::proxy::HOST;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::world::guide;

/// The scopes of the next service.
const SCOPES: [&str; 3] = ["orders:read", "orders:write", "stock:read"];

/// The authority of the API keys.
const AUTHORITY: &str = "https://shop.test/api-keys";

/// A provider of tokens, an authority of API keys, an embedded issuer, and the next service, which fetches its keys.
struct Shop {
    provider: Provider,
    keys: ApiKeys,
    issuer: Issuer,
    /// Serves only the keys.
    published: Service,
    key: TestKey,
    next: Service,
}

impl Shop {
    async fn new() -> Self {
        let provider = Provider::start(&TestIssuer::with_system_clock()).await.expect("a free port");
        let clock = provider.issuer().clock().clone();
        let pepper = Pepper::new(&Secret::new(vec![7; 32])).expect("a pepper");
        let keys = ApiKeys::builder(AUTHORITY, MemoryKeyStore::new(), pepper).prefix("shop").build().expect("keys");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (_, stored) = SecretHash::generate().expect("a secret");
        let issuer = Issuer::builder(format!("http://{}", listener.local_addr().expect("bound")))
            .add_audience(Audience::new("orders").scopes(SCOPES))
            .add_audience(Audience::new("stock").scopes(SCOPES))
            .add_client(Client::new("batch").secret(stored).audiences(["orders"]).scopes(SCOPES))
            .clock(clock.clone())
            .build()
            .expect("an issuer");
        let published = Service::on(listener, issuer.keys_router());
        let next = Service::start(next(issuer.name())).await;
        let key = TestKey::new(&clock);
        Shop { provider, keys, issuer, published, key, next }
    }

    fn draft(&self) -> TokenDraft {
        self.provider.token().subject("ann").audience("shop").scope("orders:read stock:read shop:admin")
    }

    fn layer(&self) -> AuthenticateLayer {
        self.layer_with(None)
    }

    /// The layer, which trusts a partner too.
    fn layer_with(&self, partner: Option<&TestIssuer>) -> AuthenticateLayer {
        let (keys, issuer) = (&self.keys, self.provider.issuer());
        let name = "https://issuer.test"; // to which the test kit assigns its names
        let of_keys = keys.issuer("shop").map_authorities(move |keys| keys.names_of(name).tenants_of(name));
        let own = issuer.trusted_for("shop");
        let verifier = Verifier::builder().trust(own).trust(of_keys).clock(issuer.clock().clone());
        let of_partner = partner.map(|partner| partner.trusted_for("shop"));
        let verifier = of_partner.into_iter().fold(verifier, VerifierBuilder::trust).build();
        let introspection = Introspection::at_issuer(self.provider.url()).client("gateway", "secret");
        let layer = AuthenticateLayer::builder(verifier.expect("a verifier"))
            .introspection(introspection.token_prefix("opaque_"))
            .api_keys(keys.clone())
            .cookie(CookieToken::new("__Host-token"));
        layer.dpop(Dpop::at(format!("https://{HOST}"))).build().expect("a layer")
    }

    /// A gateway of the guide's routes, with these lines in `[swap.mint]`.
    fn gateway(&self, more: &str) -> Gateway {
        let subjects = format!("{:?} = \"\"\n{AUTHORITY:?} = \"key:\"\n", self.provider.url());
        self.gateway_of(self.layer(), more, &subjects)
    }

    /// The same with this layer and these subjects.
    fn gateway_of(&self, layer: AuthenticateLayer, more: &str, subjects: &str) -> Gateway {
        let mint = format!(
            "[[swap]]\nprefix = \"/orders\"\n[swap.mint]\naudience = \"orders\"\nscopes = [\"orders:read\", \"orders:write\"]\n\
             {more}\n[swap.mint.subjects]\n{subjects}"
        );
        let config = GatewayConfig::from_toml(&format!("{}\n{mint}", guide().file("gateway.toml")));
        let rules = config.expect("a configuration").rules_with(layer, &Policy::default(), &self.issuer);
        Gateway::new(rules.expect("rules"))
    }

    /// The claims that the next service reads of its request, or its status.
    async fn next_reads(&self, changes: &RequestChanges) -> Result<Value, u16> {
        let line = |(name, value): (&HeaderName, &axum::http::HeaderValue)| {
            format!("{name}: {}", value.to_str().expect("text"))
        };
        let headers: Vec<String> = changes.set.iter().map(line).collect();
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let answer = self.next.request("GET /orders", &headers).await;
        if answer.status == 200 { Ok(answer.json()) } else { Err(answer.status) }
    }
}

/// The next service: it trusts the embedded issuer by its name, and proofs for its own address.
fn next(issuer: &str) -> Router {
    let trusted = oidc(issuer).audience("orders").profile(Profile::AccessToken);
    let layer = AuthenticateLayer::builder(Verifier::new(trusted).expect("a verifier"));
    let layer = layer.dpop(Dpop::at("https://orders.internal")).build().expect("a layer");
    let read = |claims: Claims<Map<String, Value>>| async move { Json(Value::Object((*claims).clone())) };
    Router::new().route("/orders", get(read)).layer(layer)
}

/// The changes for `GET /orders`, or the status and code of the refusal.
async fn asks(gateway: &Gateway, headers: &[(&str, &str)]) -> Result<RequestChanges, (u16, String)> {
    let mut all = HeaderMap::new();
    for (name, value) in headers {
        all.append(HeaderName::from_bytes(name.as_bytes()).expect(name), value.parse().expect(name));
    }
    match gateway.decide(ClientRequest::new(Method::GET, HOST, "/orders", all), ForeignHeaders::Remove).await {
        EdgeDecision::Allowed(changes) => Ok(changes),
        EdgeDecision::Refused(response) => {
            let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
            Err((response.status().as_u16(), body["code"].as_str().unwrap_or_default().to_owned()))
        }
        _ => panic!("a decision of a new kind"),
    }
}

async fn asks_as(gateway: &Gateway, token: &str) -> Result<RequestChanges, (u16, String)> {
    asks(gateway, &[("authorization", &format!("Bearer {token}"))]).await
}

fn token_of(changes: &RequestChanges) -> String {
    changes.set["authorization"].to_str().expect("text").split_once(' ').expect("a scheme").1.to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_05_every_kind_of_credential_becomes_a_token_that_the_next_service_verifies() {
    let shop = Shop::new().await;
    let gateway = shop.gateway("");
    let outside = shop.draft().sign();
    let opaque = shop.provider.opaque(&shop.draft());
    let api_key = shop.keys.create(NewApiKey::new("reports", "shop").scopes(["orders:read", "shop:admin"])).await;
    let api_key = api_key.expect("a key").text().expose().clone();
    let provider = shop.provider.url();
    for (kind, header, secret, issuer, subject) in [
        ("signed", ("authorization", format!("Bearer {outside}")), &outside, provider, "ann"),
        ("opaque", ("authorization", format!("Bearer {opaque}")), &opaque, provider, "ann"),
        ("cookie", ("cookie", format!("__Host-token={outside}")), &outside, provider, "ann"),
        ("API key", ("authorization", format!("Bearer {api_key}")), &api_key, AUTHORITY, "reports"),
    ] {
        let changes = asks(&gateway, &[(header.0, &header.1)]).await.expect(kind);
        let claims = shop.next_reads(&changes).await.expect(kind);
        let name = if issuer == AUTHORITY { "key:reports" } else { "ann" };
        assert_eq!((&claims["sub"], &claims["aud"]), (&json!(name), &json!("orders")), "{kind}");
        assert_eq!(claims["sub_id"], json!({ "format": "iss_sub", "iss": issuer, "sub": subject }), "{kind}");
        assert_eq!(claims["act"], json!({ "sub": "gateway", "iss": shop.issuer.name() }), "{kind}");
        assert_eq!((&claims["scope"], &claims["client_id"]), (&json!("orders:read"), &json!("gateway")), "{kind}");
        let seconds = |name: &str| claims[name].as_u64().expect("seconds");
        assert!(seconds("exp") - seconds("iat") <= 120, "{kind}");
        let all = format!("{changes:?}");
        assert!(!token_of(&changes).contains(secret) && !all.contains(secret.as_str()), "{kind}");
        assert!(!all.contains(&token_of(&changes)), "{kind}: no token is in Debug");
        let stock = Verifier::builder().trust(shop.issuer.trusted_for("stock")).clock(shop.issuer.clock().clone());
        let stock = stock.build().expect("a verifier");
        let other = stock.verify(&token_of(&changes)).await.expect_err("S9.07: not of another service");
        assert_eq!(other.code(), "wrong_audience", "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s8_24_a_bound_credential_becomes_a_token_bound_to_the_gateways_key_or_none() {
    let shop = Shop::new().await;
    let outside = shop.draft().bound_to(&shop.key).sign();
    let header = format!("DPoP {outside}");
    let proof = || shop.key.proof("GET", &format!("https://{HOST}/orders"), &outside).sign();
    let refused = asks(&shop.gateway(""), &[("authorization", &header), ("dpop", &proof())]).await.map(drop);
    assert_eq!(refused, Err((403, "bound_credential".to_owned())));

    let gateway = shop.gateway("dpop = true\norigin = \"https://orders.internal\"");
    let changes = asks(&gateway, &[("authorization", &header), ("dpop", &proof())]).await.expect("allowed");
    let claims = shop.next_reads(&changes).await.expect("with the proof of the gateway");
    assert!(claims["cnf"]["jkt"].is_string() && claims["cnf"]["jkt"] != shop.key.thumbprint());
    assert_eq!(shop.next_reads(&changes).await, Err(401), "each proof counts once");
    let mut bearer = changes.clone();
    bearer.set.remove("dpop");
    assert_eq!(shop.next_reads(&bearer).await, Err(401), "without the proof");
    bearer.set.insert("authorization", format!("Bearer {}", token_of(&changes)).parse().expect("a value"));
    assert_eq!(shop.next_reads(&bearer).await, Err(401), "as Bearer");
    let unproven = asks(&gateway, &[("authorization", &header)]).await.map(drop);
    assert_eq!(unproven.map_err(|(status, _)| status), Err(401), "S8.24: the sender proves possession at the edge");
    let plain = asks_as(&gateway, &shop.draft().sign()).await.expect("allowed");
    assert!(plain.set["authorization"].to_str().is_ok_and(|value| value.starts_with("DPoP ")), "all tokens are bound");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_06_a_minted_token_never_has_more_than_the_credential_and_the_swap() {
    let shop = Shop::new().await;
    let gateway = shop.gateway("");
    let mut random = fastrand::Rng::with_seed(6);
    for n in 0..60 {
        let mut scopes = vec!["orders:read"];
        scopes.extend(["orders:write", "stock:read", "shop:admin"].iter().filter(|_| random.bool()));
        let lifetime = random.u64(5..400);
        let outside = shop.draft().subject(format!("user-{n}")).scope(scopes.join(" "));
        let changes =
            asks_as(&gateway, &outside.lifetime(Duration::from_secs(lifetime)).sign()).await.expect("allowed");
        let now = shop.provider.issuer().clock().now().as_secs();
        let claims = shop.next_reads(&changes).await.expect("valid");
        let minted: Vec<&str> = claims["scope"].as_str().expect("text").split(' ').collect();
        let expected: Vec<&str> =
            ["orders:read", "orders:write"].into_iter().filter(|it| scopes.contains(it)).collect();
        assert_eq!(minted, expected, "of {scopes:?}");
        assert!(claims["exp"].as_u64().expect("seconds") <= now + lifetime.min(120), "{claims}");
        assert_eq!(claims["sub"], format!("user-{n}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_05_what_cannot_be_swapped_safely_is_refused() {
    let shop = Shop::new().await;
    let gateway = shop.gateway("");
    let own = shop.issuer.name();
    let may_act = |sub: &str, iss: &str| shop.draft().claim("may_act", json!({ "sub": sub, "iss": iss }));
    let chain = (0..9).fold(json!({ "sub": "a" }), |inner, _| json!({ "sub": "a", "act": inner }));
    for (what, draft) in [
        ("a subject with a name of the API keys", shop.draft().subject("key:reports")),
        ("a subject with the name of a client of the issuer", shop.draft().subject("batch")),
        ("a subject with the name of the gateway", shop.draft().subject("gateway")),
        ("another actor than the gateway is named", may_act("orders", own)),
        ("an actor of the name of the gateway at another issuer", may_act("gateway", shop.provider.url())),
        ("an actor without an issuer", shop.draft().claim("may_act", json!({ "sub": "gateway" }))),
        ("claims that are elsewhere", shop.draft().claim("_claim_names", json!({ "roles": "src" }))),
        ("groups that are elsewhere", shop.draft().claim("hasgroups", true)),
    ] {
        assert_eq!(
            asks_as(&gateway, &draft.sign()).await.map(drop),
            Err((403, "not_exchangeable".to_owned())),
            "{what}"
        );
    }
    let long = asks_as(&gateway, &shop.draft().claim("act", chain).sign()).await.map(drop);
    assert!(matches!(long, Err((401 | 403, _))), "a chain that no verifier takes: {long:?}");
    asks_as(&gateway, &may_act("gateway", own).sign()).await.expect("the named actor");
    // Within the leeway of the gateway's policy, a token that is over passes its check. No token can be made of it.
    let late = shop.draft().lifetime(Duration::from_secs(10)).sign();
    shop.provider.issuer().clock().advance(Duration::from_secs(12));
    assert_eq!(asks_as(&gateway, &late).await.map(drop), Err((401, "token_expired".to_owned())));
    // An issuer that the swap does not name.
    let config = GatewayConfig::from_toml(&format!(
        "{}\n[[swap]]\nprefix = \"/orders\"\n[swap.mint]\naudience = \"orders\"\n[swap.mint.subjects]\n{AUTHORITY:?} = \"\"\n",
        guide().file("gateway.toml")
    ));
    let rules = config.expect("a configuration").rules_with(shop.layer(), &Policy::default(), &shop.issuer);
    let refused = asks_as(&Gateway::new(rules.expect("rules")), &shop.draft().sign()).await.map(drop);
    assert_eq!(refused, Err((403, "not_exchangeable".to_owned())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s8_22_actors_keep_their_order_and_their_issuers() {
    let shop = Shop::new().await;
    let gateway = shop.gateway("copied_claims = [\"tenant\", \"plan\"]");
    let inner = json!({ "sub": "desk", "iss": "https://partner.test" });
    let draft = shop.draft().claim("act", json!({ "sub": "agent", "act": inner })).claim("plan", "gold").claim("x", 1);
    let claims = shop.next_reads(&asks_as(&gateway, &draft.tenant("acme").sign()).await.expect("allowed")).await;
    let claims = claims.expect("valid");
    let agent = json!({ "sub": "agent", "iss": shop.provider.url(), "act": inner });
    assert_eq!(claims["act"], json!({ "sub": "gateway", "iss": shop.issuer.name(), "act": agent }));
    assert_eq!((&claims["tenant"], &claims["plan"], &claims["x"]), (&json!("acme"), &json!("gold"), &Value::Null));
    let bare = shop.gateway("");
    let draft = shop.draft().claim("plan", "gold").claim("acr", "silver").tenant("acme");
    let claims = shop.next_reads(&asks_as(&bare, &draft.sign()).await.expect("allowed")).await.expect("valid");
    assert_eq!((&claims["tenant"], &claims["plan"], &claims["acr"]), (&Value::Null, &Value::Null, &json!("silver")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s15_05_names_that_claims_have_are_those_of_the_issuer_without_a_prefix() {
    let shop = Shop::new().await;
    let ours = shop.provider.url();
    let partner = TestIssuer::with_system_clock().with_name("https://partner.test");
    let said = |draft: TokenDraft| {
        let draft = draft.audience("shop").subject("ann").scope("orders:read");
        draft.claim("acr", "gold").claim("plan", "large").claim("auth_time", 1_700_000_000).sign()
    };
    let read = async |subjects: &str, token: String| {
        let layer = shop.layer_with(Some(&partner));
        let gateway = shop.gateway_of(layer, "copied_claims = [\"plan\"]", subjects);
        let claims = shop.next_reads(&asks_as(&gateway, &token).await.expect("allowed")).await.expect("valid");
        ["sub", "acr", "plan", "auth_time"].map(|name| claims[name].clone())
    };
    let when = json!(1_700_000_000);
    let all = |subject: &str| [json!(subject), json!("gold"), json!("large"), when.clone()];
    let both = format!("{ours:?} = \"\"\n\"https://partner.test\" = \"partner:\"\n");
    assert_eq!(read(&both, said(shop.provider.token())).await, all("ann"));
    let of_partner = read(&both, said(partner.token())).await;
    assert_eq!(of_partner, [json!("partner:ann"), Value::Null, Value::Null, when.clone()]);
    assert_eq!(read("\"https://partner.test\" = \"partner:\"\n", said(partner.token())).await, all("partner:ann"));
    let prefixed = format!("{ours:?} = \"our:\"\n\"https://partner.test\" = \"partner:\"\n");
    assert_eq!(read(&prefixed, said(shop.provider.token())).await[1..3], [Value::Null, Value::Null]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_13_a_token_is_kept_for_its_caller_until_it_or_its_key_is_over() {
    let shop = Shop::new().await;
    let gateway = shop.gateway("");
    let clock = shop.provider.issuer().clock().clone();
    let long = |name: &str| shop.draft().subject(name).lifetime(Duration::from_secs(3000)).sign();
    let (ann, bob) = (long("ann"), long("bob"));
    let asked = async |token: &str| token_of(&asks_as(&gateway, token).await.expect("allowed"));
    let first = asked(&ann).await;
    assert_eq!(asked(&ann).await, first);
    assert_ne!(asked(&bob).await, first);
    clock.advance(Duration::from_secs(109));
    assert_eq!(asked(&ann).await, first);
    clock.advance(Duration::from_secs(1));
    let second = asked(&ann).await;
    assert_ne!(second, first, "not in its last ten seconds");
    // A key that was revoked signed it: services refuse it from now on.
    shop.issuer.revoke_key(&shop.issuer.keys()[0].key_id).expect("revoked");
    let third = asked(&ann).await;
    assert_ne!(third, second);
    // A clock that is set back makes it one of the future.
    clock.step_wall(clock.now().saturating_sub(Duration::from_secs(40)));
    assert_ne!(asked(&ann).await, third);
}

/// Whoever reads the keys gets nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_03_the_address_of_the_keys_gives_no_token() {
    let shop = Shop::new().await;
    let document = shop.published.request("GET /.well-known/openid-configuration", &[]).await.json();
    assert_eq!(document["jwks_uri"], format!("{}/jwks", shop.issuer.name()));
    assert!(document.get("token_endpoint").is_none(), "{document}");
    assert!(shop.published.request("GET /jwks", &[]).await.body.contains("\"kid\""));
    for path in ["/token", "/introspect", "/revoke", "/check/GET/orders"] {
        assert_eq!(shop.published.request(&format!("POST {path}"), &[]).await.status, 404, "{path}");
    }
}

#[test]
fn s9_05_faults_of_the_settings_name_their_field() {
    let issuer = Issuer::builder("http://127.0.0.1:4000").add_audience(Audience::new("orders").scopes(SCOPES)).build();
    let issuer = issuer.expect("an issuer");
    let layer = || AuthenticateLayer::new(TestIssuer::new().verifier_for("shop"));
    let fault = |more: &str| {
        let text = format!("{}\n[[swap]]\nprefix = \"/orders\"\n{more}", guide().file("gateway.toml"));
        let config = GatewayConfig::from_toml(&text).expect("a configuration");
        config.rules_with(layer(), &Policy::default(), &issuer).expect_err(more).to_string()
    };
    let mint = |more: &str| fault(&format!("[swap.mint]\naudience = \"orders\"\n{more}"));
    let subjects = "[swap.mint.subjects]\n\"https://a.test\" = \"\"\n";
    for (found, field) in [
        (fault(""), "neither token nor mint"),
        (mint(""), "swap /orders: subjects"),
        (fault(&format!("[swap.mint]\naudience = \"stock\"\n{subjects}")), "swap /orders: audience"),
        (mint(&format!("scopes = [\"admin\"]\n{subjects}")), "swap /orders: scopes"),
        (mint(&format!("copied_claims = [\"cnf\"]\n{subjects}")), "swap /orders: copied_claims"),
        (mint(&format!("client = \"\"\n{subjects}")), "swap /orders: client"),
        (mint(&format!("dpop = true\n{subjects}")), "swap /orders: origin"),
        (mint(&format!("dpop = true\norigin = \"https://orders.internal/x\"\n{subjects}")), "swap /orders: origin"),
        (mint(&format!("origin = \"https://orders.internal\"\n{subjects}")), "swap /orders: origin"),
        (mint(&format!("{subjects}\"https://b.test\" = \"\"\n")), "swap /orders: subjects"),
        (
            mint(&format!("{subjects}\"https://b.test\" = \"b:\"\n\"https://c.test\" = \"b:c:\"\n")),
            "swap /orders: subjects",
        ),
    ] {
        assert!(found.contains(field), "{field}: {found}");
    }
    let config = format!(
        "{}\n[[swap]]\nprefix = \"/orders\"\n[swap.mint]\naudience = \"orders\"\n{subjects}",
        guide().file("gateway.toml")
    );
    let without = GatewayConfig::from_toml(&config).expect("a configuration").rules(layer(), &Policy::default());
    assert!(without.expect_err("no issuer").to_string().contains("embedded issuer"));
}

/// The swaps of a file change while it runs; its issuer does not, so that one process has one set of keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s15_02_a_file_changes_its_swaps_and_keeps_its_issuer() {
    let users = TestIssuer::with_system_clock();
    let folder = std::env::temp_dir().join(format!("cs-gateway-minted-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("a file");
    write(
        "policy.toml",
        &format!(
            "[[issuers]]\nissuer = {:?}\naudience = \"shop\"\nkeys = {{ inline = '{}' }}\n",
            users.name(),
            users.jwks()
        ),
    );
    let audience = "[[audience]]\nname = \"orders\"\nscopes = [\"orders:read\", \"stock:read\"]\n";
    write("issuer.toml", &format!("issuer = \"http://127.0.0.1:4000\"\n{audience}"));
    let text = |issuer: &str, scopes: &str| {
        format!(
            "{}\n[issuer]\nfile = \"issuer.toml\"\n{issuer}\n[[swap]]\nprefix = \"/orders\"\n[swap.mint]\n\
             audience = \"orders\"\nscopes = {scopes}\n",
            guide().file("gateway.toml")
        )
    };
    let (path, listen) = (folder.join("gateway.toml"), "listen = \"127.0.0.1:4000\"");
    write("gateway.toml", &text("", "[]"));
    let nowhere = WatchedGateway::from_file(&path).map(drop).expect_err("its keys are served nowhere").to_string();
    assert!(nowhere.contains("issuer: listen"), "{nowhere}");
    write("gateway.toml", &text(listen, "[\"orders:read\"]"));
    let watched = WatchedGateway::from_file(&path).expect("a gateway");
    let token = users.token().subject("ann").audience("shop").scope("orders:read stock:read").sign();
    let minted = async || token_of(&asks_as(watched.gateway(), &token).await.expect("allowed"));
    let verifier = Verifier::new(watched.issuer().expect("embedded").trusted_for("orders")).expect("a verifier");
    let scopes = async || {
        let verified = verifier.verify(&minted().await).await.expect("signed by the issuer of the start");
        verified.grants().scopes.iter().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(scopes().await, "orders:read");
    write("gateway.toml", &text(listen, "[\"orders:read\", \"stock:read\"]"));
    assert_eq!(watched.reload().await.ok(), Some(true));
    assert_eq!(scopes().await, "orders:read stock:read");
    write("gateway.toml", &text("listen = \"127.0.0.1:4001\"", "[]"));
    let refused = watched.reload().await.expect_err("another address").to_string();
    assert!(refused.contains("issuer: changed"), "{refused}");
    assert_eq!(scopes().await, "orders:read stock:read", "the last good rules stay in force");
    std::fs::remove_dir_all(&folder).expect("removed");
}
