//! Further locations of the token: each only if enabled, and one credential per request.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, Uri};
use axum::routing::any;
use countersign::authenticate::{AuthenticateLayer, AuthenticateLayerBuilder, CookieToken, danger};
use countersign::key::{Algorithm, StaticKeys};
use countersign::mint::{Draft, Signer};
use countersign::policy::NeedsAudience;
use countersign::prelude::*;
use countersign_test::TestIssuer;
use countersign_tests::http::Service;

use crate::app::{builder, good};

/// Answers with the caller and with what the handler sees of the request.
async fn seen(claims: Option<Claims>, uri: Uri, headers: HeaderMap) -> String {
    let protocols = headers.get("sec-websocket-protocol").and_then(|value| value.to_str().ok()).unwrap_or("-");
    let who = claims.map_or("nobody".to_owned(), |claims| claims.subject().to_owned());
    format!("{who} {uri} {protocols} {:?}", headers.get("authorization").or(headers.get("cookie")))
}

async fn serve(builder: AuthenticateLayerBuilder) -> Service {
    let layer = builder.build().expect("a layer");
    Service::start(Router::new().route("/", any(seen)).layer(layer)).await
}

fn cookie() -> CookieToken {
    CookieToken::new("__Host-token").origins(["https://shop.test"])
}

const UPGRADE: [&str; 2] = ["Connection: Upgrade", "Upgrade: websocket"];

#[tokio::test]
async fn s5_11_a_cookie_is_accepted_if_enabled_and_not_across_sites() {
    let issuer = TestIssuer::new();
    let token = good(&issuer).sign();
    let service = serve(builder(&issuer).cookie(cookie())).await;
    let brings = format!("Cookie: a=1; __Host-token={token}; b=2");
    let same = "Sec-Fetch-Site: same-origin";
    for (line, headers, status) in [
        ("GET /", vec![], 200),
        ("GET /", vec!["Sec-Fetch-Site: cross-site"], 200),
        ("HEAD /", vec![], 200),
        ("POST /", vec![same], 200),
        ("POST /", vec!["Sec-Fetch-Site: none"], 200),
        ("POST /", vec![same, "Origin: https://api.test"], 200),
        ("POST /", vec!["Origin: https://shop.test"], 200),
        ("POST /", vec!["Sec-Fetch-Site: same-site", "Origin: https://shop.test"], 200),
        ("POST /", vec!["Sec-Fetch-Site: cross-site", "Origin: https://shop.test"], 200),
        ("POST /", vec![], 403),
        ("POST /", vec!["Sec-Fetch-Site: cross-site"], 403),
        ("POST /", vec!["Sec-Fetch-Site: same-site"], 403),
        ("POST /", vec!["Sec-Fetch-Site: cross-site", "Origin: https://evil.test"], 403),
        ("POST /", vec!["Origin: https://api.test"], 403),
        ("POST /", vec!["Origin: null"], 403),
        ("POST /", vec!["Origin: https://shop.test.evil.test"], 403),
        ("POST /", vec!["Origin: https://shop.test", "Origin: https://evil.test"], 403),
        ("POST /", vec![same, "Sec-Fetch-Site: cross-site"], 403),
        ("PUT /", vec![], 403),
        ("DELETE /", vec![], 403),
        ("PROPFIND /", vec![], 403),
        ("GET /", vec![UPGRADE[0], UPGRADE[1], "Origin: https://evil.test"], 403),
        ("GET /", vec![UPGRADE[0], UPGRADE[1], same], 200),
    ] {
        let mut lines = headers.clone();
        lines.push(&brings);
        let answer = service.request(line, &lines).await;
        assert_eq!(answer.status, status, "{line} {headers:?}");
        if status == 403 {
            assert_eq!((answer.code().as_str(), answer.challenge()), ("forbidden", ""));
        }
    }
    // One name for all readers: what a handler takes for this cookie counts as one.
    for second in [
        format!("{brings}; __Host-token =x"),
        format!("{brings}; __Host-token=\"x\""),
        format!("{brings};__Host-token"),
    ] {
        let status = service.request("GET /", &[&second]).await.status;
        assert_eq!(status, if second.ends_with("token") { 200 } else { 400 }, "{second}");
    }
    for quoted in [format!("Cookie: __Host-token=\"{token}\""), format!("Cookie: __Host-token={token}%3D")] {
        assert_eq!(service.request("GET /", &[&quoted]).await.status, 400, "{quoted}");
    }
    let query = format!("GET /?access%5Ftoken={token}");
    assert_eq!(service.request(&query, &[&brings]).await.status, 400, "a second token in the query");
    for upgrade in ["Upgrade: foo, WebSocket", "Upgrade: foo\r\nUpgrade: websocket"] {
        let answer = service.request("GET /", &[UPGRADE[0], upgrade, "Origin: https://evil.test", &brings]).await;
        assert_eq!(answer.status, 403, "{upgrade}");
    }
    assert_eq!(service.request("POST /", &[]).await.status, 401, "without the cookie there is no credential");
    assert_eq!(service.get("/", &token).await.status, 200, "the header is still accepted");
    let post = service.request("POST /", &[&format!("Authorization: Bearer {token}")]).await;
    assert_eq!(post.status, 200, "no other site can cause a request with that header");
    let expired = format!("Cookie: __Host-token={}", good(&issuer).expired().sign());
    assert_eq!(service.request("GET /", &[&expired]).await.code(), "token_expired");
}

