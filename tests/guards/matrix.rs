//! Role by route by tenant: who may what, as one table.

use axum::Router;
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::authz::{Authorities, at_least};
use countersign::prelude::*;
use countersign_test::TestIssuer;
use countersign_tests::http::Service;

const ROUTES: [&str; 6] = ["read", "write", "close", "two", "not-clerk", "tried"];

/// For each role, what it may do in its own tenant, in the order of `ROUTES`. In another tenant: nothing.
const TABLE: [(&str, [bool; 6]); 6] = [
    ("none", [false, false, false, false, true, true]),
    ("clerk", [true, false, false, false, false, true]),
    ("manager", [true, true, false, true, false, true]),
    ("admin", [true, true, true, true, false, true]),
    ("auditor", [false, false, false, false, true, true]),
    ("Admin", [false, false, false, false, true, true]), // not a role of this service
];

#[tokio::test]
async fn s5_05_role_by_route_by_tenant() {
    let issuer = TestIssuer::new();
    let authorities = Authorities::new()
        .roles_at("/roles")
        .tenant_at("/tenant")
        .hierarchy("admin > manager > clerk; auditor")
        .role_permission("manager", "orders:write");
    let verifier = Verifier::builder()
        .trust(issuer.trusted_for("api").authorities(authorities))
        .clock(std::sync::Arc::new(issuer.clock().clone()))
        .build()
        .expect("a policy");
    let guarded = |requirement: Requirement| {
        get(|tenant: Tenant| async move { tenant.to_string() })
            .layer(require(tenant_in_path("tenant").and(requirement)))
    };
    let hidden = get(|tenant: Tenant| async move { tenant.to_string() })
        .layer(require(tenant_in_path("tenant").hidden().and(role("admin"))));
    let app = Router::new()
        .route("/{tenant}/read", guarded(role("clerk")))
        .route("/{tenant}/write", guarded(permission("orders:write")))
        .route("/{tenant}/close", guarded(role("admin")))
        .route("/{tenant}/two", guarded(at_least(2, [role("clerk"), role("manager"), role("auditor")])))
        .route("/{tenant}/not-clerk", guarded(role("clerk").not()))
        .route("/{tenant}/tried", guarded(role("admin").shadowed()))
        .route("/hidden/{tenant}/close", hidden)
        .layer(AuthenticateLayer::new(verifier));
    let service = Service::start(app).await;

    for (role, allowed) in TABLE {
        for own in ["acme", "globex"] {
            let token = issuer.token().audience("api").tenant(own).role(role).sign();
            for (route, allowed) in ROUTES.into_iter().zip(allowed) {
                for asked in ["acme", "globex", "%61cme", "acme%2f..%2fglobex", "ACME", "."] {
                    let is_own = asked == own || (asked == "%61cme" && own == "acme");
                    let answer = service.get(&format!("/{asked}/{route}"), &token).await;
                    let expected = if is_own && allowed { 200 } else { 403 };
                    assert_eq!(answer.status, expected, "{role} of {own}: {route} of {asked}");
                    if expected == 200 {
                        assert_eq!(answer.body, own);
                    }
                }
            }
        }
    }
    for (role, allowed) in [("admin", true), ("manager", false)] {
        for own in ["acme", "globex"] {
            let token = issuer.token().audience("api").tenant(own).role(role).sign();
            for asked in ["acme", "globex", "nobody"] {
                let answer = service.get(&format!("/hidden/{asked}/close"), &token).await;
                let expected = match (asked == own, allowed) {
                    (false, _) => 404,
                    (true, false) => 403,
                    (true, true) => 200,
                };
                assert_eq!(answer.status, expected, "{role} of {own}: hidden of {asked}");
            }
        }
    }
    let stray = issuer.token().audience("api").role("admin").sign();
    assert_eq!(service.get("/acme/read", &stray).await.status, 403, "no tenant, nothing");
    let odd = issuer.token().audience("api").role("admin").tenant("../acme").sign();
    assert_eq!(service.get("/acme/read", &odd).await.status, 401, "no tenant id at all");
}
