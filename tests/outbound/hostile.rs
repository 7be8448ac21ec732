//! Servers that want the token, and never get it.

use std::sync::Arc;

use countersign::outbound::{AttachTokenLayer, ClientCredentials, Outbound, StaticToken, TokenRequest, TokenSource};
use tower::{Layer, ServiceExt};

use crate::calls::Recorder;
use crate::servers::{Seen, Server, granted, json, unauthorized};

const TOKEN: &str = "the-token-itself";
const SECRET: &str = "s3cret-value";

async fn issuing() -> Server {
    Server::start(|_, _| granted(TOKEN, 3600)).await
}

fn source(issuer: &Server) -> ClientCredentials {
    ClientCredentials::from_token_endpoint(&issuer.url).client("orders", String::from(SECRET))
}

fn bound(issuer: &Server, target: &Server) -> (Outbound, reqwest::Client) {
    let http = reqwest::Client::new();
    (Outbound::builder(http.clone()).bind(&target.url, source(issuer)).build().expect("bound"), http)
}

fn redirect(status: u16, to: &str) -> axum::response::Response {
    let mut answer = json(status, String::new());
    answer.headers_mut().insert("location", to.parse().expect("a value"));
    answer
}

fn holds(seen: &Seen, hidden: &str) -> bool {
    format!("{} {} {}", seen.uri, seen.body, seen.headers.values().filter_map(|v| v.to_str().ok()).collect::<String>())
        .contains(hidden)
}

#[tokio::test]
async fn s7_15_look_alikes_of_the_origin_are_refused_before_a_token_is_fetched() {
    let (issuer, target) = (issuing().await, Server::start(|_, _| json(200, "{}".into())).await);
    let thief = Server::start(|_, _| json(200, "{}".into())).await;
    let (outbound, http) = bound(&issuer, &target);
    let (port, stolen) = (target.port(), thief.port());
    for unbound in [
        format!("http://127.0.0.1:{port}@127.0.0.1:{stolen}/"),
        format!("http://user:pw@127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://127.0.0.1:{stolen}/"),
        format!("https://127.0.0.1:{port}/"),
        format!("http://127.0.0.1.evil.test:{port}/"),
        format!("http://127.0.0.1%2eevil.test:{port}/"),
        format!("http://loc\u{430}lhost:{port}/"),
    ] {
        let error = outbound.send(http.get(&unbound)).await.expect_err(&unbound);
        assert!(["origin_not_bound", "authorization_already_set"].contains(&error.code()), "{unbound}: {error}");
    }
    let joined = reqwest::Url::parse(&target.url).and_then(|base| base.join(&format!("//127.0.0.1:{stolen}/x")));
    let error = outbound.send(http.get(joined.expect("a URL"))).await.expect_err("another host");
    assert_eq!(error.code(), "origin_not_bound");
    let error = outbound.send(http.get(&target.url).header("host", "neighbour.test")).await.expect_err("a neighbour");
    assert_eq!(error.code(), "origin_not_bound");
    assert_eq!((issuer.count(), target.count(), thief.count()), (0, 0, 0));

    // Valid counterparts: the same origin in another spelling, and a path that only looks like a host.
    for fine in [format!("http://127.1:{port}/"), format!("{}//127.0.0.1:{stolen}/x", target.url)] {
        outbound.send(http.get(&fine)).await.expect("the origin itself");
    }
    let host = format!("127.0.0.1:{port}");
    outbound.send(http.get(&target.url).header("host", host)).await.expect("its own name");
    assert_eq!((target.count(), thief.count()), (3, 0));
    assert!(target.seen().iter().all(|seen| holds(seen, TOKEN)));
}

