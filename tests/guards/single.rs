//! Each guard by itself, met and not met, and every combination of three.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::authz::{
    acr, actor, all_of, amr, any_authenticated, any_of, at_least, claim, claims_where, client, group, issued_by, owner,
    subject, tenant_in_header, tenant_in_host,
};
use countersign::clock::Clock;
use countersign::prelude::*;
use countersign_test::{TestIssuer, TokenDraft};
use countersign_tests::http::{Answer, Service};

fn good(issuer: &TestIssuer) -> TokenDraft {
    issuer.token().subject("u1").audience("api")
}

/// A service whose one route is guarded by `requirement`.
async fn guarded(issuer: &TestIssuer, requirement: Requirement) -> Service {
    let route = get(|| async { "in" }).layer(require(requirement));
    let layer = AuthenticateLayer::new(issuer.verifier_for("api"));
    Service::start(Router::new().route("/{tenant}", route).layer(layer)).await
}

fn assert_denied(answer: &Answer, case: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (403, "forbidden"), "{case}");
    assert_eq!(answer.header("www-authenticate"), None, "no scope would help: {case}");
}

#[tokio::test]
async fn s5_05_every_guard_passes_its_own_and_denies_others() {
    let issuer = TestIssuer::new();
    let own = || good(&issuer);
    let cases = [
        (role("admin"), own().role("admin"), own().role("user")),
        (permission("orders:pay"), own().permission("orders:pay"), own().permission("orders:read")),
        (tenant_in_path("tenant"), own().tenant("acme"), own().tenant("globex")),
        (subject("u1"), own(), own().subject("u2")),
        (client("svc"), own().subject("svc").client_id("svc"), own().client_id("svc")),
        (issued_by(issuer.name()).and(role("a")), own().role("a"), own()),
        (role("banned").not(), own(), own().role("banned")),
        (group("staff"), own().group("staff"), own().group("staff2").role("staff")),
        (claim("plan", "gold"), own().claim("plan", "gold"), own().claim("plan", serde_json::json!(["gold"]))),
        (claim("/org/size", 7), own().claim("org", serde_json::json!({"size": 7})), own()),
        (owner(issuer.name(), "u1"), own(), own().subject("u2")),
        (
            claims_where("a paying plan", |own: &Plan| own.plan != "free"),
            own().claim("plan", "gold"),
            own().claim("plan", "free"),
        ),
        (all_of([role("a"), group("b")]), own().role("a").group("b"), own().role("a")),
        (any_authenticated().and(subject("u1")), own(), own().subject("u2")),
    ];
    for (requirement, passes, fails) in cases {
        let words = requirement.to_string();
        let service = guarded(&issuer, requirement).await;
        assert_eq!(service.get("/acme", &passes.sign()).await.body, "in", "{words}");
        assert_denied(&service.get("/acme", &fails.sign()).await, &words);
        assert_eq!(service.request("GET /acme", &[]).await.code(), "no_token", "{words}");
    }
}

#[derive(serde::Deserialize)]
struct Plan {
    plan: String,
}

#[tokio::test]
async fn claims_that_a_rule_cannot_read_are_refused_by_code_and_so_is_the_negation() {
    let issuer = TestIssuer::new();
    let paying = || claims_where("a paying plan", |own: &Plan| own.plan != "free");
    for requirement in [paying(), paying().not()] {
        let service = guarded(&issuer, requirement).await;
        for odd in [good(&issuer), good(&issuer).claim("plan", 7)] {
            let answer = service.get("/acme", &odd.sign()).await;
            assert_eq!((answer.status, answer.code().as_str()), (403, "claims_schema"));
        }
    }
}