#[tokio::test]
async fn s5_09_s5_10_credentials_in_two_locations_are_a_bad_request() {
    let issuer = TestIssuer::new();
    let token = good(&issuer).sign();
    let service = serve(danger::token_in_query(builder(&issuer).cookie(cookie()).websocket_protocol())).await;
    let header = format!("Authorization: Bearer {token}");
    let cookie = format!("Cookie: __Host-token={token}");
    let protocol = format!("Sec-WebSocket-Protocol: chat.v1, bearer.{token}");
    let query = format!("GET /?access_token={token}");
    let same = "Sec-Fetch-Site: same-origin";
    let upgraded =
        |lines: &[&str]| [&UPGRADE[..], &[same], lines].concat().into_iter().map(str::to_owned).collect::<Vec<_>>();
    for (line, headers) in [
        ("GET /", vec![header.clone(), cookie.clone()]),
        ("GET /", vec!["Authorization: Basic dTpw".to_owned(), cookie.clone()]),
        ("GET /", upgraded(&[&header, &protocol])),
        ("GET /", upgraded(&[&cookie, &protocol])),
        ("GET /", upgraded(&[&protocol, &protocol])),
        ("GET /", vec![cookie.clone(), cookie.clone()]),
        ("GET /", vec![format!("{cookie}; __Host-token=other")]),
        ("GET /", vec!["Cookie: __Host-token=".to_owned()]),
        ("GET /", vec!["Cookie: __Host-token=\"quoted\"".to_owned()]),
        (&query, vec![header.clone()]),
        (&query, vec![cookie.clone()]),
        (&format!("{query}&access_token={token}"), vec![]),
        ("GET /?access_token=", vec![]),
        ("GET /?access_token", vec![]),
    ] {
        let lines: Vec<&str> = headers.iter().map(String::as_str).collect();
        let answer = service.request(line, &lines).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"), "{line} {}", headers.len());
    }
    for (line, headers) in
        [("GET /", vec![header]), ("GET /", vec![cookie]), ("GET /", upgraded(&[&protocol])), (&query, vec![])]
    {
        let lines: Vec<&str> = headers.iter().map(String::as_str).collect();
        assert!(service.request(line, &lines).await.body.starts_with("u1 "), "one is one");
    }
}

/// Some handlers decode the names of cookies, and a browser guards `__Host-` only as it is written.
#[tokio::test]
async fn s15_09_an_escaped_name_of_the_cookie_is_a_bad_request() {
    let issuer = TestIssuer::new();
    let token = good(&issuer).sign();
    let service = serve(builder(&issuer).cookie(cookie())).await;
    for (cookies, status) in [
        (format!("__Host-token={token}; __Host%2Dtoken={token}"), 400),
        (format!("__Host%2dtoken={token}"), 400),
        (format!("%5F%5fHost-toke%6e=x; __Host-token={token}"), 400),
        (format!("__Host-token={token}; __Host%2Dtokens=x; %zz=1; a%20b=2"), 200),
    ] {
        let answer = service.request("GET /", &[&format!("Cookie: {cookies}")]).await;
        assert_eq!(answer.status, status, "{}", cookies.replace(&token, "TOKEN"));
    }
}

