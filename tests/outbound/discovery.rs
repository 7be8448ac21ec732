//! Token endpoints that are discovered: how often, and again when they move.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use countersign::authenticate::CallerToken;
use countersign::clock::UnixTime;
use countersign::connection::ConnectionSettings;
use countersign::outbound::{AttachTokenLayer, ClientCredentials, Outbound, TokenRequest, TokenSource};
use countersign::secret::Secret;
use countersign_test::ManualClock;
use tower::{Layer, ServiceExt};

use crate::servers::{Server, granted, json};

/// A token service whose metadata names `/old`, and `/new` once it has moved. Tokens live for no time.
struct Moving {
    server: Server,
    has_moved: Arc<AtomicBool>,
}

impl Moving {
    /// `gone` is the status of an endpoint that is not in use.
    async fn start(gone: u16) -> Self {
        let listening = Server::listen().await;
        let url = listening.url();
        let has_moved = Arc::new(AtomicBool::new(false));
        let moved = Arc::clone(&has_moved);
        let server = listening.answer(move |_, seen| {
            let current = if moved.load(Ordering::SeqCst) { "/new" } else { "/old" };
            match seen.uri.path() {
                path if path.starts_with("/.well-known/") => {
                    let metadata = serde_json::json!({ "issuer": url, "token_endpoint": format!("{url}{current}") });
                    json(200, metadata.to_string())
                }
                path if path == current || gone == 200 => granted(path.trim_start_matches('/'), 0),
                _ => json(gone, String::new()),
            }
        });
        Moving { server, has_moved }
    }

    fn source(&self) -> ClientCredentials {
        ClientCredentials::from_issuer(&self.server.url).client("orders", String::from("s3cret-value"))
    }

    fn discoveries(&self) -> usize {
        self.server.seen().iter().filter(|seen| seen.uri.path().starts_with("/.well-known/")).count()
    }
}

fn caller(number: usize) -> CallerToken {
    CallerToken::unverified(&Secret::from(format!("e30.e30.{number}")), UnixTime::from_secs(u64::MAX))
}

/// Makes a call for each of many callers at once, and returns the number of those that got a token.
async fn cold_calls(source: ClientCredentials, count: usize) -> usize {
    let inner =
        tower::service_fn(|_: http::Request<()>| async { Ok::<_, std::convert::Infallible>(http::Response::new(())) });
    let layer = AttachTokenLayer::builder().bind("https://billing.test", source).build().expect("a layer");
    let calls: Vec<_> = (0..count)
        .map(|number| {
            let mut request = http::Request::get("https://billing.test/").body(()).expect("a request");
            request.extensions_mut().insert(caller(number));
            tokio::spawn(layer.layer(inner).oneshot(request))
        })
        .collect();
    let mut served = 0;
    for call in calls {
        served += usize::from(call.await.expect("no panic").is_ok());
    }
    served
}

#[tokio::test(flavor = "multi_thread")]
async fn s7_11_a_thousand_cold_callers_are_one_discovery() {
    let service = Moving::start(404).await;
    assert_eq!(cold_calls(service.source(), 100).await, 100);
    assert_eq!((service.discoveries(), service.server.count()), (1, 101), "and an exchange for each caller");

    let down = Server::start(|_, _| json(503, String::new())).await;
    let source = ClientCredentials::from_issuer(&down.url).client("orders", String::from("s3cret-value"));
    assert_eq!((cold_calls(source, 1_000).await, down.count()), (0, 1), "one that fails, too");
}

/// Calls through an outbound client by a clock of its own, and returns the endpoint that granted each token.
struct Calls {
    outbound: Outbound,
    http: reqwest::Client,
    target: Server,
    clock: ManualClock,
}

impl Calls {
    async fn by(source: ClientCredentials) -> Self {
        let target = Server::start(|_, _| json(200, "{}".into())).await;
        let (http, clock) = (reqwest::Client::new(), ManualClock::new(UnixTime::from_secs(1000)));
        let outbound = Outbound::builder(http.clone()).clock(Arc::new(clock.clone()));
        Calls { outbound: outbound.bind(&target.url, source).build().expect("bound"), http, target, clock }
    }

    async fn next(&self) -> Result<String, String> {
        match self.outbound.send(self.http.get(&self.target.url)).await {
            Ok(_) => {
                Ok(self.target.seen().last().and_then(|seen| seen.header("authorization")).expect("one").to_owned())
            }
            Err(error) => Err(error.code().to_owned()),
        }
    }
}

#[tokio::test]
async fn s4_07_a_discovered_token_endpoint_is_discovered_again_after_an_hour() {
    let service = Moving::start(200).await; // the old address goes on answering
    let calls = Calls::by(service.source()).await;
    assert_eq!(calls.next().await.as_deref(), Ok("Bearer old"));
    service.has_moved.store(true, Ordering::SeqCst);
    calls.clock.advance(Duration::from_secs(2000));
    assert_eq!((calls.next().await.as_deref(), service.discoveries()), (Ok("Bearer old"), 1));
    calls.clock.step_wall(UnixTime::from_secs(1_000_000)); // the hour is not one of the wall clock
    assert_eq!((calls.next().await.as_deref(), service.discoveries()), (Ok("Bearer old"), 1));
    calls.clock.step_wall(UnixTime::from_secs(1));
    calls.clock.advance(Duration::from_secs(1600));
    assert_eq!((calls.next().await.as_deref(), service.discoveries()), (Ok("Bearer new"), 2));
}

