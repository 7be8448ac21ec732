//! The swap of the client's credential for a token of the next service, at the embedded issuer.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, Method};
use axum::middleware::{Next, from_fn};
use countersign::policy::{Policy, TrustedIssuerConfig};
use countersign::prelude::*;
use countersign::proof::Dpop;
use countersign_core::mint::Draft;
use countersign_gateway::{ClientRequest, Edge, EdgeDecision, ForeignHeaders, Gateway, GatewayConfig, RequestChanges};
use countersign_issuer::{Audience, Client, ExchangeRule, Issuer, SecretHash};
use countersign_test::{ManualClock, TestKey};
use countersign_tests::http::Service;
use countersign_tests::parts::Part;
use countersign_tests::proxy::HOST;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::backend::values;
use crate::edge::Running;
use crate::world::guide;

/// The scopes of the issuer.
const SCOPES: [&str; 3] = ["orders:read", "orders:write", "stock:read"];

struct Shop {
    issuer: Issuer,
    server: Service,
    /// The requests for tokens.
    asked: Arc<AtomicUsize>,
    secret: String,
}

impl Shop {
    /// An issuer whose tokens for `orders` live this long.
    async fn new(lifetime: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (secret, stored) = SecretHash::generate().expect("a secret");
        let rule = ExchangeRule::new(["orders"]).subject_audiences(["shop"]).bound_subject_tokens();
        let gateway =
            Client::new("gateway").secret(stored).audiences(["orders"]).scopes(SCOPES).add_exchange_rule(rule);
        let issuer = Issuer::builder(format!("http://{}", listener.local_addr().expect("bound")))
            .add_audience(Audience::new("shop").scopes(SCOPES))
            .add_audience(Audience::new("stock").scopes(SCOPES))
            .add_audience(Audience::new("orders").scopes(SCOPES).token_lifetime(lifetime))
            .add_client(gateway)
            .build()
            .expect("an issuer");
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let counted = from_fn(move |request: Request, next: Next| {
            count.fetch_add(usize::from(request.uri().path() == "/token"), Ordering::Relaxed);
            next.run(request)
        });
        let server = Service::on(listener, issuer.router().layer(counted));
        Shop { issuer, server, asked, secret: secret.expose().clone() }
    }

    /// A gateway of the guide's routes, which swaps on those below `/orders`.
    fn gateway(&self, more: &str) -> Gateway {
        self.gateway_of(more, "/orders")
    }

    /// A gateway that swaps on the routes below `prefix`.
    fn gateway_of(&self, more: &str, prefix: &str) -> Gateway {
        let name = self.issuer.name();
        let port = name.rsplit(':').next().expect("a port");
        let file = std::env::temp_dir().join(format!("cs-gateway-secret-{}-{port}", std::process::id()));
        std::fs::write(&file, &self.secret).expect("a file");
        let swap = format!(
            "[[swap]]\nprefix = {prefix:?}\n[swap.token]\norigin = \"https://orders.internal\"\nissuer = {name:?}\n\
             client = \"gateway\"\nsecret_file = {file:?}\naudience = \"orders\"\nscope = \"orders:read\"\n{more}"
        );
        let config =
            GatewayConfig::from_toml(&format!("{}\n{swap}", guide().file("gateway.toml"))).expect("a configuration");
        let layer = AuthenticateLayer::builder(self.verifier("shop")).keep_caller_token();
        let layer = layer.dpop(Dpop::at(format!("https://{HOST}"))).build().expect("a layer");
        let mut policy = Policy::default();
        policy.issuers.push(TrustedIssuerConfig::new(self.issuer.name(), "shop"));
        Gateway::new(config.rules(layer, &policy).expect("rules"))
    }

    fn verifier(&self, audience: &str) -> Verifier {
        Verifier::new(self.issuer.trusted_for(audience)).expect("a verifier")
    }

    fn draft(subject: &str, scope: &str) -> Draft {
        Draft::access_token().subject(subject).audience("shop").client_id("web").scope(scope)
    }

    fn token(&self, draft: &Draft) -> String {
        self.issuer.mint(draft).expect("a token").as_str().to_owned()
    }