#[tokio::test]
async fn s7_15_s7_17_the_layer_for_other_clients_is_as_strict() {
    let sent = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let record = std::sync::Arc::clone(&sent);
    let inner = tower::service_fn(move |request: http::Request<()>| {
        record.lock().expect("not poisoned").push(request.headers().get("authorization").cloned());
        async { Ok::<_, std::convert::Infallible>(http::Response::new(())) }
    });
    let layer = AttachTokenLayer::builder()
        .bind("https://billing.test", StaticToken::new(TOKEN.into()))
        .build()
        .expect("a layer");
    let call = |uri: &str, header: Option<(&str, &str)>| {
        let mut request = http::Request::builder().uri(uri);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        layer.layer(inner.clone()).oneshot(request.body(()).expect("a request"))
    };
    for unbound in [
        "//billing.test/x",
        "/x",
        "http://billing.test/",
        "https://billing.test:444/",
        "https://eu.billing.test/",
        "https://billing.test@evil.test/",
        "https://u@billing.test/",
    ] {
        let Ok(uri) = unbound.parse::<http::Uri>() else { continue };
        assert_eq!(call(&uri.to_string(), None).await.expect_err(unbound).code(), "origin_not_bound");
    }
    for (header, code) in
        [(("authorization", "Basic x"), "authorization_already_set"), (("host", "stock.test"), "origin_not_bound")]
    {
        assert_eq!(call("https://billing.test/", Some(header)).await.expect_err(code).code(), code);
    }
    assert!(sent.lock().expect("not poisoned").is_empty(), "nothing was sent");
    call("https://billing.test/x", Some(("host", "billing.test"))).await.expect("sent");
    let sent = sent.lock().expect("not poisoned");
    assert!(sent[0].as_ref().is_some_and(|value| value.is_sensitive() && value == &format!("Bearer {TOKEN}")));
}

#[tokio::test]
async fn s7_16_redirects_to_another_host_port_or_scheme_carry_nothing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let tls_port = listener.local_addr().expect("an address").port();
    let over_tls = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut bytes = vec![0; 4096];
        let read = tokio::io::AsyncReadExt::read(&mut stream, &mut bytes).await.expect("a hello");
        bytes.truncate(read);
        bytes
    });
    for status in [301, 302, 303, 307, 308] {
        let (issuer, thief) = (issuing().await, Server::start(|_, _| unauthorized("Bearer")).await);
        let port = thief.port();
        let places = [
            format!("http://localhost:{port}/"),
            format!("//127.0.0.1:{port}/"),
            format!("http://127.0.0.1:{port}/"),
            format!("http://127.0.0.1:{port}/http://127.0.0.1/"),
        ];
        let count = places.len();
        let target = Server::start(move |n, _| redirect(status, &places[n])).await;
        let (outbound, http) = bound(&issuer, &target);
        for _ in 0..count {
            let answer = outbound.send(http.post(&target.url).body("paid")).await.expect("an answer");
            assert_eq!(answer.status(), 401, "the thief's, and no resend for it");
        }
        assert_eq!((target.count(), thief.count(), issuer.count()), (count, count, 1));
        assert!(thief.seen().iter().all(|seen| !holds(seen, TOKEN)), "{:?}", thief.seen());
        assert!(target.seen().iter().all(|seen| holds(seen, TOKEN)));
    }
    let issuer = issuing().await;
    let target = Server::start(move |_, _| redirect(307, &format!("https://127.0.0.1:{tls_port}/"))).await;
    let (outbound, http) = bound(&issuer, &target);
    let error = outbound.send(http.get(&target.url)).await.expect_err("no TLS there");
    assert_eq!(error.code(), "call_failed");
    let bytes = over_tls.await.expect("no panic");
    assert!(!bytes.is_empty() && !String::from_utf8_lossy(&bytes).contains(TOKEN));
}

#[tokio::test]
async fn s7_16_a_token_lost_on_the_way_is_not_put_back() {
    let issuer = issuing().await;
    let (target, thief) = (Server::listen().await, Server::listen().await);
    let (there, back) = (thief.url(), format!("{}/back", target.url()));
    let target = target.answer(move |_, seen| match seen.uri.path() {
        "/back" => unauthorized("Bearer"),
        _ => redirect(307, &there),
    });
    let thief = thief.answer(move |_, _| redirect(307, &back));
    let (outbound, http) = bound(&issuer, &target);
    let http_answer = outbound.send(http.get(&target.url)).await.expect("an answer");
    assert_eq!(http_answer.status(), 401);
    let [first, returned, ..] = &target.seen()[..] else { panic!("two requests at least") };
    assert!(holds(first, TOKEN) && !holds(returned, TOKEN));
    assert!(thief.seen().iter().all(|seen| !holds(seen, TOKEN)));
}

