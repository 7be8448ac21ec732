//! Plain routers under `protect`: closed, with the paths that the layer opens.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use countersign::app::{Routes, protect};
use countersign::prelude::*;
use countersign_test::TestIssuer;
use countersign_tests::http::Service;

use crate::app::{builder, good, who};

fn router() -> Router<&'static str> {
    let nested = Router::new().route("/list", get(who)).route("/health", get(who));
    Router::new()
        .route("/orders", get(who).post(who))
        .route("/state", get(|State(text): State<&'static str>| async move { text }))
        .route("/health", get(who))
        .route("/catalog", get(who))
        .route("/write", get(who).layer(require(scope("write"))))
        .nest("/inner", nested.clone())
        .nest_service("/service", nested.with_state("inner"))
}

#[tokio::test]
async fn s5_22_s5_23_a_plain_router_is_closed_but_for_the_paths_that_the_layer_opens() {
    let issuer = TestIssuer::new();
    for own_fallback in [false, true] {
        let layer = builder(&issuer).public(["/health"]).optional(["/catalog"]).build().expect("a layer");
        let router = if own_fallback { router().fallback(|| async { "mine" }) } else { router() };
        let app = protect(router, layer).with_state("state");
        assert_eq!(
            app.table().to_string(),
            "ANY  /catalog  optional\nANY  /health   public\nANY  *         authenticated\n"
        );
        // Served as it is, and below another router.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let served = tokio::spawn({
            let app = app.clone();
            async move { axum::serve(listener, app).await }
        });
        let direct = reqwest::get(format!("http://{address}/orders")).await.expect("answered");
        assert_eq!(direct.status(), 401);
        served.abort();
        let service = Service::start(Router::new().fallback_service(app)).await;
        let token = good(&issuer).sign();
        let expired = good(&issuer).expired().sign();
        for (path, bare, valid, bad) in [
            ("/orders", 401, 200, 401),
            ("/state", 401, 200, 401),
            ("/inner/list", 401, 200, 401),
            ("/inner/health", 401, 200, 401),
            ("/service/health", 401, 200, 401),
            ("/health", 200, 200, 200),
            ("/catalog", 200, 200, 401),
            ("/catalog/", 401, if own_fallback { 200 } else { 404 }, 401),
            ("/write", 401, 200, 401),
            ("/nope", 401, if own_fallback { 200 } else { 404 }, 401),
        ] {
            assert_eq!(service.request(&format!("GET {path}"), &[]).await.status, bare, "{path}");
            assert_eq!(service.get(path, &token).await.status, valid, "{path}");
            assert_eq!(service.get(path, &expired).await.status, bad, "{path}");
        }
        assert_eq!(service.request("DELETE /orders", &[]).await.status, 401);
        assert_eq!(service.get("/catalog", &token).await.body, "u1");
        assert_eq!(service.request("GET /catalog", &[]).await.body, "nobody");
        assert_eq!(service.get("/state", &token).await.body, "state");
        assert_eq!(service.get("/write", &issuer.token().audience("api").sign()).await.status, 403);
    }
}

/// A path that the layer lists is no route: the methods of a hidden route beside it stay unknown.
#[tokio::test]
async fn s15_08_a_hidden_route_on_a_path_that_the_layer_opens_stays_hidden() {
    let issuer = TestIssuer::new();
    let layer = || builder(&issuer).public(["/secret"]).optional(["/other"]).build().expect("a layer");
    let admin = || role("admin").hidden();
    let routes = Routes::new().get("/secret", admin(), who).get("/other", admin(), who);
    let app = Service::start(Router::new().fallback_service(protect(routes, layer()))).await;
    let reference = Service::start(Router::new().fallback_service(protect(Routes::<()>::new(), layer()))).await;
    let bearer = format!("Authorization: Bearer {}", good(&issuer).sign());
    for path in ["/secret", "/other"] {
        for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS"] {
            for lines in [&[][..], &[bearer.as_str()]] {
                let line = format!("{method} {path}");
                let (mut actual, mut expected) =
                    (app.request(&line, lines).await, reference.request(&line, lines).await);
                for answer in [&mut actual, &mut expected] {
                    answer.headers.retain(|(name, _)| name != "date");
                }
                assert_eq!(actual, expected, "{line}");
            }
        }
    }
}

/// The trap of `get(a).layer(x).post(b).layer(y)`, and the form that the page on layers shows.
#[tokio::test]
async fn a_layer_of_one_method_covers_the_methods_before_it_too() {
    let issuer = TestIssuer::new();
    let trap = get(who).layer(require(scope("read"))).post(who).layer(require(scope("write")));
    let merged = get(who).layer(require(scope("read"))).merge(axum::routing::post(who).layer(require(scope("write"))));
    let app = Router::new().route("/trap", trap).route("/merged", merged);
    let service = Service::start(Router::new().fallback_service(protect(app, issuer.verifier_for("api")))).await;
    let reader = issuer.token().audience("api").scope("read").sign();
    assert_eq!(service.get("/trap", &reader).await.status, 403, "the guard of POST refuses GET");
    assert_eq!(service.get("/merged", &reader).await.status, 200);
    let bearer = format!("Authorization: Bearer {reader}");
    assert_eq!(service.request("POST /merged", &[&bearer]).await.status, 403);
}

/// The app's own answer to a method that a path does not have, for verified callers only.
#[tokio::test]
async fn s5_22_the_apps_own_answer_to_another_method_is_kept() {
    let issuer = TestIssuer::new();
    let own = || async { (axum::http::StatusCode::METHOD_NOT_ALLOWED, "my own") };
    let app = Router::new().route("/orders", get(who)).method_not_allowed_fallback(own);
    let service = Service::start(Router::new().fallback_service(protect(app, issuer.verifier_for("api")))).await;
    let bearer = format!("Authorization: Bearer {}", good(&issuer).sign());
    let answer = service.request("DELETE /orders", &[&bearer]).await;
    assert_eq!((answer.status, &*answer.body), (405, "my own"));
    assert_eq!(service.request("DELETE /orders", &[]).await.status, 401);
}
