//! Roles of other clients and of other issuers, which do not count.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::authz::{Authorities, group};
use countersign::prelude::*;
use countersign_test::{TestIssuer, TokenDraft};
use countersign_tests::http::Service;
use countersign_tests::log::Log;
use serde_json::json;
use tower::ServiceExt;
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

/// Routes `/role`, `/permission`, `/group` and `/tenant`, each for what is called `admin`, `pay`, `staff`, and any tenant.
async fn service(verifier: Verifier) -> Service {
    let guarded = |requirement: Requirement| get(|| async { "in" }).layer(require(requirement));
    let app = Router::new()
        .route("/role", guarded(role("admin")))
        .route("/permission", guarded(permission("pay")))
        .route("/group", guarded(group("staff")))
        .route("/tenant", get(|tenant: Tenant| async move { tenant.to_string() }))
        .layer(AuthenticateLayer::new(verifier));
    Service::start(app).await
}

fn trusting(issuers: impl IntoIterator<Item = (TestIssuer, Authorities)>) -> Verifier {
    let mut builder = Verifier::builder();
    for (issuer, authorities) in issuers {
        builder = builder.trust(issuer.trusted_for("api").authorities(authorities));
        builder = builder.clock(Arc::new(issuer.clock().clone()));
    }
    builder.build().expect("a policy")
}

fn token(issuer: &TestIssuer) -> TokenDraft {
    issuer.token().audience("api")
}

#[tokio::test]
async fn s3_23_roles_of_another_client_or_of_the_realm_are_not_ours() {
    let issuer = TestIssuer::new();
    let authorities = Authorities::new().roles_at("/resource_access/orders/roles");
    let service = service(trusting([(issuer.clone(), authorities)])).await;
    let with = |claims: serde_json::Value| {
        let draft = claims.as_object().expect("an object").iter();
        draft.fold(token(&issuer), |draft, (name, value)| draft.claim(name, value.clone())).sign()
    };
    let own = with(json!({"resource_access": {"orders": {"roles": ["admin"]}}}));
    assert_eq!(service.get("/role", &own).await.body, "in");
    for others in [
        json!({"resource_access": {"billing": {"roles": ["admin"]}}}),
        json!({"resource_access": {"orders": {"roles": ["user"]}, "billing": {"roles": ["admin"]}}}),
        json!({"realm_access": {"roles": ["admin"]}}),
        json!({"resource_access": {"orders/roles": ["admin"]}}),
        json!({"roles": ["admin"]}),
        json!({"role": "admin", "groups": ["admin"], "scope": "admin"}),
    ] {
        assert_eq!(service.get("/role", &with(others.clone())).await.status, 403, "{others}");
    }
}

#[tokio::test]
async fn s3_23_each_issuer_has_its_own_mapping_and_the_names_of_a_partner_stay_its_own() {
    let staff = TestIssuer::new();
    let partner = TestIssuer::new().with_name("https://partner.test");
    let bare = TestIssuer::new().with_name("https://bare.test");
    let service = service(trusting([
        (staff.clone(), TestIssuer::authorities()),
        (partner.clone(), TestIssuer::authorities().name_prefix("partner:")),
        (bare.clone(), Authorities::new()),
    ]))
    .await;
    for (path, draft) in [
        ("/role", (|issuer| token(issuer).role("admin")) as fn(&TestIssuer) -> TokenDraft),
        ("/permission", |issuer| token(issuer).permission("pay")),
        ("/group", |issuer| token(issuer).group("staff")),
    ] {
        assert_eq!(service.get(path, &draft(&staff).sign()).await.body, "in", "{path}");
        assert_eq!(service.get(path, &draft(&partner).sign()).await.status, 403, "{path}, a partner's");
        assert_eq!(service.get(path, &draft(&bare).sign()).await.status, 403, "{path}, without a mapping");
    }
    let app = Router::new().route("/", get(|| async { "in" }).layer(require(role("partner:admin")))).layer(
        AuthenticateLayer::new(trusting([(partner.clone(), TestIssuer::authorities().name_prefix("partner:"))])),
    );
    let prefixed = Service::start(app).await;
    assert_eq!(prefixed.get("/", &token(&partner).role("admin").sign()).await.body, "in");
}

