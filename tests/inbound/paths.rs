//! Paths, methods and hosts: only a listed path is public.

use axum::Router;
use axum::http::{Method, header};
use axum::routing::{any, get};
use countersign_test::TestIssuer;
use countersign_tests::http::Service;
use tower_http::cors::CorsLayer;

use crate::app::{builder, good, layer, router, service, who};

#[tokio::test]
async fn s5_23_only_the_very_path_is_public() {
    let issuer = TestIssuer::new();
    let layer = builder(&issuer).public(["/health"]).build().expect("a layer");
    let router = router().fallback(who).layer(layer);
    let service = Service::start(router).await;
    for open in ["/health", "/health?x", "/health?access_token=x"] {
        assert_eq!(service.request(&format!("GET {open}"), &[]).await.body, "nobody", "{open}");
    }
    for closed in [
        "/health/",
        "/health/../admin",
        "/./health",
        "//health",
        "/%68ealth",
        "/%68ealth/x",
        "/health;x",
        "/HEALTH",
        "/health%00",
        "/health%2e",
        "/orders/..%2fhealth",
        "/health%3fx",
        "/",
        "http://api.test/orders",
        "http://health/orders",
    ] {
        let answer = service.request(&format!("GET {closed}"), &[]).await;
        assert_eq!((answer.status, answer.challenge()), (401, "Bearer realm=\"api\""), "{closed}");
    }
    let absolute = service.request("GET http://api.test/health", &[]).await;
    assert_eq!(absolute.status, 200, "the absolute form of the same path");
}

/// The layer of a nested router compares the whole path, not what the outer router left of it.
#[tokio::test]
async fn s5_23_s15_09_a_public_path_of_a_nested_router_is_the_whole_path() {
    let issuer = TestIssuer::new();
    let metadata = countersign::response::ResourceMetadata::new("https://api.test/v1").expect("metadata");
    let inner = |public: &[&str]| {
        let layer = builder(&issuer).public(public.iter().copied()).grpc_paths(["/shop.v1.Orders/"]);
        let layer = layer.resource_metadata(metadata.clone()).build().expect("a layer");
        router().route("/shop.v1.Orders/List", any(who)).fallback(who).layer(layer)
    };
    let nested = |public: &[&str]| {
        let by_service = Router::new().nest_service("/deep", inner(public));
        Router::new().nest("/admin", inner(public)).nest("/{tenant}/b", by_service).nest_service("/svc", inner(public))
    };
    let service = Service::start(nested(&["/health", "/"])).await;
    let prefixes = ["/admin", "/acme/b/deep", "/svc"];
    for path in prefixes.iter().flat_map(|prefix| [format!("{prefix}/health"), prefix.to_string()]) {
        let answer = service.request(&format!("GET {path}"), &[]).await;
        assert_eq!(answer.status, 401, "{path} {answer:?}");
    }
    for prefix in prefixes {
        let answer = service.request(&format!("GET {prefix}/shop.v1.Orders/List"), &[]).await;
        assert_eq!(answer.status, 401, "another path than that of the gRPC service");
        let document = "/.well-known/oauth-protected-resource/v1";
        assert_eq!(service.request(&format!("GET {prefix}{document}"), &[]).await.status, 401, "{prefix}");
    }
    let service = Service::start(nested(&["/admin/health", "/acme/b/deep/health", "/svc/health"])).await;
    for (path, status) in
        [("/admin/health", 200), ("/acme/b/deep/health", 200), ("/svc/health", 200), ("/globex/b/deep/health", 401)]
    {
        assert_eq!(service.request(&format!("GET {path}"), &[]).await.status, status, "{path}");
    }
}

