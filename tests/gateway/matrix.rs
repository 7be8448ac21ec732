//! What holds with every edge.

use crate::backend::{lenient_values, target, values};
use crate::edge::Running;
use crate::world::World;

/// S9.12, S9.13: with each credential, the edge decides as the library's own app does, and only what that admits passes, as the
/// caller that it is.
pub async fn decides_as_the_library(edge: &Running, world: &World) {
    let requests =
        [("GET", "/orders"), ("POST", "/orders"), ("GET", "/health"), ("GET", "/unknown"), ("DELETE", "/orders")];
    for (method, path) in requests {
        let counterparts = world.credentials(method, path).await;
        for ((name, headers), (_, same)) in world.credentials(method, path).await.into_iter().zip(counterparts) {
            let expected = world.decides(method, path, &same).await;
            let answer = edge.request(method, path, &headers).await;
            let seen = edge.backend.seen();
            let context = format!("{method} {path}, {name}: {answer:?} {seen:?}");
            // An edge may refuse two credentials by itself, also on routes that need none.
            let expected = if name == "two" && answer.status == 400 { 400 } else { expected };
            assert_eq!(answer.status, expected, "{context}");
            assert_eq!(seen.len(), usize::from(expected == 200), "{context}");
            if expected == 401 {
                assert!(
                    answer.challenge().starts_with("Bearer") || answer.challenge().starts_with("DPoP"),
                    "{context}"
                );
            }
            for head in &seen {
                let caller = match (path, name) {
                    ("/health", _) => vec![],
                    (_, "an API key") => vec!["reports"],
                    _ => vec!["ann"],
                };
                assert_eq!(values(head, "x-caller"), caller, "{context}");
                assert_eq!(target(head), path, "{context}");
            }
        }
    }
}

/// Spellings of headers that belong to the gateway.
const SPELLINGS: [&str; 40] = [
    "X-Caller: admin",
    "x-caller: admin",
    "X-CALLER: admin",
    "x-CaLLeR: admin",
    "X_Caller: admin",
    "x_caller: admin",
    "X_CALLER: admin",
    "X.Caller: admin",
    "x.caller: admin",
    "X-Caller-Bin: admin",
    "x-caller-bin: YWRtaW4",
    "x_caller_bin: admin",
    "X!Caller: admin",
    "X#Caller: admin",
    "X$Caller: admin",
    "X%Caller: admin",
    "X&Caller: admin",
    "X'Caller: admin",
    "X*Caller: admin",
    "X+Caller: admin",
    "X^Caller: admin",
    "X`Caller: admin",
    "X|Caller: admin",
    "X~Caller: admin",
    "X-Caller : admin",
    " X-Caller: admin",
    "X-Caller:\tadmin",
    "X-Caller:admin",
    "X-Caller: admin\r\nX-Caller: admin",
    "X-Caller: ann\r\nX-Caller: admin",
    "X-Caller: ann,admin",
    "X-Caller: \r\nX-Caller: admin",
    "X-Caller:\r\n admin",
    "X-Caller: ann\r\n admin",
    "X-Caller: ann\r\n\tadmin",
    "A: b\r\n X-Caller: admin",
    "A: b\nX-Caller: admin",
    "A: b\rX-Caller: admin",
    "X-Caller: admin\r\nX_Caller: admin\r\nX.Caller: admin",
    ":authority: admin\r\nX-Caller: admin",
];

