//! oauth2-proxy, which logs users in at Ory Hydra, and lets services in by tokens of the embedded issuer.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use countersign::app::{Access, Routes, protect};
use countersign::authenticate::AuthenticateLayer;
use countersign::clock::Clock as _;
use countersign::key::Algorithm;
use countersign::prelude::*;
use countersign_core::mint::Draft;
use countersign_issuer::{Audience, Issuer};
use countersign_test::{ManualClock, TestIssuer};
use countersign_tests::http::Service;
use countersign_tests::parts::Part;
use reqwest::{Method, Url};
use serde_json::json;

use super::{Proxy, guide};
use crate::browser::Browser;
use crate::hydra::login::{ATTEMPTS, consent};
use crate::hydra::server::Hydra;
use crate::hydra::{hydra, verifier};

/// The line of the guide that passes access tokens of users on.
const PASS: &str = "pass_access_token = true";

/// What the service behind received in these headers.
const HEADERS: [&str; 5] =
    ["authorization", "x-forwarded-access-token", "x_forwarded_access_token", "x-forwarded-user", "x-forwarded-groups"];

/// The client of a token.
#[derive(serde::Deserialize)]
struct OfClient {
    client_id: String,
}

/// The service behind, as in the guide; `/told` tells what it received.
async fn orders(verifier: Verifier) -> Service {
    let who = |claims: Claims<OfClient>| async move { format!("{} at {}", claims.subject(), claims.client_id) };
    let routes = Routes::new()
        .get("/me", Access::Authenticated, who)
        .get("/orders", scope("orders:read"), || async { "orders" })
        .post("/orders", scope("orders:read"), || async { "created" })
        .get("/api/invoices", scope("invoices:read"), || async { "invoices" });
    let layer = AuthenticateLayer::builder(verifier).header("x-forwarded-access-token").build().expect("a layer");
    let told = async |headers: HeaderMap| {
        let values = HEADERS.map(|name| {
            let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?"));
            values.collect::<Vec<_>>().join("|")
        });
        json!(values).to_string()
    };
    Service::start(Router::new().route("/told", get(told)).merge(protect(routes, layer))).await
}

/// The proxy of the guide in front of this service, with the file as `change` changes it, and its client at Hydra.
async fn proxy(hydra: &Hydra, orders: &Service, change: impl FnOnce(String) -> String) -> Proxy {
    let proxy = Proxy::start(Part::Oauth2Proxy, |folder, port| {
        let address = format!("127.0.0.1:{port}");
        let text = change(guide().file("oauth2-proxy.cfg").to_owned())
            .replace("https://id.example.com", hydra.issuer())
            .replace("https://shop.example.com", &format!("http://{address}"))
            .replace("http://127.0.0.1:9002", &orders.url())
            .replace("127.0.0.1:8080", &address)
            .replace("client_id = \"proxy\"", &format!("client_id = \"proxy-{port}\""));
        let file = folder.join("oauth2-proxy.cfg");
        std::fs::write(&file, text).expect("a file");
        vec!["--config".into(), file.display().to_string()]
    })
    .await;
    let client = json!({
        "client_id": format!("proxy-{}", proxy.port), "client_secret": "replace-me-proxy",
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "redirect_uris": [format!("http://127.0.0.1:{}/oauth2/callback", proxy.port)],
        "scope": "openid offline orders:read", "audience": ["orders"],
    });
    hydra.admin(Method::POST, "clients", &client).await;
    proxy
}

/// What a browser does at the proxy, and a service behind it receives.
trait Browsed {
    fn url(&self, path: &str) -> Url;
    async fn login(&self, hydra: &Hydra, user: &str) -> String;
    async fn told(&self, headers: &[&str]) -> [String; 5];
}

impl Browsed for Proxy {
    fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://127.0.0.1:{}{path}", self.port)).expect("an address")
    }

    /// The cookies of a browser in which this user has logged in, as a header line.
    async fn login(&self, hydra: &Hydra, user: &str) -> String {
        for _ in 0..ATTEMPTS {
            let mut browser = Browser::new();
            let start = browser.get(self.url("/me")).await.next();
            assert!(start.as_str().starts_with(hydra.issuer()), "{start}");
            if let Some(callback) = consent(hydra, &mut browser, start, user, json!({})).await {
                assert_eq!(browser.get(callback).await.next(), self.url("/me"));
                return browser.cookie_line();
            }
        }
        panic!("Hydra fails")
    }

    /// What the service behind received in [`HEADERS`].
    async fn told(&self, headers: &[&str]) -> [String; 5] {
        let answer = self.request("GET /told", headers).await;
        serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(has_oauth2_proxy, has_hydra)), ignore = "needs oauth2-proxy and Ory Hydra: tests/peers/install")]