/// Something between two routers rewrites the path: what the client asked for is not what the inner router answers.
#[tokio::test]
async fn s5_23_s15_09_a_rewritten_path_is_not_public_by_its_old_name() {
    let issuer = TestIssuer::new();
    let to_admin = |mut request: axum::extract::Request, next: axum::middleware::Next| async move {
        *request.uri_mut() = "/orders".parse().expect("a path");
        next.run(request).await
    };
    let inner = router().layer(builder(&issuer).public(["/health", "/a/health"]).build().expect("a layer"));
    let rewritten = Router::new().fallback_service(inner).layer(axum::middleware::from_fn(to_admin));
    let service = Service::start(Router::new().nest_service("/a", rewritten.clone()).fallback_service(rewritten)).await;
    for path in ["/health", "/a/health"] {
        assert_eq!(service.request(&format!("GET {path}"), &[]).await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn s5_23_headers_that_name_another_path_are_ignored() {
    let (_, service) = service().await;
    for name in ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri", "X-Envoy-Original-Path", "X-Forwarded-Prefix"] {
        assert_eq!(service.request("GET /", &[&format!("{name}: /health")]).await.status, 401, "{name}");
    }
}

#[tokio::test]
async fn s5_20_head_and_method_override_change_nothing() {
    let (issuer, service) = service().await;
    assert_eq!(service.request("HEAD /orders", &[]).await.status, 401);
    let bearer = format!("Authorization: Bearer {}", good(&issuer).sign());
    assert_eq!(service.request("HEAD /orders", &[&bearer]).await.status, 200);
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
        for method in ["GET", "OPTIONS"] {
            let lines = [&*format!("{name}: {method}"), "Origin: https://a.test", "Access-Control-Request-Method: GET"];
            assert_eq!(service.request("POST /orders", &lines).await.status, 401, "{name}");
        }
    }
}

#[tokio::test]
async fn s5_30_placement_decides_about_unknown_paths() {
    let issuer = TestIssuer::new();
    let on_router = Service::start(router().layer(layer(&issuer))).await;
    assert_eq!(on_router.request("GET /nope", &[]).await.status, 401);
    assert_eq!(on_router.get("/nope", &good(&issuer).sign()).await.status, 404);
    let on_routes = Service::start(router().route_layer(layer(&issuer))).await;
    assert_eq!(on_routes.request("GET /nope", &[]).await.status, 404);
    assert_eq!(on_routes.request("GET /orders", &[]).await.status, 401);
}

#[tokio::test]
async fn s5_31_host_and_listener_decide_nothing() {
    let issuer = TestIssuer::new();
    let app = router().layer(builder(&issuer).public(["/health"]).build().expect("a layer"));
    for service in [Service::start(app.clone()).await, Service::start(app).await] {
        for host in ["api.test", "health", "localhost", "[::1]", "127.0.0.1:1"] {
            let bare =
                format!("GET / HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Host: {host}\r\nConnection: close\r\n\r\n");
            assert_eq!(service.send(bare.as_bytes()).await.status, 401, "{host}");
            let token = good(&issuer).sign();
            let good =
                format!("GET / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n");
            assert_eq!(service.send(good.as_bytes()).await.status, 200, "{host}");
        }
        let no_host = b"GET / HTTP/1.0\r\n\r\n";
        assert_eq!(service.send(no_host).await.status, 401);
    }
}

const PREFLIGHT: [&str; 2] = ["Origin: https://shop.test", "Access-Control-Request-Method: GET"];

fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(["https://shop.test".parse().expect("an origin")])
        .allow_methods([Method::GET])
        .allow_headers([header::AUTHORIZATION])
        .expose_headers([header::WWW_AUTHENTICATE])
}

#[tokio::test]
async fn s5_19_with_cors_outside_preflights_pass_and_refusals_carry_its_headers() {
    let issuer = TestIssuer::new();
    let app = Router::new().route("/orders", get(who)).layer(layer(&issuer)).layer(cors());
    let service = Service::start(app).await;
    let preflight = service.request("OPTIONS /orders", &PREFLIGHT).await;
    assert_eq!(preflight.status, 200);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://shop.test"));

    let refused = service.request("GET /orders", &[PREFLIGHT[0]]).await;
    assert_eq!((refused.status, refused.challenge()), (401, "Bearer realm=\"api\""));
    assert_eq!(refused.header("access-control-allow-origin"), Some("https://shop.test"));
    assert_eq!(refused.header("access-control-expose-headers"), Some("www-authenticate"), "readable in a browser");
}

#[tokio::test]
async fn s5_19_with_cors_inside_preflights_pass_if_enabled() {
    let issuer = TestIssuer::new();
    let app = || Router::new().route("/orders", any(who)).layer(cors());
    let answering = builder(&issuer).preflights(cors()).build().expect("a layer");
    let service = Service::start(app().layer(answering)).await;
    let preflight = service.request("OPTIONS /orders", &PREFLIGHT).await;
    assert_eq!((preflight.status, preflight.body.as_str()), (200, ""), "answered by CORS, not by the handler");
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://shop.test"));
    for half in PREFLIGHT {
        assert_eq!(service.request("OPTIONS /orders", &[half]).await.status, 401, "{half}");
        assert_eq!(service.request("GET /orders", &PREFLIGHT).await.status, 401);
    }
    // A bad token is refused even on a preflight.
    let lines = [PREFLIGHT[0], PREFLIGHT[1], "Authorization: Bearer abc"];
    assert_eq!(service.request("OPTIONS /orders", &lines).await.status, 401);
}

#[tokio::test]
async fn s5_19_a_request_dressed_as_a_preflight_reaches_no_handler() {
    let issuer = TestIssuer::new();
    // The CORS layer is given, and none is behind: the handler would run, if anything reached it.
    for path in ["/orders", "/nope"] {
        let layer = builder(&issuer).preflights(cors()).build().expect("a layer");
        let service = Service::start(Router::new().route("/orders", any(who)).fallback(who).layer(layer)).await;
        let answer = service.request(&format!("OPTIONS {path}"), &PREFLIGHT).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
    }
    let silent = builder(&issuer).preflights(tower::layer::util::Identity::new()).build().expect("a layer");
    let service = Service::start(Router::new().route("/orders", any(who)).layer(silent)).await;
    assert_eq!(service.request("OPTIONS /orders", &PREFLIGHT).await.status, 403, "nobody answers it");
    let service = Service::start(Router::new().route("/orders", any(who)).layer(layer(&issuer))).await;
    assert_eq!(service.request("OPTIONS /orders", &PREFLIGHT).await.status, 401);
    let bearer = format!("Authorization: Bearer {}", good(&issuer).sign());
    assert_eq!(service.request("OPTIONS /orders", &[&bearer]).await.body, "u1");
}