/// S9.01, S9.02, S9.16: whatever a client calls itself, the service behind sees the caller of the token, or nothing.
pub async fn passes_no_identity_of_a_client(edge: &Running, world: &World) {
    for spelling in SPELLINGS {
        for (path, credential) in [("/orders", Some(world.good())), ("/health", None)] {
            let headers: Vec<String> = [spelling.to_owned()].into_iter().chain(credential).collect();
            let answer = edge.request("GET", path, &headers).await;
            for head in edge.backend.seen() {
                let context = format!("{spelling:?} {path}: {answer:?} {head:?}");
                let expected = if path == "/health" { vec![] } else { vec!["ann"] };
                assert_eq!(lenient_values(&head, "x-caller"), expected, "{context}");
            }
        }
    }
    for nominated in ["X-Caller", "x-caller, close", "close, X_Caller", "Authorization", "Host", "X-Countersign-Uri"] {
        let answer = edge.raw("GET /orders", &format!("close, {nominated}"), &[world.good()]).await;
        for head in edge.backend.seen() {
            assert_eq!(values(&head, "x-caller"), ["ann"], "{nominated}: {answer:?} {head:?}");
        }
    }
    let overrides = [
        "X-HTTP-Method-Override: DELETE",
        "X-HTTP-Method: DELETE",
        "X-Method-Override: DELETE",
        "X_HTTP_Method_Override: DELETE",
        "X-Original-URL: /admin",
        "X-Rewrite-URL: /admin",
        "X-Original-URI: /admin",
        "x.original.url: /admin",
        "X-Forwarded-Uri: /health",
        "X-Forwarded-Method: GET",
        "X-Countersign-Uri: /health",
        "X-Envoy-Original-Path: /health",
        "X-Forwarded-Host: evil.test",
    ];
    let (good, weak) = (world.good(), world.token("other", "clerk"));
    for header in overrides {
        let refused = edge.request("GET", "/orders", &[header.to_owned(), weak.clone()]).await;
        assert!(refused.status >= 400 && edge.backend.seen().is_empty(), "{header}: {refused:?}");
        let posted = edge.request("POST", "/orders", &[header.to_owned(), good.clone()]).await;
        assert!(posted.status >= 400 && edge.backend.seen().is_empty(), "{header}: {posted:?}");
        edge.request("GET", "/orders", &[header.to_owned(), good.clone()]).await;
        for head in edge.backend.seen() {
            assert!(!head.contains("DELETE") && !head.contains("/admin"), "{header}: {head:?}");
        }
    }
}

/// Spellings of addresses. With `/orders` open to the caller, none may reach the service as another address than was decided about.
const ADDRESSES: [&str; 66] = [
    "/orders",
    "/orders?id=7",
    "/orders?x=/../admin",
    "/orders?",
    "/orders/",
    "//orders",
    "///orders",
    "/orders//",
    "/./orders",
    "/orders/.",
    "/orders/./",
    "/orders/..",
    "/orders/../",
    "/orders/../admin",
    "/admin/../orders",
    "/orders/../../admin",
    "/../orders",
    "/orders%2f..%2fadmin",
    "/orders%2F..%2Fadmin",
    "/orders/%2e%2e/admin",
    "/orders/%2E%2E/admin",
    "/orders/.%2e/admin",
    "/orders/%2e./admin",
    "/%2e%2e/admin",
    "/%2e/orders",
    "/%6frders",
    "/%6Frders",
    "/ord%65rs",
    "/orders%00",
    "/orders%00/admin",
    "/orders%0a",
    "/orders%0d%0a",
    "/orders%20",
    "/orders%09",
    "/orders;/admin",
    "/orders;x=1",
    "/orders/;/../admin",
    "/orders%3b",
    "/orders%3Fx",
    "/orders%23x",
    "/orders#x",
    "/orders#/../admin",
    "/admin#/orders",
    "/admin?/orders",
    "/orders\\..\\admin",
    "/orders%5c..%5cadmin",
    "/orders%255c",
    "/orders%252f..%252fadmin",
    "/%252e%252e/admin",
    "/orders%",
    "/orders%2",
    "/orders%zz",
    "/orders%u002f",
    "/orders%c0%af..%c0%afadmin",
    "/orders%ef%bc%8fadmin",
    "/orders/%e2%80%a5/admin",
    "/ORDERS",
    "/Orders",
    "/check/GET/orders",
    "/_check",
    "/GET/orders",
    "http://shop.example.com/orders",
    "http://evil.test/orders",
    "http://shop.example.com/admin",
    "*",
    "orders",
];