async fn s15_09_oauth2_proxy_logs_users_in_and_passes_their_access_token_and_nothing_of_theirs() {
    let hydra = hydra().await;
    let orders = orders(verifier(&hydra)).await;
    let proxy = proxy(&hydra, &orders, |text| text).await;
    let billing = hydra.billing_for_orders().await;
    let lies = [
        format!("X-Forwarded-Access-Token: {billing}"),
        format!("X_Forwarded_Access_Token: {billing}"),
        "X-Forwarded-User: admin".to_owned(),
        "X-Forwarded-Groups: admin".to_owned(),
    ];
    let lies: Vec<&str> = lies.iter().map(String::as_str).collect();
    let anonymous = proxy.request("GET /me", &lies).await;
    assert!(anonymous.header("location").is_some_and(|to| to.starts_with(hydra.issuer())), "{anonymous:?}");
    assert_eq!(proxy.request("GET /api/invoices", &lies).await.status, 401);

    let ann = proxy.login(&hydra, "user-1").await;
    let me = format!("user-1 at proxy-{}", proxy.port);
    assert_eq!(proxy.request("GET /me", &[&ann]).await.body, me);
    assert_eq!(proxy.request("GET /orders", &[&ann]).await.status, 200);
    let beyond = proxy.request("GET /api/invoices", &[&ann]).await;
    assert_eq!((beyond.status, beyond.code()), (403, "insufficient_scope".into()));

    let told = proxy.told(&[&[ann.as_str()], &lies[..]].concat()).await;
    assert_eq!(["", told[1].as_str(), "", "user-1", ""], told.each_ref().map(String::as_str));
    let token = verifier(&hydra).verify(&told[1]).await.expect("an access token for orders");
    assert_eq!((token.subject(), token.client_id()), ("user-1", Some(&*format!("proxy-{}", proxy.port))));
    assert_eq!(proxy.request("GET /me", &[&[ann.as_str()], &lies[..]].concat()).await.body, me);

    let beside = format!("Authorization: Bearer {billing}");
    assert_eq!(proxy.request("GET /me", &[&ann, &beside]).await.status, 400, "two credentials");
    let hop = "Connection: close, X-Forwarded-Access-Token";
    let answer = proxy.send(&format!("GET /me HTTP/1.1\r\nHost: {}\r\n{hop}\r\n{ann}\r\n\r\n", super::HOST)).await;
    assert_eq!(answer.status, 401, "a client can have only its own token removed");
    let other_site = proxy.request("POST /orders", &[&ann, "Origin: https://other.example", "Content-Length: 0"]).await;
    assert_eq!(other_site.status, 403, "a request that another site may have caused");
    assert_eq!(proxy.request("POST /orders", &[&ann, "Content-Length: 0"]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(has_oauth2_proxy, has_hydra)), ignore = "needs oauth2-proxy and Ory Hydra: tests/peers/install")]
async fn the_id_token_that_oauth2_proxy_passes_as_authorization_is_refused() {
    let hydra = hydra().await;
    let orders = orders(verifier(&hydra)).await;
    let settings = "pass_authorization_header = true\nskip_jwt_bearer_tokens = true";
    let with_id_token = proxy(&hydra, &orders, |text| text.replace(PASS, settings)).await;
    let ann = with_id_token.login(&hydra, "user-1").await;
    let [authorization, access_token, ..] = with_id_token.told(&[&ann]).await;
    let id_token = authorization.strip_prefix("Bearer ").expect("a token");
    assert_eq!(access_token, "");
    assert_eq!(verifier(&hydra).verify(id_token).await.expect_err("refused").code(), "id_token");
    assert_eq!(with_id_token.request("GET /me", &[&ann]).await.status, 401);
    let bearer = format!("Authorization: Bearer {id_token}");
    let [passed, ..] = with_id_token.told(&[&bearer]).await;
    assert_eq!(passed, authorization, "the proxy itself takes an ID token of its client for a bearer token");
    assert_eq!(with_id_token.request("GET /me", &[&bearer]).await.status, 401);

    let with_both = proxy(&hydra, &orders, |text| format!("{text}\npass_authorization_header = true\n")).await;
    let ann = with_both.login(&hydra, "user-1").await;
    assert_eq!(with_both.request("GET /me", &[&ann]).await.status, 400, "two credentials");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(has_oauth2_proxy, has_hydra)), ignore = "needs oauth2-proxy and Ory Hydra: tests/peers/install")]
