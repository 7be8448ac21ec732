//! Tokens where proxies and clients of WebSockets put them: each place only if enabled, and one credential per request.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::routing::any;
use base64_simd::URL_SAFE_NO_PAD;
use countersign::authenticate::{AuthenticateLayerBuilder, CookieToken, HeaderToken};
use countersign::prelude::*;
use countersign_test::TestIssuer;
use tower::ServiceExt;

use crate::app::{builder, good};

const NAME: &str = "cf-access-jwt-assertion";
const PROTOCOL: &str = "sec-websocket-protocol";
const UPGRADE: [(&str, &str); 2] = [("connection", "Upgrade"), ("upgrade", "websocket")];

/// Accepts handshakes, with the subprotocol `chat` if it is offered; answers with the caller and what is left of the header.
async fn seen(claims: Claims, headers: HeaderMap) -> (StatusCode, HeaderMap, String) {
    let offered = headers.get(PROTOCOL).and_then(|value| value.to_str().ok()).unwrap_or("-").to_owned();
    let mut answer = HeaderMap::new();
    if offered.split(", ").any(|name| name == "chat") {
        answer.insert(PROTOCOL, "chat".parse().expect("a value"));
    }
    let is_handshake = headers.contains_key("upgrade") && !headers.contains_key("x-refused");
    let status = if is_handshake { StatusCode::SWITCHING_PROTOCOLS } else { StatusCode::OK };
    (status, answer, format!("{} {offered} {:?}", claims.subject(), headers.get(NAME)))
}

