//! Proxies in front of services, set up as `docs/guides/proxies.md` says.

mod caddy;
mod certificates;
mod haproxy;
mod nginx;
mod oauth2_proxy;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use countersign::app::{Routes, protect};
use countersign::prelude::*;
use countersign_test::TestIssuer;
use countersign_tests::http::Service;
use countersign_tests::ports::free_ports;
use countersign_tests::proxy::{HOST, Proxy};

use crate::guide::Guide;

fn guide() -> Guide {
    Guide::read("proxies")
}

/// The service behind the proxy, which tells what it received, and the number of its requests.
async fn behind() -> (Service, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let tell = async move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        count.fetch_add(1, Ordering::Relaxed);
        let all = |name: &str| {
            let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?"));
            values.collect::<Vec<_>>().join("|")
        };
        let told = ["x-caller", "x_caller", "host", "x-forwarded-host", "forwarded"].map(all).join(";");
        format!("{method} {uri} {} {told}", body.len())
    };
    (Service::start(Router::new().fallback(tell)).await, seen)
}

async fn caller(claims: Claims) -> (StatusCode, [(&'static str, String); 1]) {
    (StatusCode::NO_CONTENT, [("x-caller", claims.subject().to_owned())])
}

/// The service that is asked, as in the guide.
async fn check(verifier: Verifier) -> Service {
    let routes: Routes = Routes::new().get("/GET/orders", scope("orders:read"), caller).get(
        "/POST/orders",
        scope("orders:read").and(role("manager")),
        caller,
    );
    Service::start(protect(routes, verifier).into()).await
}

/// A proxy that asks, with the services around it.
struct Edge {
    proxy: Proxy,
    check: Option<Service>,
    seen: Arc<AtomicUsize>,
    _orders: Service,
}

impl Edge {
    /// `start` starts the proxy with the addresses of the service that is asked and of the one behind.
    async fn start(verifier: Verifier, start: impl AsyncFnOnce(&str, &str) -> Proxy) -> Self {
        let (orders, seen) = behind().await;
        let check = check(verifier).await;
        let address = |service: &Service| service.url().trim_start_matches("http://").to_owned();
        let proxy = start(&address(&check), &address(&orders)).await;
        Edge { proxy, check: Some(check), seen, _orders: orders }
    }

    /// The requests that the service behind saw since the last call.
    fn passed(&self) -> usize {
        self.seen.swap(0, Ordering::Relaxed)
    }

    /// Asserts what holds with every proxy that asks.
    async fn lets_only_callers_in(&self, issuer: &TestIssuer) {
        let token = |role: &str, scope: &str| {
            let draft = issuer.token().subject("ann").audience("orders").scope(scope).role(role);
            format!("Authorization: Bearer {}", draft.sign())
        };
        let (clerk, manager) = (token("clerk", "orders:read"), token("manager", "orders:read"));
        let proxy = &self.proxy;

        let anonymous = proxy.request("GET /orders", &[]).await;
        assert_eq!(anonymous.status, 401);
        assert!(anonymous.challenge().starts_with("Bearer"), "{anonymous:?}");
        let expired = format!("Authorization: Bearer {}", issuer.token().audience("orders").expired().sign());
        assert_eq!(proxy.request("GET /orders", &[&expired]).await.status, 401);
        assert_eq!(proxy.request("GET /orders", &[&token("clerk", "other")]).await.status, 403);
        assert_eq!(
            proxy.request("POST /orders", &[&clerk, "Content-Length: 0"]).await.status,
            403,
            "the method counts"
        );
        for header in [
            "X-Forwarded-Method: GET",
            "X-HTTP-Method-Override: GET",
            "X-Original-URI: /orders",
            "X-Forwarded-Uri: /orders",
        ] {
            let answer = proxy.request("POST /orders", &[&clerk, header, "Content-Length: 0"]).await;
            assert_eq!(answer.status, 403, "{header}");
        }
        assert_eq!(self.passed(), 0, "nobody was let in");

        let answer = proxy.request("GET /orders?id=7&x=/../a", &[&clerk]).await;
        assert_eq!(answer.body, format!("GET /orders?id=7&x=/../a 0 ann;;{HOST};{HOST};"), "{answer:?}");
        let posted = format!(
            "POST /orders HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{manager}\r\nContent-Length: 5\r\n\r\nhello"
        );
        assert_eq!(proxy.send(&posted).await.body, format!("POST /orders 5 ann;;{HOST};{HOST};"));

        let lies = [
            "X-Caller: admin",
            "x-caller: root",
            "X_Caller: admin",
            "X-Forwarded-Host: globex.example.com",
            "Forwarded: host=globex.example.com",
            &clerk,
        ];
        let answer = proxy.request("GET /orders", &lies).await;
        assert_eq!(answer.body, format!("GET /orders 0 ann;;{HOST};{HOST};"), "a client's own words do not pass");
        assert_eq!(self.passed(), 3);
        let hop = format!("GET /orders HTTP/1.1\r\nHost: {HOST}\r\nConnection: close, X-Caller\r\n{clerk}\r\n\r\n");
        let answer = proxy.send(&hop).await;
        assert_eq!(answer.body, format!("GET /orders 0 ann;;{HOST};{HOST};"), "a client cannot have the name removed");
        let hop = hop.replace("X-Caller", "Authorization");
        let answer = proxy.send(&hop).await;
        assert!(answer.status == 401 || answer.body.contains(" ann;;"), "{answer:?}");
        self.passed();
    }

    /// Asserts that a request whose address or headers can be read in two ways does not pass, or passes as it was judged.
    async fn reads_nothing_in_two_ways(&self, issuer: &TestIssuer) {
        let token = issuer.token().subject("ann").audience("orders").scope("orders:read").sign();
        let other = issuer.token().subject("bob").audience("orders").scope("orders:read").sign();
        let header = format!("Authorization: Bearer {token}");
        for path in [
            "//orders",
            "/orders/",
            "/orders/../admin",
            "/admin/../orders",
            "/orders%2f..%2fadmin",
            "/%2e%2e/admin",
            "/orders;/admin",
            "/GET/orders",
            "/../GET/orders",
            "/admin?/orders",
            "/admin#/orders",
            "/orders%00",
            "/%6frders",
            "/admin/%2e%2e/orders",
            "/orders\\..\\admin",
            "/{method}",
            "http://admin.example.com/orders",
            "http://admin.example.com/admin",
        ] {
            let answer = self.proxy.request(&format!("GET {path}"), &[&header]).await;
            let is_orders = ["GET /orders ", "GET /%6frders "].iter().any(|told| answer.body.starts_with(told));
            assert!(answer.status != 200 || is_orders, "{path}: {answer:?}");
        }
        let second = format!("Authorization: Bearer {other}");
        for headers in [[header.as_str(), second.as_str()], [&header, "Authorization: Basic YTpi"]] {
            let answer = self.proxy.request("GET /orders", &headers).await;
            assert_ne!(answer.status, 200, "{answer:?}");
        }
        let folded = format!("Authorization: Bearer\r\n {token}");
        for headers in [[folded.as_str(), "A: b"], [&header, "X-Caller: ann\r\n admin"]] {
            let answer = self.proxy.request("GET /orders", &headers).await;
            assert!(answer.status != 200 || answer.body.contains(" ann;;"), "{answer:?}");
        }
    }

    /// The statuses of a good token while the service that is asked has no keys, and while it is gone.
    async fn without_keys_and_without_check(&mut self, token: &str) -> [u16; 2] {
        let header = format!("Authorization: Bearer {token}");
        let without_keys = self.proxy.request("GET /orders", &[&header]).await.status;
        self.check.take().expect("it runs").stop().await;
        let without_check = self.proxy.request("GET /orders", &[&header]).await.status;
        assert_eq!(self.passed(), 0, "nobody was let in");
        [without_keys, without_check]
    }
}

/// A verifier whose keys cannot be fetched, and a token that would be good.
fn without_keys() -> (Verifier, String) {
    let [port] = free_ports();
    let issuer = TestIssuer::with_system_clock().with_name(format!("http://127.0.0.1:{port}"));
    let verifier = Verifier::new(oidc(issuer.name()).audience("orders")).expect("a verifier");
    (verifier, issuer.token().audience("orders").scope("orders:read").sign())
}