async fn without_stripping_oauth2_proxy_lets_the_words_of_clients_pass() {
    let hydra = hydra().await;
    let orders = orders(verifier(&hydra)).await;
    let proxy = proxy(&hydra, &orders, |text| format!("{text}\nskip_auth_strip_headers = false\n")).await;
    let ann = proxy.login(&hydra, "user-1").await;
    let billing = format!("X-Forwarded-Access-Token: {}", hydra.billing_for_orders().await);
    let told = proxy.told(&[&ann, &billing, "X-Forwarded-User: admin"]).await;
    assert_eq!(told[3], "admin,user-1", "as one value");
    assert_eq!(proxy.request("GET /me", &[&ann, &billing]).await.status, 400, "two tokens in one line");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(has_oauth2_proxy, has_hydra)), ignore = "needs oauth2-proxy and Ory Hydra: tests/peers/install")]
async fn s8_09_s8_14_oauth2_proxy_verifies_tokens_of_the_embedded_issuer_and_follows_a_rotation() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let name = format!("http://{}", listener.local_addr().expect("bound"));
    let clock = ManualClock::from_system();
    let issuer = Issuer::builder(&name)
        .clock(Arc::new(clock.clone()))
        .add_audience(Audience::new("orders").scopes(["orders:read"]))
        .add_audience(Audience::new("billing").scopes(["orders:read"]))
        .build()
        .expect("an issuer");
    let _serving = Service::on(listener, issuer.router());
    let orders = orders(Verifier::new(oidc(&name).audience("orders")).expect("a verifier")).await;
    let hydra = hydra().await;
    let services = guide().file("services.cfg").replace("https://issuer.example.com", &name);
    let for_services = proxy(&hydra, &orders, |text| text.replace(PASS, &services)).await;
    let status = async |path: &str, token: &str| {
        for_services.request(&format!("GET {path}"), &[&format!("Authorization: Bearer {token}")]).await.status
    };
    let token = |audience: &str| {
        let draft = Draft::access_token().subject("ann").audience(audience).client_id("web").scope("orders:read");
        issuer.mint(&draft).expect("a token").as_str().to_owned()
    };

    let good = token("orders");
    let bearer = format!("Authorization: Bearer {good}");
    assert_eq!(for_services.request("GET /me", &[&bearer]).await.body, "ann at web");
    assert_eq!(status("/orders", &good).await, 200);
    assert_eq!(status("/api/invoices", &good).await, 403, "the service behind has rules of its own");
    assert_eq!(for_services.request("GET /api/invoices", &[]).await.status, 401);
    // The service behind answers 401 to each of these: 403 is the proxy's answer.
    assert_eq!(status("/me", &token("billing")).await, 403, "for another service");
    let now = clock.now();
    clock.step_wall(now.saturating_sub(Duration::from_secs(7200)));
    let expired = token("orders");
    clock.step_wall(now);
    assert_eq!((crate::load::kid(&expired), status("/me", &expired).await), (crate::load::kid(&good), 403), "expired");
    let forged = TestIssuer::with_algorithm(Algorithm::ES256).with_name(&name);
    assert_eq!(status("/me", &forged.token().audience("orders").sign()).await, 403, "of another key");

    issuer.rotate_now().expect("a key");
    let renewed = token("orders");
    assert_ne!(crate::load::kid(&renewed), crate::load::kid(&good));
    assert_eq!([status("/me", &renewed).await, status("/me", &good).await], [200, 200], "after a rotation");

    let both = proxy(&hydra, &orders, |text| text.replace(PASS, &format!("{PASS}\n{services}"))).await;
    assert_eq!(both.request("GET /me", &[&bearer]).await.status, 400, "the token in two headers");
}
