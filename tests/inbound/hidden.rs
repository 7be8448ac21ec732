//! Hidden routes answer as paths that do not exist, byte for byte.

use axum::Router;
use axum::extract::{Path, RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use countersign::app::{Access, Routes, protect};
use countersign::extract::{Authorized, Rejection};
use countersign::prelude::*;
use countersign_test::TestIssuer;
use countersign_tests::http::{Answer, Service};

use crate::app::{builder, good, layer, who};

/// The answer without the time at which it was made.
fn bytes(mut answer: Answer, path: &str) -> Answer {
    answer.headers.retain(|(name, _)| name != "date");
    answer.body = answer.body.replace(path, "PATH");
    answer
}

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"];

/// Headers of requests from all kinds of clients.
const FORMS: [&[&str]; 6] = [
    &[],
    &["Content-Type: application/grpc"],
    &["Content-Type: application/grpc-web+proto"],
    &["Accept: text/html"],
    &["Origin: https://other.test"],
    &["Origin: https://other.test", "Access-Control-Request-Method: GET"],
];

/// Compares the answers of `app` to `path` with those of `reference`, which is the same app without its hidden routes.
async fn assert_same(app: &Service, reference: &Service, paths: &[&str], credentials: &[Vec<String>]) {
    for path in paths {
        for method in METHODS {
            for credential in credentials {
                for form in FORMS {
                    let lines: Vec<&str> = credential.iter().map(String::as_str).chain(form.iter().copied()).collect();
                    let line = format!("{method} {path}");
                    let expected = bytes(reference.request(&line, &lines).await, path);
                    let actual = bytes(app.request(&line, &lines).await, path);
                    assert_eq!(actual, expected, "{line} {form:?} with {} credentials", credential.len());
                }
            }
        }
    }
}

fn credentials(issuer: &TestIssuer) -> Vec<Vec<String>> {
    let bearer = |token: String| vec![format!("Authorization: Bearer {token}")];
    vec![
        vec![],
        bearer(good(issuer).sign()),
        bearer(good(issuer).expired().sign()),
        bearer("e30.e30.AA".into()),
        vec!["Authorization: Bearer".into()],
        vec!["Authorization: Basic eDp5".into()],
    ]
}

/// A fallback that shows everything by which it could tell a hidden route from an unknown path.
async fn own_fallback(parameters: RawPathParams, uri: Uri, headers: HeaderMap, request: Request) -> impl IntoResponse {
    let matched = request.extensions().get::<axum::extract::MatchedPath>().is_some();
    let parameters: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let body = format!("no {uri} here ({matched} {parameters:?} {})", headers.len());
    (StatusCode::IM_A_TEAPOT, [("x-own", "1"), ("cache-control", "max-age=60")], body)
}

fn visible(with_fallback: bool) -> Routes {
    let routes = Routes::new()
        .get("/orders", Access::Authenticated, who)
        .get("/open", Access::Public, who)
        .get("/files/{*rest}", scope("read"), |Path(rest): Path<String>| async move { rest })
        .nest("/{tenant}/inner", Routes::new().get("/list", Access::Authenticated, who));
    if with_fallback { routes.fallback(own_fallback) } else { routes }
}

fn with_hidden(with_fallback: bool) -> Routes {
    let admin = || role("admin").hidden();
    let echo = |Path(id): Path<String>| async move { id };
    let nested =
        Routes::new()
            .get("/secret/{id}", admin(), |Path((tenant, id)): Path<(String, String)>| async move {
                format!("{tenant} {id}")
            })
            .post("/list", admin(), who);
    visible(with_fallback)
        .get("/secret", admin(), who)
        .post("/secret", scope("read").hidden().and(admin()), who)
        .get("/secret/{id}", admin(), echo)
        .post("/orders", admin(), who)
        .delete("/open", admin(), who)
        .service("/any", admin(), get(who))
        .nest("/{tenant}/inner", nested)
}

#[tokio::test]
async fn s15_08_a_hidden_route_answers_as_a_path_that_does_not_exist() {
    let issuer = TestIssuer::new();
    for with_fallback in [false, true] {
        let app = |routes| Router::from(protect(routes, issuer.verifier_for("api")));
        let service = Service::start(app(with_hidden(with_fallback))).await;
        let reference = Service::start(app(visible(with_fallback))).await;
        let paths = [
            "/secret",
            "/secret/",
            "/secret/7",
            "/secret/7/",
            "/SECRET",
            "/secret?a=b",
            "/any",
            "/acme/inner/secret/7",
            "/nothing",
        ];
        assert_same(&service, &reference, &paths, &credentials(&issuer)).await;

        let admin = format!("Authorization: Bearer {}", good(&issuer).role("admin").sign());
        for (line, body) in [
            ("GET /secret", "u1"),
            ("POST /secret", "u1"),
            ("GET /secret/7", "7"),
            ("POST /orders", "u1"),
            ("GET /orders", "u1"),
            ("DELETE /open", "u1"),
            ("GET /any", "u1"),
            ("GET /acme/inner/secret/7", "acme 7"),
            ("POST /acme/inner/list", "u1"),
            ("GET /acme/inner/list", "u1"),
        ] {
            let answer = service.request(line, &[&admin]).await;
            assert_eq!((answer.status, answer.body.as_str()), (200, body), "{line}");
        }
    }
}

/// On a path that has other methods, a hidden one answers as a method that the path does not have.
#[tokio::test]
async fn s15_08_a_hidden_method_of_a_visible_path_is_a_405_like_any_other() {
    let issuer = TestIssuer::new();
    for with_fallback in [false, true] {
        let app = |routes| Router::from(protect(routes, issuer.verifier_for("api")));
        let service = Service::start(app(with_hidden(with_fallback))).await;
        let reference = Service::start(app(visible(with_fallback))).await;
        let paths = ["/orders", "/orders/", "/open", "/open/", "/acme/inner/list", "/files/a/b"];
        assert_same(&service, &reference, &paths, &credentials(&issuer)).await;
        let token = format!("Authorization: Bearer {}", good(&issuer).sign());
        let answer = service.request("POST /orders", &[&token]).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD")));
    }
}

#[tokio::test]
async fn a_hidden_route_gets_its_state_its_layers_and_the_parameters_of_outer_routers() {
    let issuer = TestIssuer::new();
    let handler = |State(text): State<&'static str>, Path((tenant, id)): Path<(String, String)>| async move {
        format!("{text} {tenant} {id}")
    };
    let fallback = |State(text): State<&'static str>| async move { (StatusCode::NOT_FOUND, format!("no {text}")) };
    let rule = tenant_in_path("tenant").hidden().and(scope("read"));
    let app = protect(Routes::new().get("/o/{id}", rule, handler).fallback(fallback), issuer.verifier_for("api"));
    let router: Router = Router::new().nest("/t/{tenant}", app.into()).with_state("mine");
    let service = Service::start(router).await;
    let token = good(&issuer).tenant("acme").sign();
    assert_eq!(service.get("/t/acme/o/a%2Fb", &token).await.body, "mine acme a/b");
    let other = service.get("/t/globex/o/7", &token).await;
    let nothing = service.get("/t/globex/nothing", &token).await;
    assert_eq!(bytes(other.clone(), ""), bytes(nothing, ""));
    assert_eq!((other.status, other.body.as_str()), (404, "no mine"));
    let poor = issuer.token().subject("u1").audience("api").tenant("acme").sign();
    assert_eq!(service.get("/t/acme/o/7", &poor).await.status, 403, "one's own is no secret");
}