#[tokio::test]
async fn s5_21_a_subprotocol_carries_the_token_and_no_handler_sees_it() {
    let issuer = TestIssuer::new();
    let token = good(&issuer).sign();
    let service = serve(builder(&issuer).websocket_protocol()).await;
    for (offer, left) in [
        (format!("chat.v1, bearer.{token}"), "chat.v1"),
        (format!("bearer.{token},chat.v2 , chat.v1"), "chat.v2, chat.v1"),
        (format!("bearer.{token}"), "-"),
    ] {
        let line = format!("Sec-WebSocket-Protocol: {offer}");
        let answer = service.request("GET /", &[UPGRADE[0], UPGRADE[1], &line]).await;
        assert_eq!(answer.body, format!("u1 / {left} None"));
        assert_eq!(service.request("GET /", &[&line]).await.status, 401, "only of a handshake");
    }
    let other = "Sec-WebSocket-Protocol: chat.v1";
    assert_eq!(service.request("GET /", &[UPGRADE[0], UPGRADE[1], other]).await.status, 401);
}

#[tokio::test]
async fn s5_10_s10_10_a_token_in_the_query_needs_the_dangerous_switch_and_goes_no_further() {
    let issuer = TestIssuer::new();
    let token = good(&issuer).sign();
    let service = serve(danger::token_in_query(builder(&issuer))).await;
    for (query, left) in
        [(format!("?access_token={token}"), "/"), (format!("?a=1&access_token={token}&b=%20"), "/?a=1&b=%20")]
    {
        assert_eq!(service.request(&format!("GET /{query}"), &[]).await.body, format!("u1 {left} - None"));
    }
    assert_eq!(service.request("GET /?access_token=abc", &[]).await.status, 401);
    let plain = serve(builder(&issuer)).await;
    assert_eq!(plain.request(&format!("GET /?access_token={token}"), &[]).await.status, 401);
}

/// Checked before keys are needed, and not counted as a refused token.
#[tokio::test]
async fn s5_02_a_malformed_token_is_a_bad_request_in_every_location_even_without_its_key() {
    let issuer = TestIssuer::new();
    let keys = Arc::new(StaticKeys::new([]));
    let verifier = Verifier::new(NeedsAudience::new(issuer.name(), keys).audience("api")).expect("a verifier");
    let builder = AuthenticateLayer::builder(verifier.clone()).cookie(cookie()).websocket_protocol();
    let service = serve(danger::token_in_query(builder)).await;
    let bring = async |token: &str, escaped: &str| {
        let mut answers = Vec::new();
        for header in [format!("Authorization: Bearer {token}"), format!("Cookie: __Host-token={token}")] {
            answers.push(service.request("GET /", &[&header]).await.status);
        }
        answers.push(service.request(&format!("GET /?access_token={escaped}"), &[]).await.status);
        answers
    };
    let token = good(&issuer).sign();
    assert_eq!(bring(&token, &token).await, [401; 3], "its form is right, its key unknown");
    let before = verifier.stats();
    for (end, escaped) in [("{", "{"), (":x", ":x"), ("\\", "%5C")] {
        assert_eq!(bring(&format!("{token}{end}"), &format!("{token}{escaped}")).await, [400; 3], "{end}");
    }
    for line in [format!("Bearer {token} x"), format!("Bearer {token}, Bearer {token}"), "Bearer ".into()] {
        assert_eq!(service.request("GET /", &[&format!("Authorization: {line}")]).await.status, 400);
    }
    assert_eq!(verifier.stats(), before);
}