#[tokio::test]
async fn s5_04_s3_22_a_missing_scope_names_all_that_are_needed() {
    let issuer = TestIssuer::new();
    let service = guarded(&issuer, scope("admin").and(scope("write"))).await;
    let answer = service.get("/acme", &good(&issuer).scope("read write").sign()).await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "insufficient_scope"));
    assert!(answer.challenge().contains("error=\"insufficient_scope\""));
    assert!(answer.challenge().contains("scope=\"admin write\""), "{}", answer.challenge());
    for near in ["admins write", "ADMIN write", "admin,write", "xadmin write"] {
        assert_eq!(service.get("/acme", &good(&issuer).scope(near).sign()).await.status, 403, "{near}");
    }
    for scopes in ["admin write", "write  admin", "read write admin"] {
        assert_eq!(service.get("/acme", &good(&issuer).scope(scopes).sign()).await.body, "in", "{scopes}");
    }
    let list = good(&issuer).claim("scope", serde_json::json!(["admin", "write"]));
    assert_eq!(service.get("/acme", &list.sign()).await.body, "in", "a list of words");
    let absent = good(&issuer).claim("scope", serde_json::Value::Null);
    assert_eq!(service.get("/acme", &absent.sign()).await.status, 403, "null is absence");
    for wrong in [serde_json::json!(["admin write"]), serde_json::json!(1), serde_json::json!({})] {
        assert_eq!(service.get("/acme", &good(&issuer).claim("scope", wrong).sign()).await.status, 401);
    }
}

#[tokio::test]
async fn s5_16_an_old_or_unknown_login_gets_a_step_up_challenge() {
    let issuer = TestIssuer::new();
    let service = guarded(&issuer, authenticated_within(Duration::from_secs(300))).await;
    let at = |ago| good(&issuer).authenticated(Duration::from_secs(ago)).sign();
    for token in [at(361), good(&issuer).sign()] {
        let answer = service.get("/acme", &token).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "insufficient_user_authentication"));
        assert!(answer.challenge().contains("error=\"insufficient_user_authentication\""));
        assert!(answer.challenge().contains("max_age=\"300\""), "{}", answer.challenge());
    }
    let token = at(299);
    assert_eq!(service.get("/acme", &token).await.body, "in");
    issuer.clock().advance(Duration::from_secs(2));
    assert_eq!(service.get("/acme", &token).await.status, 401, "evaluated again, although the token is cached");
}

#[tokio::test]
async fn s3_21_a_user_named_like_a_service_is_not_that_service() {
    let issuer = TestIssuer::new();
    let service = guarded(&issuer, client("svc-a")).await;
    let user = good(&issuer).subject("svc-a").client_id("web").sign();
    assert_denied(&service.get("/acme", &user).await, "a user who chose the name");
    let service_token = good(&issuer).subject("svc-a").client_id("svc-a").sign();
    assert_eq!(service.get("/acme", &service_token).await.body, "in");
}

#[tokio::test]
async fn s3_23_roles_of_a_wrong_type_refuse_and_are_never_matched_in_part() {
    let issuer = TestIssuer::new();
    let service = guarded(&issuer, role("admin")).await;
    for wrong in [serde_json::json!({"admin": true}), serde_json::json!([1]), serde_json::json!(true)] {
        let answer = service.get("/acme", &good(&issuer).claim("roles", wrong.clone()).sign()).await;
        assert_eq!(answer.status, 401, "{wrong}");
    }
    for near in ["notadmin", "admin2", "Admin", "admin "] {
        assert_denied(&service.get("/acme", &good(&issuer).role(near).sign()).await, near);
    }
    assert_denied(&service.get("/acme", &good(&issuer).sign()).await, "absent");
    assert_eq!(service.get("/acme", &good(&issuer).role("admin").sign()).await.body, "in");
}