/// The status, the chosen subprotocol and the body.
async fn ask(
    builder: &AuthenticateLayerBuilder,
    method: &str,
    headers: &[(&str, &str)],
) -> (u16, Option<String>, String) {
    let app = Router::new().route("/", any(seen)).layer(builder.clone().build().expect("a layer"));
    let request =
        headers.iter().fold(Request::builder().method(method), |request, (name, value)| request.header(*name, *value));
    let answer = app.oneshot(request.body(Body::empty()).expect("a request")).await.expect("answered");
    let chosen = answer.headers().get(PROTOCOL).map(|value| value.to_str().expect("text").to_owned());
    let status = answer.status().as_u16();
    let body = axum::body::to_bytes(answer.into_body(), 4096).await.expect("a body");
    (status, chosen, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn s5_09_a_proxys_header_brings_the_token_if_it_is_named_and_no_second_credential() {
    let issuer = TestIssuer::new();
    let token = good(&issuer).sign();
    let (bearer, lower, spaced) = (format!("Bearer {token}"), format!("bearer  {token}"), format!("{token} {token}"));
    let cookie = format!("t={token}");
    let on = builder(&issuer).header(NAME).cookie(CookieToken::new("t"));
    for (headers, status) in [
        (vec![(NAME, &*token)], 200),
        (vec![("CF-Access-JWT-Assertion", &*bearer)], 200),
        (vec![(NAME, &lower)], 200),
        (vec![(NAME, ""), ("authorization", &bearer)], 200),
        (vec![("authorization", &bearer)], 200),
        (vec![(NAME, "")], 401),
        (vec![("x-other", &token)], 401),
        (vec![(NAME, "a.b.c")], 401),
        (vec![(NAME, "Bearer ")], 400),
        (vec![(NAME, "Bearer")], 400),
        (vec![(NAME, &spaced)], 400),
        (vec![(NAME, "Basic dTpw")], 400),
        (vec![(NAME, &token), (NAME, &token)], 400),
        (vec![(NAME, &token), ("authorization", &bearer)], 400),
        (vec![(NAME, &token), ("authorization", "Basic dTpw")], 400),
        (vec![(NAME, &token), ("cookie", &cookie)], 400),
    ] {
        assert_eq!(ask(&on, "GET", &headers).await.0, status, "{} headers", headers.len());
    }
    let (_, _, body) = ask(&on, "GET", &[(NAME, &token)]).await;
    assert_eq!(body, "u1 - Some(Sensitive)");
    assert_eq!(ask(&builder(&issuer), "GET", &[(NAME, &token)]).await.0, 401, "only if enabled");
    for name in ["", "a b", "Authorization", "cookie", "sec-websocket-protocol"] {
        assert!(builder(&issuer).header(HeaderToken::new(name)).build().is_err(), "{name}");
    }
    assert!(builder(&issuer).header(HeaderToken::new(NAME).origins(["shop.test"])).build().is_err());
}

#[tokio::test]
async fn s5_11_a_proxys_header_is_not_used_across_sites() {
    let issuer = TestIssuer::new();
    let token = good(&issuer).sign();
    let on = builder(&issuer).header(HeaderToken::new(NAME).origins(["https://shop.test"]));
    let (site, origin) = ("sec-fetch-site", "origin");
    for (method, headers, status) in [
        ("GET", vec![(site, "cross-site")], 200),
        ("POST", vec![], 200),
        ("POST", vec![(site, "same-origin"), (origin, "https://api.test")], 200),
        ("POST", vec![(site, "cross-site"), (origin, "https://shop.test")], 200),
        ("POST", vec![(site, "cross-site"), (origin, "https://evil.test")], 403),
        ("POST", vec![(site, "cross-site")], 403),
        ("POST", vec![(site, "same-site")], 403),
        ("POST", vec![(origin, "null")], 403),
        ("DELETE", vec![(origin, "https://evil.test")], 403),
        ("GET", vec![UPGRADE[0], UPGRADE[1], (origin, "https://evil.test")], 403),
    ] {
        let headers: Vec<(&str, &str)> = headers.into_iter().chain([(NAME, &*token)]).collect();
        assert_eq!(ask(&on, method, &headers).await.0, status, "{method} {:?}", &headers[..headers.len() - 1]);
    }
}

#[tokio::test]
async fn s5_21_the_usual_pairs_of_subprotocols_bring_the_token_and_are_answered() {
    let issuer = TestIssuer::new();
    let token = good(&issuer).sign();
    let encoded = format!("base64url.bearer.authorization.k8s.io.{}", URL_SAFE_NO_PAD.encode_to_string(&token));
    let off = builder(&issuer);
    let (pair, kubernetes) = (off.clone().websocket_protocol_pair(), off.clone().websocket_protocol_kubernetes());
    let all = pair.clone().websocket_protocol_kubernetes().websocket_protocol();
    let ok = |chosen: &'static str, left| (101, Some(chosen), left);
    let refused = |status| (status, None, "");
    for (builder, offers, (status, chosen, left)) in [
        (&pair, format!("bearer, {token}"), ok("bearer", "bearer")),
        (&pair, format!("bearer,{token}, chat"), ok("chat", "bearer, chat")),
        (&pair, format!("chat, , bearer, , {token}"), ok("chat", "chat, bearer")),
        (&all, format!("bearer, {token}"), ok("bearer", "bearer")),
        (&all, format!("chat, bearer.{token}"), ok("chat", "chat")),
        (&kubernetes, format!("{encoded}, chat"), ok("chat", "chat")),
        (&kubernetes, encoded.clone(), (101, None, "-")),
        (&pair, "bearer".into(), refused(401)),
        (&pair, "bearer, bearer".into(), refused(401)),
        (&pair, format!("{token}, bearer"), refused(401)),
        (&pair, format!("bearer, {token}, bearer, {token}"), refused(400)),
        (&pair, format!("bearer.{token}"), refused(401)),
        (&pair, encoded.clone(), refused(401)),
        (&kubernetes, format!("bearer, {token}"), refused(401)),
        (&kubernetes, format!("{encoded}=, chat"), refused(400)),
        (&kubernetes, "base64url.bearer.authorization.k8s.io.".into(), refused(400)),
        (&kubernetes, "base64url.bearer.authorization.k8s.io._w".into(), refused(400)),
        (&all, format!("bearer, {token}, {encoded}"), refused(400)),
        (&all, format!("bearer.{token}, bearer, {token}"), refused(400)),
        (&off, format!("bearer, {token}"), refused(401)),
    ] {
        let label = offers.replace(&token, "TOKEN");
        let answer = ask(builder, "GET", &[UPGRADE[0], UPGRADE[1], (PROTOCOL, &offers)]).await;
        assert_eq!((answer.0, answer.1.as_deref()), (status, chosen), "{label}");
        if status == 101 {
            assert_eq!(answer.2, format!("u1 {left} None"), "{label}");
        }
    }
    let offers = format!("bearer, {token}");
    assert_eq!(ask(&pair, "GET", &[(PROTOCOL, &offers)]).await.0, 401, "only of a handshake");
    let bearer = format!("Bearer {token}");
    let both = [UPGRADE[0], UPGRADE[1], (PROTOCOL, &*offers), ("authorization", &bearer)];
    assert_eq!(ask(&pair, "GET", &both).await.0, 400);
    let unaccepted = [UPGRADE[0], UPGRADE[1], (PROTOCOL, &*offers), ("x-refused", "1")];
    assert_eq!(ask(&pair, "GET", &unaccepted).await.1, None, "no handshake took place");
}

/// Two layers answer the pair once: browsers end a connection with two chosen subprotocols.
#[tokio::test]
async fn s5_21_two_layers_answer_the_pair_once() {
    let issuer = TestIssuer::new();
    let layer = || builder(&issuer).websocket_protocol_pair();
    let app = Router::new()
        .route("/", any(|| async { StatusCode::SWITCHING_PROTOCOLS }))
        .layer(layer().allow_anonymous().build().expect("a layer"))
        .layer(layer().build().expect("a layer"));
    let offers = format!("bearer, {}", good(&issuer).sign());
    let request = [UPGRADE[0], UPGRADE[1], (PROTOCOL, &*offers)].into_iter();
    let request = request.fold(Request::get("/"), |request, (name, value)| request.header(name, value));
    let answer = app.oneshot(request.body(Body::empty()).expect("a request")).await.expect("answered");
    let chosen = answer.headers().get_all(PROTOCOL).iter().map(|name| name.to_str().expect("text")).collect::<Vec<_>>();
    assert_eq!((answer.status().as_u16(), chosen), (101, vec!["bearer"]));
}

/// The credential of a staging proxy lets nobody in, and is a second credential unless it is ignored.
#[tokio::test]
async fn s5_09_a_basic_credential_beside_a_cookie_is_ignored_only_if_that_is_set() {
    let issuer = TestIssuer::new();
    let token = good(&issuer).sign();
    let cookie = format!("t={token}");
    let bearer = format!("Bearer {token}");
    let joined = format!("Basic dTpw, Bearer {token}");
    let off = builder(&issuer).cookie(CookieToken::new("t"));
    let on = off.clone().ignore_basic();
    for (builder, headers, status) in [
        (&off, vec![("authorization", "Basic dTpw"), ("cookie", &*cookie)], 400),
        (&on, vec![("authorization", "Basic dTpw"), ("cookie", &cookie)], 200),
        (&on, vec![("authorization", "basic dTpw"), ("cookie", &cookie)], 200),
        (&on, vec![("authorization", "Basic dTpw")], 401),
        (&on, vec![("authorization", "Basic dTpw"), ("authorization", "Basic dTpw"), ("cookie", &cookie)], 400),
        (&on, vec![("authorization", "Basic"), ("cookie", &cookie)], 400),
        (&on, vec![("authorization", "Digest x"), ("cookie", &cookie)], 400),
        (&on, vec![("authorization", &joined), ("cookie", &cookie)], 400),
        (&on, vec![("authorization", &joined)], 400),
        (&on, vec![("authorization", &bearer), ("cookie", &cookie)], 400),
        (&on, vec![("authorization", &bearer)], 200),
    ] {
        assert_eq!(ask(builder, "GET", &headers).await.0, status, "{:?}", headers[0].1.split('.').next());
    }
}