#[tokio::test]
async fn authorities_are_read_from_any_path_and_a_hierarchy_passes_permissions_on() {
    let issuer = TestIssuer::new();
    let authorities = Authorities::new()
        .roles_at("/org/people/roles")
        .groups_at("/org/groups")
        .groups_at("/more groups")
        .known_roles(["admin", "manager", "clerk"])
        .hierarchy("admin > manager > clerk")
        .role_permission("manager", "pay");
    let service = service(trusting([(issuer.clone(), authorities)])).await;
    let with = |org: serde_json::Value| token(&issuer).claim("org", org);
    for (roles, pays) in
        [(json!(["admin"]), true), (json!(["manager"]), true), (json!(["clerk"]), false), (json!([]), false)]
    {
        let answer = service.get("/permission", &with(json!({"people": {"roles": roles}})).sign()).await;
        assert_eq!(answer.status == 200, pays, "{roles}");
    }
    assert_eq!(service.get("/group", &with(json!({"groups": ["staff"]})).sign()).await.body, "in");
    let more = token(&issuer).claim("more groups", json!(["staff"])).sign();
    assert_eq!(service.get("/group", &more).await.body, "in");
    for wrong in [
        json!({"groups": {"staff": 1}}),
        json!({"people": ["roles"]}),
        json!({"people": {"roles": {"admin": 1}}}),
        json!(7),
    ] {
        assert_eq!(service.get("/group", &with(wrong.clone()).sign()).await.status, 401, "{wrong}");
    }
}

#[tokio::test]
async fn an_issuer_may_be_one_tenants_alone_and_no_claim_changes_that() {
    let acme = TestIssuer::new().with_name("https://acme.test");
    let shared = TestIssuer::new().with_name("https://shared.test");
    let service = service(trusting([
        (acme.clone(), Authorities::new().tenant("acme").tenants_of(shared.name())),
        (shared.clone(), Authorities::new().tenant_at("/tenant").tenants_of(shared.name())),
    ]))
    .await;
    assert_eq!(service.get("/tenant", &token(&acme).sign()).await.body, "acme");
    assert_eq!(service.get("/tenant", &token(&acme).tenant("globex").sign()).await.body, "acme");
    assert_eq!(service.get("/tenant", &token(&shared).tenant("globex").sign()).await.body, "globex");
    assert_eq!(service.get("/tenant", &token(&shared).sign()).await.status, 403);
}

#[tokio::test]
async fn no_outside_issuer_names_one_of_our_services() {
    let trusted = TestIssuer::new();
    let partner = TestIssuer::new().with_name("https://partner.test");
    let verifier = Verifier::builder()
        .trust(trusted.trusted_for("api"))
        .trust(partner.trusted_for("api"))
        .reserve_subjects("svc:", trusted.name())
        .clock(Arc::new(trusted.clock().clone()))
        .build()
        .expect("a policy");
    let service = service(verifier).await;
    let draft = |issuer: &TestIssuer, subject: &str| token(issuer).subject(subject).role("admin").sign();
    assert_eq!(service.get("/role", &draft(&trusted, "svc:billing")).await.body, "in");
    assert_eq!(service.get("/role", &draft(&partner, "billing")).await.body, "in");
    for subject in ["svc:billing", "svc:"] {
        let answer = service.get("/role", &draft(&partner, subject)).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "token_invalid"), "{subject}");
    }
}

#[tokio::test]
async fn the_requests_span_carries_the_tenant() {
    let issuer = TestIssuer::new();
    let app = Router::new()
        .route("/", get(|tenant: Tenant| async move { tracing::info!("handled {}", tenant.key(7)) }))
        .layer(AuthenticateLayer::new(issuer.verifier_for("api")));
    let log = Log::default();
    let request = axum::http::Request::get("/")
        .header("authorization", format!("Bearer {}", token(&issuer).tenant("acme").sign()));
    let request = request.body(axum::body::Body::empty()).expect("a request");
    async {
        let span = tracing::info_span!("request", tenant = tracing::field::Empty);
        app.oneshot(request).instrument(span).await.expect("answered");
    }
    .with_subscriber(log.subscriber())
    .await;
    let lines = log.lines("handled acme/7");
    assert!(lines.len() == 1 && lines[0].contains("request{tenant=\"acme\"}"), "{}", log.text());
}
