//! Apps in which every route needs a token unless it states otherwise, and their tables.

use axum::Router;
use axum::routing::get;
use countersign::app::{Access, Routes, protect};
use countersign::prelude::*;
use countersign_test::TestIssuer;
use countersign_tests::http::Service;

use crate::app::{good, who};

fn routes() -> Routes {
    let invoices = Routes::new().get("/", role("clerk"), who).get("/{id}", Access::Authenticated, who);
    Routes::new()
        .get("/orders", scope("read"), who)
        .post("/orders", scope("write").and(role("clerk")), who)
        .delete("/orders/{id}", Access::Authenticated, who)
        .get("/health", Access::Public, who)
        .put("/health", Access::Authenticated, who)
        .get("/", Access::Optional, who)
        .nest("/invoices", invoices)
        .nest_router("/legacy", Router::new().route("/old", get(who)))
        .merge(Routes::new().patch("/merged", Access::Authenticated, who))
}

const TABLE: &str = "\
GET     /                optional
GET     /health          public
PUT     /health          authenticated
GET     /invoices        role clerk
GET     /invoices/{id}   authenticated
ANY     /legacy/{*rest}  authenticated
PATCH   /merged          authenticated
GET     /orders          scope read
POST    /orders          scope write and role clerk
DELETE  /orders/{id}     authenticated
ANY     *                authenticated
";

#[test]
fn the_table_states_who_may_call_each_route() {
    let issuer = TestIssuer::new();
    let app = protect(routes(), issuer.verifier_for("api"));
    assert_eq!(app.table().to_string(), TABLE);
    let public: Vec<&str> = app.table().public().map(|route| route.path()).collect();
    assert_eq!(public, ["/", "/health"]);
    let json: serde_json::Value = serde_json::from_str(&app.table().to_json()).expect("JSON");
    assert_eq!(json.as_array().expect("an array").len(), TABLE.lines().count() - 1, "all but the last line are routes");
    assert_eq!(
        json[8],
        serde_json::json!({
            "method": "POST", "path": "/orders", "access": "required",
            "requirement": "scope write and role clerk", "scopes": ["write"],
            "rule": { "all_of": [{ "scope": "write" }, { "role": "clerk" }] },
        })
    );
}

/// Compares each row of the table with the app itself.
#[tokio::test]
async fn s5_23_the_table_states_how_each_route_answers() {
    let issuer = TestIssuer::new();
    let app = protect(routes(), issuer.verifier_for("api"));
    let table = app.table().clone();
    let service = Service::start(app.into()).await;
    let poor = format!("Authorization: Bearer {}", issuer.token().subject("u1").audience("api").sign());
    let rich = good(&issuer).scope("read write").role("clerk").sign();
    let rich = format!("Authorization: Bearer {rich}");
    let expired = format!("Authorization: Bearer {}", good(&issuer).expired().sign());
    for route in table.iter() {
        let method = if route.method() == "ANY" { "GET" } else { route.method() };
        let path = route.path().replace("{id}", "7").replace("{*rest}", "old");
        let line = format!("{method} {path}");
        let status = async |headers: &[&str]| service.request(&line, headers).await.status;
        let (bare, of_poor, of_expired) = match route.access() {
            Access::Public => (200, 200, 200),
            Access::Optional => (200, 200, 401),
            Access::Authenticated => (401, 200, 401),
            Access::Required(_) => (401, 403, 401),
            other => panic!("{other:?}"),
        };
        assert_eq!(status(&[]).await, bare, "{line}");
        assert_eq!(status(&[&poor]).await, of_poor, "{line}");
        assert_eq!(status(&[&expired]).await, of_expired, "{line}");
        assert_eq!(status(&[&rich]).await, 200, "{line}");
    }
}

#[tokio::test]
async fn what_is_no_route_is_closed_too() {
    let issuer = TestIssuer::new();
    let service = Service::start(protect(routes(), issuer.verifier_for("api")).into()).await;
    let token = good(&issuer).sign();
    for path in
        ["/nope", "/health/", "/health/x", "//health", "/HEALTH", "/%68ealth/x", "/invoices/7/x", "/legacy/nope"]
    {
        assert_eq!(service.request(&format!("GET {path}"), &[]).await.status, 401, "{path}");
        assert_eq!(service.get(path, &token).await.status, 404, "{path}");
    }
    for line in ["DELETE /health", "POST /", "DELETE /orders", "OPTIONS /orders"] {
        let bare = service.request(line, &[]).await.status;
        let bearer = format!("Authorization: Bearer {token}");
        assert_eq!(service.request(line, &[&bearer]).await.status, 405, "{line}");
        assert!(matches!(bare, 401 | 405), "{line}: {bare}, and no handler ran");
    }
    let own = routes().fallback(|| async { "mine" });
    let service = Service::start(protect(own, issuer.verifier_for("api")).into()).await;
    assert_eq!(service.request("GET /nope", &[]).await.status, 401);
    assert_eq!(service.get("/nope", &token).await.body, "mine");
}