#[tokio::test]
async fn s10_01_an_echo_of_what_was_sent_reaches_no_log_and_no_error() {
    let (recorder, _guard) = Recorder::begin();
    tracing::trace!("the recorder records");
    let issuer = issuing().await;
    let target = Server::start(|_, seen| {
        let sent = seen.header("authorization").expect("a token").trim_start_matches("Bearer ").to_owned();
        let challenge = format!(r#"Bearer error="insufficient_user_authentication", acr_values="x {sent}""#);
        let mut answer = json(401, format!("{{\"you_sent\":\"{sent}\"}}"));
        answer.headers_mut().insert("www-authenticate", challenge.parse().expect("a value"));
        answer.headers_mut().insert("authorization", sent.parse().expect("a value"));
        answer
    })
    .await;
    let (outbound, http) = bound(&issuer, &target);
    let error = outbound.send(http.get(&target.url)).await.expect_err("step up");
    assert_eq!(error.code(), "step_up_required");
    recorder.add(&(&error, error.to_string()));

    let echoing = Server::start(|_, seen| {
        let sent = seen.header("authorization").expect("credentials");
        json(400, serde_json::json!({ "error": sent, "error_description": sent }).to_string())
    })
    .await;
    let (outbound, http) = bound(&echoing, &target);
    let error = outbound.send(http.get(&target.url)).await.expect_err("refused");
    assert_eq!(error.code(), "token_refused");
    recorder.add(&(&error, error.to_string(), error.oauth_error(), outbound));
    let recorded = recorder.text();
    assert!(recorded.contains("the recorder records"));
    for hidden in [TOKEN, SECRET, "b3JkZXJz"] {
        assert!(!recorded.contains(hidden), "{hidden} is in {recorded}");
    }
}

#[tokio::test]
async fn a_proxy_sees_no_call_that_was_refused() {
    let proxy = Server::start(|_, _| json(200, "{}".into())).await;
    let (issuer, target) = (issuing().await, Server::start(|_, _| json(200, "{}".into())).await);
    let http = reqwest::Client::builder().proxy(reqwest::Proxy::all(&proxy.url).expect("a proxy")).build();
    let http = http.expect("a client");
    let outbound =
        Outbound::builder(http.clone()).bind("https://billing.test", source(&issuer)).build().expect("bound");
    let error = outbound.send(http.get(&target.url)).await.expect_err("not bound");
    assert_eq!(error.code(), "origin_not_bound");
    assert_eq!((proxy.count(), issuer.count()), (0, 0));
    // A bound one goes through a tunnel: the proxy is asked for the host and shown nothing else.
    let _ = outbound.send(http.get("https://billing.test/")).await.expect_err("no tunnel here");
    assert_eq!((proxy.count(), proxy.seen()[0].method.as_str()), (1, "CONNECT"));
    assert!(!holds(&proxy.seen()[0], TOKEN) && !holds(&proxy.seen()[0], SECRET));
}

/// Run by itself, and by the next test with a proxy in its environment.
#[tokio::test]
async fn a_token_request_to_loopback_arrives() {
    let issuer = issuing().await;
    source(&issuer).token(&TokenRequest::default()).await.expect("a token");
    assert_eq!(issuer.count(), 1, "straight, not by way of a proxy");
}

#[tokio::test]
async fn s7_06_a_proxy_of_the_environment_sees_no_secret() {
    crate::servers::assert_passes_by_a_proxy("hostile::a_token_request_to_loopback_arrives").await;
}

/// A service that moves its token endpoint and answers 404, 405 or 410 at the old one: the next request finds the new one.
#[tokio::test]
async fn s4_07_a_token_endpoint_that_moved_is_discovered_again() {
    for gone in [404, 405, 410] {
        let listening = Server::listen().await;
        let url = listening.url();
        let moved = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (address, has_moved) = (url.clone(), Arc::clone(&moved));
        let service = listening.answer(move |_, seen| {
            let current = if has_moved.load(std::sync::atomic::Ordering::SeqCst) { "/new" } else { "/old" };
            match seen.uri.path() {
                path if path.starts_with("/.well-known/") => {
                    let endpoint = format!("{address}{current}");
                    json(200, serde_json::json!({ "issuer": address, "token_endpoint": endpoint }).to_string())
                }
                path if path == current => granted(path.trim_start_matches('/'), 0),
                _ => json(gone, String::new()),
            }
        });
        let source = ClientCredentials::from_issuer(&url).client("orders", String::from("s3cret-value"));
        let token = async || source.token(&TokenRequest::default()).await.map(|token| token.expose().to_owned());
        assert_eq!(token().await.expect("a token"), "old");
        moved.store(true, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(token().await.expect_err("gone").code(), "token_refused");
        assert_eq!(token().await.expect("a token"), "new", "after a {gone}");
        assert!(service.count() >= 5);
    }
}
