//! One requirement as a layer, as an extractor and as a check in a handler: the same decisions, answers and words.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::authz::{Demand, acr, owner};
use countersign::extract::{Authorized, Rejection};
use countersign::prelude::*;
use countersign_test::{TestIssuer, TokenDraft};
use countersign_tests::http::Service;
use countersign_tests::log::Log;
use tower::ServiceExt;
use tracing::instrument::WithSubscriber;

countersign::requirement! {
    Scopes = scope("read").and(scope("write"));
    Role = role("admin").or(permission("all"));
    Recent = authenticated_within(Duration::from_secs(300)).and(acr(["gold"]));
    Hidden = role("admin").hidden();
    Path = tenant_in_path("tenant");
    NoSuchParameter = tenant_in_path("org");
}

/// Routes `/layer`, `/extractor` and `/handler` of each tenant, all with the requirement `D`.
fn app<D: Demand>(issuer: &TestIssuer) -> Router {
    async fn extractor<D: Demand>(caller: Authorized<D>) -> String {
        caller.into_claims().subject().to_owned()
    }
    async fn handler<D: Demand>(claims: Claims) -> Result<String, Rejection> {
        claims.require(D::requirement())?;
        Ok(claims.subject().to_owned())
    }
    Router::new()
        .route(
            "/{tenant}/layer",
            get(|claims: Claims| async move { claims.subject().to_owned() })
                .route_layer(require(D::requirement().clone())),
        )
        .route("/{tenant}/extractor", get(extractor::<D>))
        .route("/{tenant}/handler", get(handler::<D>))
        .layer(
            AuthenticateLayer::builder(issuer.verifier_for("api"))
                .resource_metadata_url("https://api.test/m")
                .build()
                .expect("quotable"),
        )
}

async fn assert_same<D: Demand>(issuer: &TestIssuer, passes: TokenDraft, fails: TokenDraft, status: u16) {
    let service = Service::start(app::<D>(issuer)).await;
    let words = D::requirement();
    let (passes, fails) = (passes.sign(), fails.sign());
    let by_layer = service.get("/acme/layer", &fails).await;
    assert_eq!(by_layer.status, status, "{words}");
    for form in ["layer", "extractor", "handler"] {
        assert_eq!(service.get(&format!("/acme/{form}"), &passes).await.body, "u1", "{form}: {words}");
        let answer = service.get(&format!("/acme/{form}"), &fails).await;
        assert_eq!(answer.body, by_layer.body, "{form}: {words}");
        assert_eq!(answer.status, by_layer.status, "{form}: {words}");
        for header in ["www-authenticate", "content-type", "cache-control"] {
            assert_eq!(answer.header(header), by_layer.header(header), "{form}: {words}");
        }
        assert_eq!(service.request(&format!("GET /acme/{form}"), &[]).await.code(), "no_token");
    }
}

#[tokio::test]
async fn s5_04_s5_05_s5_16_every_form_gives_the_same_answer() {
    let issuer = TestIssuer::new();
    let good = || issuer.token().subject("u1").audience("api");
    assert_same::<Scopes>(&issuer, good().scope("read write"), good().scope("read"), 403).await;
    assert_same::<Role>(&issuer, good().role("admin"), good().role("user"), 403).await;
    let strong = good().claim("acr", "gold").authenticated(Duration::from_secs(10));
    assert_same::<Recent>(&issuer, strong, good().claim("acr", "silver"), 401).await;
    assert_same::<Hidden>(&issuer, good().role("admin"), good(), 404).await;
}

#[tokio::test]
async fn the_path_is_at_hand_for_layer_and_extractor_and_its_lack_in_a_handler_is_a_fault_of_ours() {
    let issuer = TestIssuer::new();
    let token = issuer.token().subject("u1").audience("api").tenant("acme").sign();
    let service = Service::start(app::<Path>(&issuer)).await;
    for form in ["layer", "extractor"] {
        assert_eq!(service.get(&format!("/acme/{form}"), &token).await.body, "u1", "{form}");
        assert_eq!(service.get(&format!("/globex/{form}"), &token).await.status, 403, "{form}");
    }
    let (answer, log) = logged(app::<Path>(&issuer), "/acme/handler", &token).await;
    assert_eq!(answer, 500);
    assert_eq!(log.lines("ERROR countersign::guard").len(), 1, "{}", log.text());
    assert!(log.text().contains("guard the route with it"), "{}", log.text());
}

#[tokio::test]
async fn a_parameter_that_the_route_lacks_denies_everybody_and_is_logged() {
    let issuer = TestIssuer::new();
    let token = issuer.token().subject("u1").audience("api").tenant("acme").sign();
    for form in ["layer", "extractor"] {
        let (status, log) = logged(app::<NoSuchParameter>(&issuer), &format!("/acme/{form}"), &token).await;
        assert_eq!(status, 403, "{form}");
        assert_eq!(log.lines("WARN countersign::guard").len(), 1, "{form}: {}", log.text());
        assert!(log.text().contains("parameter=\"org\""), "{form}: {}", log.text());
    }
}

#[tokio::test]
async fn s10_01_the_log_contains_the_requirement_and_nothing_of_the_token() {
    let issuer = TestIssuer::new();
    let token = issuer.token().subject("canary-subject").audience("api").tenant("acme").role("canary-role").sign();
    for form in ["layer", "extractor", "handler"] {
        let (status, log) = logged(app::<Role>(&issuer), &format!("/acme/{form}"), &token).await;
        assert_eq!(status, 403);
        let lines = log.lines("INFO countersign::guard");
        let [line] = &lines[..] else { panic!("{form}: {}", log.text()) };
        for part in ["code=\"forbidden\"", "requirement=role admin or permission all", "tenant=\"acme\""] {
            assert!(line.contains(part), "{form}: {line}");
        }
        assert!(!log.text().contains("canary") && !log.text().contains(&token), "{form}: {}", log.text());
    }
}

#[tokio::test]
async fn the_owner_or_an_admin() {
    async fn close(claims: Claims) -> Result<&'static str, Rejection> {
        let owned_by_ann = owner(claims.issuer(), "ann").or(role("admin"));
        assert_eq!(claims.meets(&owned_by_ann), claims.require(&owned_by_ann).is_ok());
        claims.require(&owned_by_ann)?;
        Ok("closed")
    }
    let issuer = TestIssuer::new();
    let app = Router::new().route("/", get(close)).layer(AuthenticateLayer::new(issuer.verifier_for("api")));
    let service = Service::start(app.clone()).await;
    let token = |subject: &str| issuer.token().subject(subject).audience("api");
    assert_eq!(service.get("/", &token("ann").sign()).await.body, "closed");
    assert_eq!(service.get("/", &token("bob").role("admin").sign()).await.body, "closed");
    let (status, log) = logged(app, "/", &token("bob").sign()).await;
    assert_eq!(status, 403);
    assert!(log.text().contains("requirement=the owner or role admin"), "{}", log.text());
    assert!(!log.text().contains("ann"), "the owner is not logged (S10.06): {}", log.text());
}

async fn logged(app: Router, path: &str, token: &str) -> (u16, Log) {
    let log = Log::default();
    let request = axum::http::Request::get(path).header("authorization", format!("Bearer {token}"));
    let request = request.body(axum::body::Body::empty()).expect("a request");
    let response = app.oneshot(request).with_subscriber(log.subscriber()).await.expect("answered");
    (response.status().as_u16(), log)
}