#[tokio::test]
async fn layers_and_state_reach_every_route() {
    use axum::extract::State;
    use tower_http::set_header::SetResponseHeaderLayer;

    let issuer = TestIssuer::new();
    let named = SetResponseHeaderLayer::overriding(
        "x-layered".parse::<axum::http::HeaderName>().expect("a name"),
        axum::http::HeaderValue::from_static("yes"),
    );
    let routes = Routes::new()
        .get("/state", Access::Authenticated, |State(text): State<&'static str>| async move { text })
        .get("/open", Access::Public, |State(text): State<&'static str>| async move { text })
        .service("/plain", scope("read"), get(who))
        .layer(named)
        .with_state("mine");
    let service = Service::start(protect(routes, issuer.verifier_for("api")).into()).await;
    let token = good(&issuer).sign();
    for (path, body) in [("/state", "mine"), ("/open", "mine"), ("/plain", "u1")] {
        let answer = service.get(path, &token).await;
        assert_eq!((answer.body.as_str(), answer.header("x-layered")), (body, Some("yes")), "{path}");
    }
    assert_eq!(service.request("GET /plain", &[]).await.header("x-layered"), None, "refused before it");
}

#[test]
fn the_same_table_feeds_openapi() {
    use utoipa::openapi::path::Operation;
    use utoipa::openapi::{HttpMethod, OpenApiBuilder, PathItem, PathsBuilder};

    let paths = PathsBuilder::new()
        .path("/orders", PathItem::from_http_methods([HttpMethod::Get, HttpMethod::Post], Operation::new()))
        .path("/health", PathItem::new(HttpMethod::Get, Operation::new()))
        .path("/", PathItem::new(HttpMethod::Get, Operation::new()))
        .path("/not-in-the-table", PathItem::new(HttpMethod::Get, Operation::new()));
    let mut document = OpenApiBuilder::new().paths(paths).build();
    let unmatched = routes().table().secure(&mut document, "token");
    assert_eq!(unmatched.operations, ["GET /not-in-the-table"]);
    assert!(
        ["GET /orders", "POST /orders", "GET /health"].iter().all(|route| !unmatched.routes.contains(&(*route).into()))
    );
    assert_eq!(routes().table().secure(&mut document, "token"), unmatched, "twice is once");
    let document = serde_json::to_value(&document).expect("JSON");
    let scheme = &document["components"]["securitySchemes"]["token"];
    assert_eq!(
        (&scheme["type"], &scheme["scheme"], &scheme["bearerFormat"]),
        (&"http".into(), &"bearer".into(), &"JWT".into())
    );
    let security = |path: &str, method: &str| document["paths"][path][method]["security"].to_string();
    assert_eq!(security("/orders", "get"), r#"[{"token":["read"]}]"#);
    assert_eq!(security("/orders", "post"), r#"[{"token":["write"]}]"#);
    assert_eq!(document["paths"]["/orders"]["post"]["description"], "Requires scope write and role clerk.");
    assert_eq!(security("/health", "get"), "[]");
    assert_eq!(security("/", "get"), r#"[{},{"token":[]}]"#);
    assert_eq!(security("/not-in-the-table", "get"), r#"[{"token":[]}]"#, "as the app treats it");
    assert_eq!(document["security"].to_string(), r#"[{"token":[]}]"#);
}

countersign::requirement! {
    /// May cancel orders.
    CanCancel = role("manager");
}

#[tokio::test]
async fn named_requirements_and_shadows_stand_in_the_table_as_they_act() {
    let issuer = TestIssuer::new();
    let routes = Routes::new().delete("/orders", CanCancel, who).get("/orders", scope("list").shadowed(), who);
    let app = protect(routes, issuer.verifier_for("api"));
    let words: Vec<String> = app.table().iter().map(|route| route.access().to_string()).collect();
    assert_eq!(words[0], "role manager");
    assert!(words[1].contains("scope list") && words[1].contains("shadow"), "{words:?}");
    let service = Service::start(app.into()).await;
    let bearer = format!("Authorization: Bearer {}", good(&issuer).sign());
    assert_eq!(service.request("DELETE /orders", &[&bearer]).await.status, 403);
    assert_eq!(service.request("GET /orders", &[&bearer]).await.status, 200, "it decides nothing yet");
    assert_eq!(service.request("GET /orders", &[]).await.status, 401, "but for a token, which every route needs");
}