/// S9.12, S5.23: what the service behind receives is what was decided about.
pub async fn sends_what_was_decided_about(edge: &Running, world: &World) {
    let headers = [world.good()];
    let mut passed = Vec::new();
    for address in ADDRESSES {
        let answer = edge.request("GET", address, &headers).await;
        for head in edge.backend.seen() {
            assert_eq!(world.decides("GET", target(&head), &headers).await, 200, "{address}: {answer:?} {head:?}");
            assert_eq!(values(&head, "x-caller"), ["ann"], "{address}");
            passed.push(address);
        }
        let open = edge.request("GET", address, &[]).await;
        assert!(open.status >= 300 && edge.backend.seen().is_empty(), "{address}: {open:?}");
    }
    assert!(["/orders", "/orders?id=7", "/orders?x=/../admin"].iter().all(|good| passed.contains(good)), "{passed:?}");
    for open in [
        "/health/",
        "/health/../orders",
        "//health",
        "/%68ealth",
        "/health;x",
        "/HEALTH",
        "/health%00",
        "/health%2f..%2forders",
    ] {
        let answer = edge.request("GET", open, &[]).await;
        let seen = edge.backend.seen();
        if edge.normalizes() && answer.status == 200 {
            assert!(seen.iter().all(|head| target(head) == "/health"), "{open}: {seen:?}");
            continue;
        }
        assert!(answer.status >= 300 && seen.is_empty(), "{open}: {answer:?}");
    }
    assert_eq!(edge.request("GET", "/health?x", &[]).await.status, 200);
    assert_eq!(edge.backend.seen().len(), 1);
}

/// A preflight and a WebSocket handshake are decided about as by the library, and what the answer of a layer calls fine is no
/// permission (the fault C1 of a review: a refusal in gRPC's form is a 200).
pub async fn takes_no_answer_for_a_permission(edge: &Running, world: &World) {
    for header in
        ["Content-Type: application/grpc", "Content-Type: application/grpc-web+proto", "TE: trailers", "Accept: */*"]
    {
        for credential in
            [None, Some("Authorization: Bearer e30.e30.AA".to_owned()), Some(world.token("other", "clerk"))]
        {
            let headers: Vec<String> = [header.to_owned()].into_iter().chain(credential).collect();
            for method in ["GET", "POST"] {
                let answer = edge.request(method, "/orders", &headers).await;
                // Envoy writes its own refusals of such requests in gRPC's form.
                let is_refused_by_grpc =
                    answer.header("grpc-status").is_some_and(|status| ["7", "16"].contains(&status));
                let is_refused = [401, 403].contains(&answer.status) || is_refused_by_grpc;
                assert!(is_refused, "{headers:?}: {answer:?}");
                assert!(edge.backend.seen().is_empty(), "{headers:?}");
            }
        }
    }
    let preflight = [
        "Origin: https://shop.test",
        "Access-Control-Request-Method: GET",
        "Access-Control-Request-Headers: authorization",
    ];
    let preflight = preflight.map(str::to_owned);
    for path in ["/orders", "/unknown", "/health"] {
        let expected = world.decides("OPTIONS", path, &preflight).await;
        let answer = edge.request("OPTIONS", path, &preflight).await;
        assert_eq!((answer.status, edge.backend.seen().len()), (expected, 0), "{path}: {answer:?}");
    }
    let handshake = |credential: Option<String>| {
        let upgrade =
            ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="];
        upgrade.map(str::to_owned).into_iter().chain(credential).collect::<Vec<_>>()
    };
    let refused = edge.raw("GET /orders", "Upgrade", &handshake(None)).await;
    assert_eq!((refused.status, edge.backend.seen().len()), (401, 0), "{refused:?}");
    let refused = edge.raw("GET /orders", "Upgrade", &handshake(Some(world.token("other", "clerk")))).await;
    assert_eq!((refused.status, edge.backend.seen().len()), (403, 0), "{refused:?}");
    let accepted = edge.raw("GET /orders", "Upgrade", &handshake(Some(world.good()))).await;
    let seen = edge.backend.seen();
    assert_eq!((accepted.status, seen.len()), (101, 1), "{accepted:?} {seen:?}");
    assert_eq!(values(&seen[0], "x-caller"), ["ann"]);
}

/// Without the gateway nobody passes; with it again, callers do.
pub async fn fails_closed(edge: &mut Running, world: &World) {
    let headers = [world.good()];
    assert_eq!(edge.request("GET", "/orders", &headers).await.status, 200);
    edge.backend.seen();
    edge.stop_gateway().await;
    for path in ["/orders", "/health", "/unknown"] {
        let answer = edge.request("GET", path, &headers).await;
        assert!(answer.status >= 500 && edge.backend.seen().is_empty(), "{path}: {answer:?}");
    }
    edge.start_gateway().await;
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while edge.request("GET", "/orders", &headers).await.status != 200 {
        assert!(std::time::Instant::now() < limit, "not served again");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