#[tokio::test]
async fn s4_07_a_token_endpoint_that_is_gone_is_discovered_again_once_per_cool_down() {
    for gone in [404, 405, 410] {
        let service = Moving::start(gone).await;
        let calls = Calls::by(service.source()).await;
        assert_eq!(calls.next().await.as_deref(), Ok("Bearer old"));
        service.has_moved.store(true, Ordering::SeqCst);
        assert_eq!(calls.next().await, Err("token_refused".into()));
        calls.clock.advance(Duration::from_secs(6)); // past the pause after a refusal
        assert_eq!((calls.next().await.as_deref(), service.discoveries()), (Ok("Bearer new"), 2), "after a {gone}");

        service.has_moved.store(false, Ordering::SeqCst); // and back, so that the new one is gone
        assert_eq!(calls.next().await, Err("token_refused".into()));
        calls.clock.advance(Duration::from_secs(6));
        assert_eq!((calls.next().await.as_deref(), service.discoveries()), (Ok("Bearer old"), 3), "after a {gone}");
    }
    // A service that has lost its endpoint is not discovered at every call.
    let (url, lost) = (Server::listen().await, AtomicUsize::new(0));
    let address = url.url();
    let service = url.answer(move |_, seen| match seen.uri.path().starts_with("/.well-known/") {
        true => {
            json(200, serde_json::json!({ "issuer": address, "token_endpoint": format!("{address}/t") }).to_string())
        }
        false if lost.fetch_add(1, Ordering::SeqCst) == 0 => granted("first", 0),
        false => json(404, String::new()),
    });
    let calls = Calls::by(ClientCredentials::from_issuer(&service.url).client("orders", "s3cret".to_owned())).await;
    assert!(calls.next().await.is_ok());
    for _ in 0..20 {
        assert!(calls.next().await.is_err());
        calls.clock.advance(Duration::from_secs(6));
    }
    let discoveries = service.seen().iter().filter(|seen| seen.uri.path().starts_with("/.well-known/")).count();
    assert!((5..=13).contains(&discoveries), "one per 10 s of the two minutes: {discoveries}");
}

#[tokio::test]
async fn s7_10_the_known_endpoint_is_used_while_discovery_fails() {
    let (listening, is_down) = (Server::listen().await, Arc::new(AtomicBool::new(false)));
    let (url, down) = (listening.url(), Arc::clone(&is_down));
    let service = listening.answer(move |n, seen| match seen.uri.path().starts_with("/.well-known/") {
        true if down.load(Ordering::SeqCst) => json(503, String::new()),
        true => json(200, serde_json::json!({ "issuer": url, "token_endpoint": format!("{url}/token") }).to_string()),
        false => granted(&format!("t{n}"), 0),
    });
    let calls = Calls::by(ClientCredentials::from_issuer(&service.url).client("orders", "s3cret".to_owned())).await;
    assert!(calls.next().await.is_ok());
    is_down.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        calls.clock.advance(Duration::from_secs(3700));
        assert!(calls.next().await.is_ok(), "the address of the last discovery");
    }
}

#[tokio::test]
async fn s7_03_a_client_with_a_certificate_uses_the_alias_for_mutual_tls() {
    for (aliases, by_certificate) in [
        (serde_json::json!({ "token_endpoint": "/mtls" }), "/mtls"),
        (serde_json::json!({}), "/token"),
        (serde_json::json!("none"), "/token"),
        (serde_json::Value::Null, "/token"),
    ] {
        let listening = Server::listen().await;
        let url = listening.url();
        let mut metadata = serde_json::json!({ "issuer": url, "token_endpoint": format!("{url}/token") });
        metadata["mtls_endpoint_aliases"] = aliases;
        if let Some(alias) = metadata.pointer_mut("/mtls_endpoint_aliases/token_endpoint") {
            *alias = format!("{url}/mtls").into();
        }
        let server = listening.answer(move |_, seen| match seen.uri.path().starts_with("/.well-known/") {
            true => json(200, metadata.to_string()),
            false => granted("t", 60),
        });
        let source = || ClientCredentials::from_issuer(&server.url);
        let own = rcgen::generate_simple_self_signed(vec!["orders".to_owned()]).expect("a certificate");
        let shown =
            ConnectionSettings::new().certificate(own.cert.pem(), Secret::from(own.signing_key.serialize_pem()));
        for (source, path) in [
            (source().client_certificate("orders").connection(shown), by_certificate),
            (source().client("orders", String::from("s3cret-value")), "/token"),
        ] {
            source.token(&TokenRequest::default()).await.expect("a token");
            assert_eq!(server.seen().last().map(|seen| seen.uri.path().to_owned()).as_deref(), Some(path));
        }
    }
}