/// A layer of the routes, which runs after authentication: it may ask for the caller, answer itself, or change the request.
#[tokio::test]
async fn s15_08_layers_of_the_routes_tell_nothing_of_a_hidden_one() {
    async fn own(claims: Claims, mut request: Request, next: Next) -> Response {
        if claims.subject() == "blocked" {
            return (StatusCode::CONFLICT, "blocked").into_response();
        }
        request.headers_mut().append("x-passed", HeaderValue::from_static("1"));
        request.extensions_mut().remove::<axum::extract::OriginalUri>();
        let answer = next.run(request).await;
        (answer.status(), answer.into_body()).into_response() // without its extensions
    }
    let issuer = TestIssuer::new();
    let bare = || Routes::new().get("/orders", Access::Authenticated, who).fallback(own_fallback);
    let hidden = || bare().get("/secret", role("admin").hidden(), who).post("/orders", role("admin").hidden(), who);
    let app = |routes: Routes| Router::from(protect(routes.layer(from_fn(own)), issuer.verifier_for("api")));
    let service = Service::start(app(hidden())).await;
    let reference = Service::start(app(bare())).await;
    assert_same(&service, &reference, &["/secret", "/nothing", "/orders"], &credentials(&issuer)).await;
    let blocked = vec![format!("Authorization: Bearer {}", good(&issuer).subject("blocked").sign())];
    assert_same(&service, &reference, &["/secret", "/nothing"], &[blocked]).await;
    let admin = good(&issuer).role("admin").sign();
    assert_eq!(service.get("/secret", &admin).await.body, "u1");
}

