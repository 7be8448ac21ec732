//! Events of apps as they are built.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use axum::routing::get;
use countersign::app::{Access, Routes, protect, try_protect};
use countersign::prelude::*;
use countersign_test::TestIssuer;
use tower::{Layer, ServiceBuilder, service_fn};
use tower_http::trace::TraceLayer;

use crate::recorder::Recorder;

/// The fixes in the lines about routes that are open because of the order of a router's lines.
fn fixes(recorder: &Recorder) -> Vec<String> {
    let events = recorder.take("countersign::app").into_iter();
    let open =
        events.filter(|event| event.field("message").contains("need no token") && !event.field("fix").is_empty());
    open.map(|event| event.field("fix").to_owned()).collect()
}

/// Nothing runs in a route that is added later, so that the line is written when the layer is added.
#[tokio::test]
async fn a_layer_on_a_router_says_once_that_later_routes_are_open() {
    let (recorder, _guard) = Recorder::begin();
    let issuer = TestIssuer::new();
    let layer = AuthenticateLayer::new(issuer.verifier_for("api"));
    let stack = ServiceBuilder::new().layer(layer.clone()).layer(TraceLayer::new_for_http());
    let routes = || Router::<()>::new().route("/a", get(|| async { "a" })).route("/b", get(|| async { "b" }));
    let service: Router = routes().layer(layer.clone()).route("/late", get(|| async { "late" })).with_state(());
    let [fix] = fixes(&recorder).try_into().expect("one line for all routes");
    assert!(fix.contains("app::protect") && fix.contains("countersign attack"), "{fix}");
    let _ = (service, routes().layer(layer).with_state::<()>(()));
    assert!(fixes(&recorder).is_empty(), "once per layer");
    let _ = routes().layer(stack).with_state::<()>(());
    assert!(fixes(&recorder).is_empty(), "the same layer");
    let other = AuthenticateLayer::new(issuer.verifier_for("api"));
    let _ = routes().layer(ServiceBuilder::new().layer(other).layer(TraceLayer::new_for_http())).with_state::<()>(());
    assert_eq!(fixes(&recorder).len(), 1, "around another layer");
    let whole = service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
    let _ = AuthenticateLayer::new(issuer.verifier_for("api")).layer(whole);
    assert!(fixes(&recorder).is_empty(), "a service takes no routes");
}

#[test]
fn a_protected_app_says_so_only_when_it_becomes_a_router() {
    let (recorder, _guard) = Recorder::begin();
    let issuer = TestIssuer::new();
    let routes = || Routes::<()>::new().get("/orders", scope("read"), || async { "orders" });
    let app = protect(routes().get("/health", Access::Public, || async { "ok" }), issuer.verifier_for("api"));
    let nested = Router::<()>::new().nest_service("/nested", app.clone());
    let _ = (app.clone().into_make_service(), nested);
    assert!(fixes(&recorder).is_empty());
    let _ = Router::new().route("/open", get(|| async { "open" })).merge(app);
    let [fix] = fixes(&recorder).try_into().expect("one");
    assert!(fix.contains("`protect`"), "{fix}");
}

/// A misspelt path parameter is logged when the app is built, not at its first request.
#[test]
fn a_misspelt_path_parameter_is_logged_when_the_app_is_built() {
    let (recorder, _guard) = Recorder::begin();
    let take = || -> Vec<_> {
        let all = recorder.take("countersign::app").into_iter();
        all.filter(|event| event.level != tracing::Level::INFO).collect()
    };
    let issuer = TestIssuer::new();
    let app = |parameter| {
        let inner = Routes::<()>::new().get("/orders", tenant_in_path(parameter), || async { "orders" });
        protect(Routes::new().nest("/{tenant}", inner), issuer.verifier_for("api"))
    };
    assert!(app("tenant").table().check_config().is_ok());
    assert!(take().is_empty());
    let escaped = Routes::<()>::new().get("/{{tenant}}", tenant_in_path("tenant"), || async { "orders" });
    assert!(protect(escaped, issuer.verifier_for("api")).table().check_config().is_err(), "the braces are of the path");
    assert_eq!(take().len(), 1);
    assert!(app("tennant").table().check_config().is_err());
    let events = take();
    assert_eq!(events.len(), 1);
    let error = events[0].field("error");
    assert!(error.contains("GET /{tenant}/orders") && error.contains("{tennant}"), "{error}");

    let routes = |parameter| {
        let inner = Routes::<()>::new().get("/orders/{*rest}", tenant_in_path(parameter), || async { "orders" });
        Routes::new().nest("/{tenant}", inner).get("/all", tenant_in_path(parameter).not(), || async { "all" })
    };
    let error = try_protect(routes("tennant"), issuer.verifier_for("api")).expect_err("a fault");
    let [all, nested] = error.faults() else { panic!("{error}") };
    assert_eq!((&*all.field, &*nested.field), ("GET /all", "GET /{tenant}/orders/{*rest}"));
    assert!(all.problem.contains("{tennant}") && all.problem.contains("parameters there: none"), "{error}");
    assert!(nested.problem.contains("parameters there: {tenant}, {*rest}"), "{error}");
    assert!(take().is_empty(), "an error is no line too");
    assert_eq!(try_protect(routes("tenant"), issuer.verifier_for("api")).expect_err("/all").faults().len(), 1);
    assert!(try_protect(Routes::<()>::new(), issuer.verifier_for("api")).is_ok());
}

#[test]
fn routes_that_need_no_token_are_logged_when_the_app_is_built() {
    let (recorder, _guard) = Recorder::begin();
    let issuer = TestIssuer::new();
    let open = |app: Routes| {
        let layer =
            AuthenticateLayer::builder(issuer.verifier_for("api")).public(["/metrics"]).build().expect("a layer");
        let _ = protect(app, layer);
        let events = recorder.take("countersign::app");
        assert_eq!((events.len(), events[0].level), (1, tracing::Level::INFO));
        events[0].field("routes").to_owned()
    };
    let routes = || Routes::new().get("/orders", Access::Authenticated, || async { "orders" });
    assert_eq!(open(routes()), "ANY /metrics (public)");
    let more =
        routes().get("/catalog", Access::Optional, || async { "catalog" }).post("/hook", Access::Public, || async {});
    assert_eq!(open(more), "GET /catalog (optional), POST /hook (public), ANY /metrics (public)");
    let many = (0..30).fold(routes(), |app, number| app.get(&format!("/open/{number}"), Access::Public, || async {}));
    assert!(open(many).ends_with("and 15 more"));
}
