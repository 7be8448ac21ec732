//! Layers and guards around services of any response body, in axum and without it.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use axum::routing::get;
use countersign::lifetime::{TokenEndAction, end_with_token};
use countersign::prelude::*;
use countersign_test::TestIssuer;
use countersign_tests::http::Service;
use http_body_util::BodyExt;
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_http::services::ServeDir;
use tower_http::trace::TraceLayer;

use crate::app::{good, layer, who};

fn files() -> ServeDir {
    ServeDir::new(concat!(env!("CARGO_MANIFEST_DIR"), "/inbound"))
}

#[tokio::test]
async fn a_tracing_layer_and_a_file_server_may_be_inside() {
    let issuer = TestIssuer::new();
    let traced = ServiceBuilder::new().layer(layer(&issuer)).layer(TraceLayer::new_for_http());
    let guarded =
        ServiceBuilder::new().layer(require(scope("files:read"))).layer(end_with_token(TokenEndAction::Abort));
    let app = Router::new()
        .route(
            "/",
            get(who).layer(ServiceBuilder::new().layer(require(scope("read"))).layer(TraceLayer::new_for_http())),
        )
        .nest_service("/files", guarded.service(files()))
        .layer(traced);
    let service = Service::start(app).await;
    assert_eq!(service.request("GET /", &[]).await.status, 401);
    assert_eq!(service.get("/", &good(&issuer).sign()).await.body, "u1");
    assert_eq!(service.request("GET /files/main.rs", &[]).await.status, 401);
    assert_eq!(service.get("/files/main.rs", &good(&issuer).sign()).await.status, 403);
    let token = good(&issuer).scope("files:read").sign();
    let answer = service.get("/files/bodies.rs", &token).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, include_str!("bodies.rs")));
    assert_eq!(service.get("/files/nothing", &token).await.status, 404);
}

#[tokio::test]
async fn without_axum_the_body_is_either_the_service_s_or_the_refusal_s() {
    let issuer = TestIssuer::new();
    let service = layer(&issuer).layer(require(scope("files:read")).layer(files()));
    let call = async |token: Option<String>| {
        let request = token.iter().fold(Request::get("/main.rs"), |request, token| {
            request.header("authorization", format!("Bearer {token}"))
        });
        let answer = service.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("answered");
        let status = answer.status().as_u16();
        (
            status,
            String::from_utf8(answer.into_body().collect().await.expect("a body").to_bytes().to_vec()).expect("text"),
        )
    };
    assert!(matches!(call(None).await, (401, body) if body.contains("no_token")));
    assert!(matches!(call(Some(good(&issuer).sign())).await, (403, body) if body.contains("insufficient_scope")));
    let (status, body) = call(Some(good(&issuer).scope("files:read").sign())).await;
    assert_eq!((status, body.as_str()), (200, include_str!("main.rs")));

    // A body of the service's own kind, and a layer for CORS directly around.
    let hello = tower::service_fn(async |_: Request<Body>| {
        Ok::<_, std::convert::Infallible>(Response::new("hello".to_owned()))
    });
    let service = tower_http::cors::CorsLayer::permissive().layer(layer(&issuer).layer(hello));
    let request = good(&issuer).on(Request::get("/")).body(Body::empty()).expect("a request");
    let answer = service.oneshot(request).await.expect("answered");
    assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), "hello");
}