#[tokio::test]
async fn s5_26_truth_tables_of_three_scopes() {
    let issuer = TestIssuer::new();
    let (a, b, c) = (|| scope("a"), || scope("b"), || scope("c"));
    type Table = (Requirement, fn(bool, bool, bool) -> bool);
    let tables: [Table; 6] = [
        (all_of([a(), b(), c().not()]), |a, b, c| a && b && !c),
        (a().and(b()).and(c()), |a, b, c| a && b && c),
        (any_of([a(), b(), c()]), |a, b, c| a || b || c),
        (a().and(b().or(c())), |a, b, c| a && (b || c)),
        (a().or(b().and(c().not())), |a, b, c| a || (b && !c)),
        (at_least(2, [a(), b(), c()]), |a, b, c| [a, b, c].into_iter().filter(|met| *met).count() >= 2),
    ];
    for (requirement, expected) in tables {
        let words = requirement.to_string();
        let service = guarded(&issuer, requirement).await;
        for bits in 0..8_u8 {
            let granted = [bits & 1 != 0, bits & 2 != 0, bits & 4 != 0];
            let names = ["a", "b", "c"].into_iter().zip(granted).filter(|(_, granted)| *granted).map(|(name, _)| name);
            let token = good(&issuer).claim("scope", names.collect::<Vec<_>>().join(" ")).sign();
            let passes = service.get("/acme", &token).await.status == 200;
            assert_eq!(passes, expected(granted[0], granted[1], granted[2]), "{words}: {granted:?}");
        }
    }
}

/// GHSA-hp74-gm6m-2qm5: a login that was fresh but weaker passed as a step-up.
#[tokio::test]
async fn s5_16_a_weak_login_is_answered_with_the_required_one() {
    let issuer = TestIssuer::new();
    let recent = authenticated_within(Duration::from_secs(300));
    let service = guarded(&issuer, acr(["gold", "platinum"]).and(recent)).await;
    let weak = good(&issuer).claim("acr", "silver").authenticated(Duration::from_secs(10)).sign();
    let answer = service.get("/acme", &weak).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "insufficient_user_authentication"));
    // Whatever part of it is missing, the next login must meet all: a fresh one must not be a weaker one.
    let weak_and_old = good(&issuer).claim("acr", "silver").sign();
    let strong_and_old = good(&issuer).claim("acr", "gold").authenticated(Duration::from_secs(301)).sign();
    for token in [weak, weak_and_old, strong_and_old] {
        let challenge = service.get("/acme", &token).await.challenge().to_owned();
        assert!(challenge.contains("acr_values=\"gold platinum\", max_age=\"300\""), "{challenge}");
    }
    let strong = good(&issuer).claim("acr", "gold").authenticated(Duration::from_secs(10)).sign();
    assert_eq!(service.get("/acme", &strong).await.body, "in");
}

#[tokio::test]
async fn s5_16_a_clients_own_token_has_no_login_however_fresh_its_auth_time() {
    let issuer = TestIssuer::new();
    let service = guarded(&issuer, authenticated_within(Duration::from_secs(300))).await;
    let draft = || good(&issuer).authenticated(Duration::from_secs(10)).client_id("svc");
    let answer = service.get("/acme", &draft().subject("svc").sign()).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "insufficient_user_authentication"));
    assert_eq!(service.get("/acme", &draft().sign()).await.body, "in");
    let ahead = issuer.clock().now().as_secs() + 3600;
    let answer = service.get("/acme", &good(&issuer).claim("auth_time", ahead).sign()).await;
    assert_eq!(answer.status, 401, "a login of the future is none");
}

#[tokio::test]
async fn s5_16_a_method_of_authentication_is_asked_for() {
    let issuer = TestIssuer::new();
    let service = guarded(&issuer, amr("otp").and(acr(["gold"]))).await;
    let with = |amr: serde_json::Value| good(&issuer).claim("acr", "gold").claim("amr", amr).sign();
    assert_eq!(service.get("/acme", &with(serde_json::json!(["pwd", "otp"]))).await.body, "in");
    assert_eq!(service.get("/acme", &with(serde_json::json!("otp"))).await.body, "in");
    let answer = service.get("/acme", &with(serde_json::json!(["pwd"]))).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "insufficient_user_authentication"));
    assert!(answer.challenge().contains("error=\"insufficient_user_authentication\""), "{}", answer.challenge());
    for wrong in [serde_json::json!(1), serde_json::json!([1]), serde_json::json!({"otp": true})] {
        let answer = service.get("/acme", &with(wrong.clone())).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "token_invalid"), "{wrong}");
    }
}