/// Answers in gRPC form have status 200, and a mistake in the set-up is no reason to tell either.
#[tokio::test]
async fn s15_08_a_hidden_route_tells_nothing_in_grpc_form_or_by_a_parameter_that_occurs_twice() {
    let issuer = TestIssuer::new();
    let bare = || Routes::new().post("/shop.v1.Orders/Get", Access::Authenticated, who);
    let hidden = bare().post("/shop.v1.Orders/Purge", role("admin").hidden(), who);
    let twice = hidden.get("/o/{id}", tenant_in_path("id").hidden(), who);
    let app = |routes| {
        let layer = builder(&issuer).grpc_paths(["/shop.v1.Orders/"]).build().expect("a layer");
        Router::new().nest("/t/{id}", protect(routes, layer).into())
    };
    let service = Service::start(app(twice)).await;
    let reference = Service::start(app(bare())).await;
    let paths = ["/t/1/shop.v1.Orders/Purge", "/t/1/shop.v1.Orders/Nope", "/t/1/o/7"];
    assert_same(&service, &reference, &paths, &credentials(&issuer)).await;
    let admin = format!("Authorization: Bearer {}", good(&issuer).role("admin").sign());
    assert_eq!(service.request("POST /t/1/shop.v1.Orders/Purge", &[&admin]).await.body, "u1");
}

/// A hidden part that decides nothing changes no answer: one in shadow mode, or a negated one.
#[tokio::test]
async fn s5_26_s15_08_a_hidden_part_that_is_not_in_force_hides_nothing() {
    let issuer = TestIssuer::new();
    for part in [role("clerk").hidden().shadowed(), role("guest").hidden().not()] {
        let rule = scope("read").and(part);
        let anonymous = builder(&issuer).allow_anonymous().build().expect("a layer");
        let guarded = Router::new().route("/orders", get(who).layer(require(rule.clone()))).layer(anonymous);
        let service = Service::start(guarded).await;
        assert_eq!(service.request("GET /orders", &[]).await.status, 401, "{rule}");
        let app = protect(Routes::new().get("/orders", rule.clone(), who), issuer.verifier_for("api"));
        let service = Service::start(app.into()).await;
        let token = format!("Authorization: Bearer {}", good(&issuer).sign());
        let answer = service.request("POST /orders", &[&token]).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD")), "{rule}");
    }
}