#[tokio::test]
async fn s5_10_the_dangerous_switch_does_nothing_if_danger_is_denied() {
    let signer = Signer::generate(Algorithm::ES256).expect("a key");
    let keys = StaticKeys::new([signer.verifying_key().expect("public")]);
    let issuer = NeedsAudience::new("https://id.test", Arc::new(keys)).audience("orders");
    let verifier = Verifier::builder().deny_danger().trust(issuer).build().expect("a verifier");
    let now = verifier.clock().now();
    let draft = Draft::access_token().issuer("https://id.test").audience("orders").subject("u1").client_id("web");
    let draft = draft.issued_at(now).expires_at(now.saturating_add(Duration::from_secs(60)));
    let token = draft.claim("jti", "1").sign(&signer).expect("a token");
    let service = serve(danger::token_in_query(AuthenticateLayer::builder(verifier))).await;
    assert_eq!(service.request(&format!("GET /?access_token={token}"), &[]).await.status, 401);
    assert_eq!(service.get("/", &token).await.status, 200);
}

/// S10.02: the header that holds the token is marked sensitive for all that stands behind the layer.
#[tokio::test]
async fn s10_02_the_headers_of_the_token_are_marked_sensitive() {
    let issuer = TestIssuer::new();
    let token = good(&issuer).sign();
    let service = serve(builder(&issuer).cookie(cookie())).await;
    for answer in
        [service.get("/", &token).await, service.request("GET /", &[&format!("Cookie: __Host-token={token}")]).await]
    {
        assert_eq!(answer.body, "u1 / - Some(Sensitive)");
    }
}

#[tokio::test]
async fn s5_10_a_token_in_a_form_needs_the_dangerous_switch_and_goes_no_further() {
    let issuer = TestIssuer::new();
    let token = good(&issuer).sign();
    let echo = |claims: Claims, body: String| async move { format!("{} {body}", claims.subject()) };
    let router = || Router::new().route("/", any(echo)).layer(crate::app::layer(&issuer));
    let post = |kind: &str, more: &str, body: &str| {
        let length = body.len();
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {kind}\r\n");
        format!("{head}{more}Content-Length: {length}\r\n\r\n{body}").into_bytes()
    };
    const FORM: &str = "application/x-www-form-urlencoded";
    let header = format!("Authorization: Bearer {token}\r\n");
    let service = Service::start(router().layer(danger::token_in_form())).await;
    let form = format!("a=1&access_token={token}&b=%20");
    for (kind, more, body, status, answer) in [
        (FORM, "", &*form, 200, "u1 a=1&b=%20"),
        ("Application/X-WWW-Form-Urlencoded; charset=utf-8", "", &form, 200, "u1 a=1&b=%20"),
        (FORM, "", &format!("access_token={token}"), 200, "u1 "),
        (FORM, &header, "a=1", 200, "u1 a=1"),
        (FORM, &header, &form, 400, ""),
        (FORM, "", &format!("{form}&access_token={token}"), 400, ""),
        (FORM, "", "access_token=", 400, ""),
        (FORM, "", "access_token=a%0d%0ab", 400, ""),
        (FORM, "", "a=1", 401, ""),
        ("text/plain", "", &form, 401, ""),
        (FORM, "", &format!("a={}", "x".repeat(65 * 1024)), 413, ""),
    ] {
        let got = service.send(&post(kind, more, body)).await;
        assert_eq!(got.status, status, "{kind} {} {got:?}", body.len());
        assert!(status != 200 || got.body == answer, "{}", got.body);
    }
    let plain = Service::start(router()).await;
    assert_eq!(plain.send(&post(FORM, "", &form)).await.status, 401, "without the switch nobody looks");
}

#[test]
fn names_and_origins_that_cannot_be_are_refused() {
    let issuer = TestIssuer::new();
    let faults = |cookie: CookieToken| {
        let error = builder(&issuer).cookie(cookie).build().expect_err("a fault");
        error.faults().iter().map(|fault| fault.field.clone().into_owned()).collect::<Vec<_>>()
    };
    for bad in ["", "a b", "a=b", "a;b", "\u{e9}"] {
        assert_eq!(faults(CookieToken::new(bad)), ["cookie"], "{bad}");
    }
    for bad in ["", "*", "shop.test", "https://", "https://shop.test/", "https://*.test", "null"] {
        assert_eq!(faults(CookieToken::new("t").origins([bad])), ["origins"], "{bad}");
        assert_eq!(faults(CookieToken::new("").origins(["https://shop.test", bad])), ["cookie", "origins"], "{bad}");
    }
}