#[tokio::test]
async fn the_tenant_is_compared_with_a_header_or_the_host() {
    let issuer = TestIssuer::new();
    let token = good(&issuer).tenant("acme").sign();
    let authorization = format!("Authorization: Bearer {token}");
    let service = guarded(&issuer, tenant_in_header("x-tenant")).await;
    let ask = async |headers: &[&str]| {
        let headers: Vec<&str> = headers.iter().copied().chain([authorization.as_str()]).collect();
        service.request("GET /x", &headers).await.status
    };
    assert_eq!(ask(&["X-Tenant: acme"]).await, 200);
    for other in [&["X-Tenant: globex"][..], &["X-Tenant: ACME"], &["X-Tenant: acme", "X-Tenant: acme"], &[]] {
        assert_eq!(ask(other).await, 403, "{other:?}");
    }

    let service = guarded(&issuer, tenant_in_host("api.test")).await;
    let ask = async |hosts: &str| {
        let request = format!("GET /x HTTP/1.1\r\n{hosts}Connection: close\r\n{authorization}\r\n\r\n");
        service.send(request.as_bytes()).await.status
    };
    for own in ["acme.api.test", "ACME.api.test:8443"] {
        assert_eq!(ask(&format!("Host: {own}\r\n")).await, 200, "{own}");
    }
    for other in ["globex.api.test", "api.test", "acme.api.test.evil.test", "x.acme.api.test"] {
        assert_eq!(ask(&format!("Host: {other}\r\nX-Forwarded-Host: acme.api.test\r\n")).await, 403, "{other}");
    }
}

#[tokio::test]
async fn what_is_hidden_answers_404_alike_whether_it_is_there_or_not() {
    let issuer = TestIssuer::new();
    let service = guarded(&issuer, tenant_in_path("tenant").hidden().and(scope("read"))).await;
    let own = good(&issuer).tenant("acme");
    assert_eq!(service.get("/acme", &own.clone().scope("read").sign()).await.body, "in");
    let answer = service.get("/acme", &own.clone().sign()).await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "insufficient_scope"), "one's own is no secret");
    let there = service.get("/globex", &own.clone().scope("read").sign()).await;
    assert_eq!(
        (there.status, there.body.as_str(), there.header("cache-control")),
        (404, "", None),
        "as an unknown path"
    );
    assert_eq!(there.header("www-authenticate"), None);
    let nowhere = service.get("/nobody", &own.sign()).await;
    assert_eq!((nowhere.status, nowhere.body), (there.status, there.body), "with or without the scope");
}

#[tokio::test]
async fn s3_29_only_the_outermost_actor_counts() {
    let issuer = TestIssuer::new();
    let service = guarded(&issuer, actor("admin-svc")).await;
    let inner = serde_json::json!({"sub": "gateway", "act": {"sub": "admin-svc"}});
    assert_denied(&service.get("/acme", &good(&issuer).claim("act", inner).sign()).await, "an inner actor");
    assert_denied(&service.get("/acme", &good(&issuer).subject("admin-svc").sign()).await, "a subject of that name");
    let outer = serde_json::json!({"sub": "admin-svc", "act": {"sub": "gateway"}});
    assert_eq!(service.get("/acme", &good(&issuer).claim("act", outer).sign()).await.body, "in");
    let nobody = good(&issuer).claim("act", serde_json::Value::Null);
    assert_denied(&service.get("/acme", &nobody.sign()).await, "null is absence");
    for wrong in [serde_json::json!("admin-svc"), serde_json::json!(["admin-svc"])] {
        assert_eq!(service.get("/acme", &good(&issuer).claim("act", wrong).sign()).await.status, 401);
    }
    let deep =
        (0..9).fold(serde_json::json!({"sub": "x"}), |act, _| serde_json::json!({"sub": "admin-svc", "act": act}));
    assert_eq!(service.get("/acme", &good(&issuer).claim("act", deep).sign()).await.status, 401, "too many actors");
}