/// Nor does a hidden requirement of which all parts are in shadow mode.
#[tokio::test]
async fn s5_26_s15_08_a_hidden_requirement_in_shadow_mode_hides_nothing() {
    let issuer = TestIssuer::new();
    let rule = role("admin").shadowed().hidden();
    let app = protect(Routes::new().get("/orders", rule.clone(), who), issuer.verifier_for("api"));
    let service = Service::start(app.into()).await;
    assert_eq!(service.request("GET /orders", &[]).await.status, 401);
    let token = format!("Authorization: Bearer {}", good(&issuer).sign());
    assert_eq!(service.request("GET /orders", &[&token]).await.status, 200);
    let answer = service.request("POST /orders", &[&token]).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD")));
}

#[tokio::test]
async fn braces_of_a_hidden_path_are_no_parameters_of_it() {
    let issuer = TestIssuer::new();
    let rule = tenant_in_path("tenant").hidden();
    let handler = |Path((tenant, id)): Path<(String, String)>| async move { format!("{tenant} {id}") };
    let app = protect(Routes::new().get("/{{o}}/{id}", rule, handler), issuer.verifier_for("api"));
    let service = Service::start(Router::new().nest("/t/{tenant}", app.into())).await;
    let token = good(&issuer).tenant("acme").sign();
    assert_eq!(service.get("/t/acme/{o}/7", &token).await.body, "acme 7");
    assert_eq!(service.get("/t/globex/{o}/7", &token).await.status, 404);
}

countersign::requirement! {
    /// Hidden from all but admins.
    Admins = role("admin").hidden();
}

async fn missing(claims: Claims) -> Result<&'static str, Rejection> {
    Err(claims.not_found())
}

async fn forbidden(claims: Claims) -> Result<&'static str, Rejection> {
    Err(claims.forbidden())
}

/// Guards, extractors and handlers of a plain router answer as axum does to an unknown path, or as the service says.
#[tokio::test]
async fn s15_08_a_bare_guard_answers_as_the_service_says_and_with_nothing_by_default() {
    async fn handler(claims: Claims) -> Result<&'static str, Rejection> {
        claims.require(&role("admin").hidden())?;
        Ok("in")
    }
    let issuer = TestIssuer::new();
    let routes = || {
        Router::new()
            .route("/guard", get(who).layer(require(role("admin").hidden())))
            .route("/extractor", get(|_: Authorized<Admins>| async { "in" }))
            .route("/handler", get(handler))
            .route("/missing", get(missing))
            .route("/forbidden", get(forbidden))
    };
    let render = |problem: &countersign::response::Problem, _: &HeaderMap| {
        axum::http::Response::new(bytes::Bytes::from(format!("rendered {}", problem.code())))
    };
    let own = |_: &HeaderMap| {
        let answer = axum::http::Response::builder().header("x-own", "1");
        answer.body(bytes::Bytes::from("no such page")).expect("a response")
    };
    let own_fallback = || async { (StatusCode::NOT_FOUND, [("x-own", "1")], axum::body::Body::from("no such page")) };
    let plain = routes().layer(builder(&issuer).allow_anonymous().render(render).build().expect("a layer"));
    let strict = routes().layer(layer(&issuer));
    let custom = routes().fallback(own_fallback).layer(builder(&issuer).not_found(own).build().expect("a layer"));
    let token = format!("Authorization: Bearer {}", good(&issuer).sign());
    for (router, anonymous) in [(plain, true), (strict, false), (custom, false)] {
        let service = Service::start(router).await;
        for path in ["/guard", "/extractor", "/handler", "/missing"] {
            for form in FORMS {
                let lines: Vec<&str> = [&*token].into_iter().chain(form.iter().copied()).collect();
                let unknown = bytes(service.request("GET /nothing", &lines).await, "");
                let answer = bytes(service.request(&format!("GET {path}"), &lines).await, "");
                assert_eq!(answer, unknown, "{path} {form:?}");
            }
        }
        if anonymous {
            for path in ["/guard", "/extractor"] {
                let unknown = bytes(service.request("GET /nothing", &[]).await, "");
                assert_eq!(bytes(service.request(&format!("GET {path}"), &[]).await, ""), unknown, "{path}, anonymous");
            }
        }
        let answer = service.request("GET /forbidden", &[&token]).await;
        assert_eq!((answer.status, answer.header("cache-control")), (403, Some("no-store")));
        let admin = format!("Authorization: Bearer {}", good(&issuer).role("admin").sign());
        assert_eq!(service.request("GET /guard", &[&admin]).await.status, 200);
    }
}