    /// The changes for `GET /orders`, or the status and code of the refusal.
    async fn asks(gateway: &Gateway, headers: &[(&str, &str)]) -> Result<RequestChanges, (u16, String)> {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(axum::http::HeaderName::from_bytes(name.as_bytes()).expect(name), value.parse().expect(name));
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
}

fn token_of(changes: &RequestChanges) -> (String, String) {
    let value = changes.set["authorization"].to_str().expect("text");
    let (scheme, token) = value.split_once(' ').expect("a scheme");
    (scheme.to_owned(), token.to_owned())
}

fn claims_of(token: &str) -> Map<String, Value> {
    let payload = token.split('.').nth(1).expect("a JWT");
    let payload = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(payload).expect("base64url");
    serde_json::from_slice(&payload).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_05_s9_06_s9_07_the_next_service_gets_a_narrow_short_token_of_its_own() {
    let shop = Shop::new(Duration::from_secs(120)).await;
    let gateway = shop.gateway("");
    let mut random = fastrand::Rng::with_seed(9);
    for n in 0..40 {
        let mut scopes = vec!["orders:read"];
        scopes.extend(SCOPES[1..].iter().filter(|_| random.bool()));
        let lifetime = random.u64(10..300);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs();
        let draft = Shop::draft(&format!("user-{n}"), &scopes.join(" "));
        let outside = shop.token(&draft.expires_at(countersign_core::clock::UnixTime::from_secs(now + lifetime)));
        let bearer = format!("Bearer {outside}");
        let changes = Shop::asks(&gateway, &[("authorization", &bearer), ("cookie", "a=b")]).await.expect("allowed");
        let (scheme, token) = token_of(&changes);
        let (from, to) = (claims_of(&outside), claims_of(&token));
        assert_eq!((scheme.as_str(), &to["sub"], &to["aud"]), ("Bearer", &from["sub"], &json!("orders")));
        assert_eq!((&to["act"]["sub"], &to["scope"]), (&json!("gateway"), &json!("orders:read")));
        let seconds = |claims: &Map<String, Value>, name: &str| claims[name].as_u64().expect("seconds");
        assert!(seconds(&to, "exp") <= seconds(&from, "exp") && seconds(&to, "exp") - seconds(&to, "iat") <= 120);
        assert!(
            changes.remove.iter().any(|name| name == "dpop")
                && !changes.remove.iter().any(|name| name == "authorization")
        );
        let all = format!("{changes:?}");
        assert!(!token.contains(&outside) && !all.contains(&outside) && !all.contains(&token), "no token is in Debug");
        let verified = shop.verifier("orders").verify(&token).await.expect("of the next service");
        assert_eq!((verified.subject(), verified.actor()), (format!("user-{n}").as_str(), Some("gateway")));
        let other = shop.verifier("stock").verify(&token).await.expect_err("not of another service");
        assert_eq!(other.code(), "wrong_audience");
        assert_eq!(shop.verifier("shop").verify(&token).await.expect_err("not of the edge").code(), "wrong_audience");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_05_tokens_are_cached_for_each_caller_and_an_outage_is_503() {
    let shop = Shop::new(Duration::from_secs(120)).await;
    let gateway = shop.gateway("");
    let bearer = |name: &str| format!("Bearer {}", shop.token(&Shop::draft(name, "orders:read")));
    let (ann, bob) = (bearer("ann"), bearer("bob"));
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..200 {
        let (gateway, header, name) =
            (gateway.clone(), if n % 2 == 0 { ann.clone() } else { bob.clone() }, ["ann", "bob"][n % 2]);
        calls.spawn(async move {
            let changes = Shop::asks(&gateway, &[("authorization", &header)]).await.expect("allowed");
            assert_eq!(claims_of(&token_of(&changes).1)["sub"], name, "S9.13");
        });
    }
    while let Some(call) = calls.join_next().await {
        call.expect("no panic");
    }
    assert_eq!(shop.asked.load(Ordering::Relaxed), 2);
    let everywhere = shop.gateway_of("", "/");
    let public = everywhere.decide(
        ClientRequest::new(
            Method::GET,
            HOST,
            "/health",
            HeaderMap::from_iter([("authorization".parse().expect("a name"), ann.parse().expect("a value"))]),
        ),
        ForeignHeaders::Remove,
    );
    let EdgeDecision::Allowed(changes) = public.await else { panic!("it is public") };
    assert!(changes.remove.iter().any(|name| name == "authorization"), "the client's token does not pass: {changes:?}");
    let eve = bearer("eve");
    assert_eq!(Shop::asks(&gateway, &[]).await.map(drop), Err((401, "no_token".to_owned())));
    shop.server.stop().await;
    let refused = Shop::asks(&gateway, &[("authorization", &eve)]).await.expect_err("no token service");
    assert_eq!(refused, (503, "upstream_unavailable".to_owned()));
    assert!(Shop::asks(&gateway, &[("authorization", &ann)]).await.is_ok(), "its token is cached");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_05_a_token_that_lives_longer_than_two_minutes_is_not_passed_on() {
    let shop = Shop::new(Duration::from_secs(121)).await;
    let bearer = format!("Bearer {}", shop.token(&Shop::draft("ann", "orders:read")));
    let refused = Shop::asks(&shop.gateway(""), &[("authorization", &bearer)]).await.expect_err("too long");
    assert_eq!(refused, (502, "unsuitable_token".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s8_24_a_bound_credential_becomes_a_token_that_is_bound_to_the_gateways_key_or_none() {
    let shop = Shop::new(Duration::from_secs(120)).await;
    let clock = ManualClock::from_system();
    let key = TestKey::new(&clock);
    let draft = Shop::draft("ann", "orders:read").claim("cnf", json!({ "jkt": key.thumbprint() }));
    let outside = shop.token(&draft);
    let proof = || key.proof("GET", &format!("https://{HOST}/orders"), &outside).sign();
    let header = format!("DPoP {outside}");
    let unbound = shop.gateway("");
    let refused = Shop::asks(&unbound, &[("authorization", &header), ("dpop", &proof())]).await.expect_err("no key");
    assert_eq!(refused, (403, "bound_credential".to_owned()));

    let gateway = shop.gateway("dpop = true\n");
    let changes = Shop::asks(&gateway, &[("authorization", &header), ("dpop", &proof())]).await.expect("allowed");
    let (scheme, token) = token_of(&changes);
    let bound = claims_of(&token)["cnf"]["jkt"].clone();
    assert_eq!(scheme, "DPoP");
    assert!(bound.is_string() && bound != key.thumbprint(), "bound to the gateway's own key");
    // The next service checks the proof of the gateway for its own address.
    let layer = AuthenticateLayer::builder(shop.verifier("orders")).dpop(Dpop::at("https://orders.internal")).build();
    let who = |claims: Claims| async move { claims.subject().to_owned() };
    let orders = Router::new().route("/orders", axum::routing::get(who)).layer(layer.expect("a layer"));
    let orders = Service::start(orders).await;
    let sent = ["authorization", "dpop"].map(|name| format!("{name}: {}", changes.set[name].to_str().expect("text")));
    assert_eq!(orders.request("GET /orders", &[&sent[0], &sent[1]]).await.body, "ann");
    assert_eq!(orders.request("GET /orders", &[&sent[0]]).await.status, 401, "without the proof");
    assert_eq!(orders.request("GET /orders", &[&sent[0].replace("DPoP", "Bearer")]).await.status, 401, "as Bearer");
}

fn nginx(folder: &Path, file: &dyn Fn(&str) -> String) -> Vec<String> {
    crate::nginx::set_up(folder, &|name| {
        let line = "proxy_set_header X-Caller $caller;";
        file(name).replace(line, &format!("{line}\n{}", file("swap.conf")))
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_nginx), ignore = "needs nginx: tests/peers/install")]
async fn s9_05_behind_nginx_the_service_sees_only_the_internal_token() {
    let shop = Shop::new(Duration::from_secs(120)).await;
    let edge = Running::with_gateway(shop.gateway(""), Edge::Nginx, Part::Nginx, nginx).await;
    let outside = shop.token(&Shop::draft("ann", "orders:read orders:write"));
    let answer = edge.request("GET", "/orders", &[format!("Authorization: Bearer {outside}")]).await;
    let seen = edge.backend.seen();
    assert_eq!((answer.status, seen.len()), (200, 1), "{answer:?}");
    assert!(!seen[0].contains(&outside), "{}", seen[0]);
    let [authorization] = values(&seen[0], "authorization")[..] else { panic!("{}", seen[0]) };
    let token = authorization.strip_prefix("Bearer ").expect("a token");
    let verified = shop.verifier("orders").verify(token).await.expect("of the next service");
    assert_eq!((verified.subject(), verified.actor()), ("ann", Some("gateway")));
}