/// `nest` joins paths as axum does, with a slash at the end of the prefix too.
#[tokio::test]
async fn s15_08_a_prefix_with_a_slash_at_its_end_joins_as_in_axum() {
    let issuer = TestIssuer::new();
    let inner = || {
        Routes::new().get("/", role("admin").hidden(), who).get("/list", role("admin").hidden(), who).get(
            "/plain",
            role("admin"),
            who,
        )
    };
    let app = protect(Routes::new().nest("/admin/", inner()).nest("/other", inner()), issuer.verifier_for("api"));
    let paths: Vec<String> = app.table().iter().map(|route| route.path().to_owned()).collect();
    assert_eq!(paths, ["/admin/", "/admin/list", "/admin/plain", "/other", "/other/list", "/other/plain"]);
    let service = Service::start(app.into()).await;
    let admin = format!("Authorization: Bearer {}", good(&issuer).claim("roles", ["admin"]).sign());
    let user = format!("Authorization: Bearer {}", good(&issuer).sign());
    for path in &paths {
        let line = format!("GET {path}");
        assert_eq!(service.request(&line, &[&admin]).await.status, 200, "{path}");
        let refused = if path.ends_with("plain") { 403 } else { 404 };
        assert_eq!(service.request(&line, &[&user]).await.status, refused, "{path}");
    }
    for path in ["/admin", "/other/"] {
        assert_eq!(service.request(&format!("GET {path}"), &[&admin]).await.status, 404, "{path}");
    }
}

/// The answers of handlers depend on the request like those of guards: browsers of other origins may read the challenge, and
/// the service's own answers get the headers.
#[tokio::test]
async fn s5_17_refusals_by_handlers_depend_on_the_headers_of_the_request() {
    async fn role_needed(claims: Claims) -> Result<&'static str, Rejection> {
        claims.require(&scope("admin"))?;
        Ok("in")
    }
    let issuer = TestIssuer::new();
    let routes = || {
        Router::new()
            .route("/require", get(role_needed))
            .route("/forbidden", get(forbidden))
            .route("/missing", get(missing))
            .route("/guard", get(who).layer(require(scope("admin"))))
            .route("/hidden", get(who).layer(require(scope("admin").hidden())))
    };
    let language = |headers: &HeaderMap| {
        let language = headers.get("accept-language").and_then(|value| value.to_str().ok()).unwrap_or("none");
        axum::http::Response::new(bytes::Bytes::from(language.to_owned()))
    };
    let render = move |_: &countersign::response::Problem, headers: &HeaderMap| language(headers);
    let own = builder(&issuer).render(render).not_found(language).build().expect("a layer");
    let token = format!("Authorization: Bearer {}", good(&issuer).sign());
    for (router, body) in [(routes().layer(layer(&issuer)), None), (routes().layer(own), Some("de"))] {
        let service = Service::start(router).await;
        for path in ["/guard", "/require", "/forbidden", "/hidden", "/missing"] {
            let is_hidden = matches!(path, "/hidden" | "/missing");
            for origin in [None, Some("Origin: https://app.test")] {
                let lines: Vec<&str> = [&*token, "Accept-Language: de"].into_iter().chain(origin).collect();
                let answer = service.request(&format!("GET {path}"), &lines).await;
                let exposed = answer.header("access-control-expose-headers");
                let expected = (origin.is_some() && !is_hidden).then_some("www-authenticate, retry-after");
                assert_eq!(exposed, expected, "{path} {origin:?}");
                if let Some(body) = body {
                    assert_eq!(answer.body, body, "{path}");
                }
            }
        }
    }
}
