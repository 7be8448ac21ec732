//! What cannot be judged is never empty: rules over it refuse, negated or not (S3.23).

use axum::Router;
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::authz::{
    Authorities, OwnTokens, acr, actor, all_of, amr, any_of, at_least, claim, claims_where, client, group, owner,
    subject,
};
use countersign::claims::Principal;
use countersign::policy::TrustedIssuer;
use countersign::prelude::*;
use countersign_test::{TestIssuer, TokenDraft};
use countersign_tests::log::Log;
use serde_json::{Value, json};
use tracing::instrument::WithSubscriber;

fn verifier(issuer: &TestIssuer) -> Verifier {
    let authorities = TestIssuer::authorities().roles_at("/realm/roles").hierarchy("admin > clerk").scopes_in_scp();
    let builder = Verifier::builder().trust(issuer.trusted_for("api").authorities(authorities));
    builder.clock(std::sync::Arc::new(issuer.clock().clone())).build().expect("a policy")
}

async fn status(verifier: &Verifier, requirement: &Requirement, token: &str) -> u16 {
    let route = get(|| async { "in" }).layer(require(requirement.clone()));
    let app = Router::new().route("/{tenant}", route).layer(AuthenticateLayer::new(verifier.clone()));
    let request = axum::http::Request::get("/acme").header("authorization", format!("Bearer {token}"));
    let request = request.body(axum::body::Body::empty()).expect("a request");
    tower::ServiceExt::oneshot(app, request).await.expect("answered").status().as_u16()
}

#[derive(serde::Deserialize)]
struct Own {
    #[serde(default)]
    groups: Vec<String>,
}

/// Ways to declare that claims are elsewhere.
fn elsewhere(name: &str) -> Vec<(&'static str, Value)> {
    let sources = json!({ name: "src1", "other": "src1" });
    let mut all = vec![("_claim_names", sources), ("_claim_names", json!({ name: null }))];
    if name == "groups" {
        all.extend([("hasgroups", json!(true)), ("hasgroups", json!("true")), ("hasgroups", json!(1))]);
    }
    all
}

#[tokio::test]
async fn s3_23_rules_over_claims_that_are_elsewhere_refuse_negated_or_not() {
    let issuer = TestIssuer::new();
    let verifier = verifier(&issuer);
    let draft = || {
        issuer
            .token()
            .audience("api")
            .subject("u1")
            .client_id("web")
            .tenant("acme")
            .authenticated(std::time::Duration::ZERO)
    };
    let no_contractors =
        claims_where("no contractor", |own: &Own| !own.groups.iter().any(|name| name == "contractors"));
    for (name, rules) in [
        ("groups", vec![group("contractors"), claim("groups", "x"), no_contractors]),
        ("roles", vec![role("clerk"), permission("pay"), claim("/roles/0", "x")]),
        ("realm", vec![role("clerk")]),
        ("permissions", vec![permission("pay")]),
        ("scope", vec![scope("read")]),
        ("scp", vec![scope("read")]),
        ("tenant", vec![tenant_in_path("tenant")]),
        ("sub", vec![subject("u1"), owner(issuer.name(), "u1")]),
        ("client_id", vec![client("web")]),
        ("act", vec![actor("gateway")]),
        ("acr", vec![acr(["gold"])]),
        ("amr", vec![amr("pwd")]),
        ("auth_time", vec![authenticated_within(std::time::Duration::from_secs(300))]),
        ("plan", vec![claim("plan", "free")]),
    ] {
        for (marker, value) in elsewhere(name) {
            let token = draft().claim(marker, value.clone()).sign();
            for rule in &rules {
                for rule in [
                    rule.clone(),
                    rule.clone().not(),
                    rule.clone().not().not(),
                    rule.clone().not().hidden(),
                    all_of([rule.clone().not(), scope("none").not()]),
                    any_of([rule.clone().not(), role("none")]),
                    at_least(1, [rule.clone().not(), role("none")]),
                    any_of([rule.clone(), rule.clone().not()]),
                ] {
                    // A rule over another claim in the same guard may fail too: here all others are decided.
                    let status = status(&verifier, &rule, &token).await;
                    assert!(matches!(status, 401 | 403 | 404), "{rule} with {marker}: {value} was {status}");
                }
            }
        }
    }
    // Claims that are not elsewhere are decided as ever, and a declaration of nothing declares nothing.
    for (marker, value) in [
        ("_claim_names", json!({ "other": "src1" })),
        ("hasgroups", json!(false)),
        ("hasgroups", json!(null)),
        ("_claim_names", json!(null)),
    ] {
        let token = draft().claim(marker, value.clone()).group("staff").sign();
        assert_eq!(status(&verifier, &group("contractors").not(), &token).await, 200, "{marker} {value}");
        assert_eq!(status(&verifier, &group("staff"), &token).await, 200, "{marker} {value}");
    }
    let token = draft().claim("hasgroups", true).group("staff").sign();
    assert_eq!(status(&verifier, &group("staff"), &token).await, 403, "what is there may be a part only");
    let token = draft().claim("hasgroups", true).role("clerk").sign();
    assert_eq!(status(&verifier, &role("clerk").and(role("admin").not()), &token).await, 200, "roles are not groups");
    for malformed in [json!([]), json!("groups"), json!(1), json!(true)] {
        let token = draft().claim("_claim_names", malformed.clone()).sign();
        assert_eq!(status(&verifier, &scope("none").not(), &token).await, 401, "{malformed}");
    }
}

/// Names that are elsewhere may be any: those of a client in its own name, of another service, or of a client not allowed.
#[tokio::test]
async fn s3_23_names_that_are_elsewhere_pass_no_rule_of_the_policy() {
    let issuer = TestIssuer::new();
    let verifier = |change: fn(TrustedIssuer) -> TrustedIssuer| {
        let builder = Verifier::builder().trust(change(issuer.trusted_for("api")));
        builder.clock(std::sync::Arc::new(issuer.clock().clone())).build().expect("a policy")
    };
    let own = || issuer.token().audience("api").subject("billing").client_id("billing");
    let (plain, allowed, refused) = (
        verifier(|trusted| trusted),
        verifier(|trusted| trusted.allowed_client("billing")),
        verifier(|trusted| trusted.refused_subject_prefix("svc:")),
    );
    for verifier in [&plain, &allowed, &refused] {
        let verified = verifier.verify(&own().sign()).await.expect("a client's own token");
        assert_eq!(verified.principal(), Principal::Client("billing"));
        assert!(!verified.is_actor_unknown() && !verified.is_client_unknown());
    }
    let code = async |verifier: &Verifier, name: &str| {
        let token = own().claim("_claim_names", json!({ name: "src1" })).sign();
        let explained = verifier.explain(&token).await.is_accepted();
        let verified = verifier.verify(&token).await;
        assert_eq!(verified.is_ok(), explained, "{name}");
        verified.map_or_else(
            |error| error.code(),
            |verified| {
                let is_client = matches!(verified.principal(), Principal::Client(_));
                assert_eq!(is_client, name == "other", "{name}");
                assert_eq!(
                    (verified.is_actor_unknown(), verified.is_client_unknown()),
                    (name == "act", name == "client_id")
                );
                "ok"
            },
        )
    };
    for (name, expected) in [
        ("other", ["ok", "ok", "ok"]),
        ("act", ["ok", "ok", "subject_not_allowed"]),
        ("client_id", ["ok", "subject_not_allowed", "subject_not_allowed"]),
        ("cnf", ["invalid_claim"; 3]),
        ("sub", ["invalid_claim"; 3]),
        ("nbf", ["invalid_claim"; 3]),
    ] {
        let codes = [code(&plain, name).await, code(&allowed, name).await, code(&refused, name).await];
        assert_eq!(codes, expected, "{name}");
    }
}

/// An empty string is no scope, role, permission, group or method; nor does a rule mean one.
#[tokio::test]
async fn s3_23_an_empty_string_is_no_name() {
    let issuer = TestIssuer::new();
    let verifier = verifier(&issuer);
    let empty = json!([""]);
    let token = issuer.token().audience("api").subject("u1");
    let token = token.claim("scp", empty.clone()).claim("realm", json!({ "roles": empty })).claim("amr", empty.clone());
    let token = token.claim("groups", empty.clone()).claim("permissions", empty).sign();
    let verified = verifier.verify(&token).await.expect("valid");
    let grants = verified.grants();
    let names = [&grants.scopes, &grants.roles, &grants.permissions, &grants.groups, &grants.methods];
    assert!(names.iter().all(|names| names.is_empty()), "{grants:?}");
    for rule in [scope(""), role(""), permission(""), group(""), amr(""), amr("pwd")] {
        for rule in [rule.clone(), rule.clone().not()] {
            assert!(matches!(status(&verifier, &rule, &token).await, 401 | 403), "{rule}");
        }
    }
    let stated = issuer.token().audience("api").claim("amr", json!([])).sign();
    assert_eq!(status(&verifier, &amr("pwd").not(), &stated).await, 200, "an empty list states that there is none");
    let some = issuer.token().audience("api").claim("amr", json!(["", "otp"])).sign();
    assert_eq!(status(&verifier, &amr("otp").and(amr("pwd").not()), &some).await, 200);
}

#[tokio::test]
async fn s3_23_one_log_line_says_that_the_claim_is_elsewhere() {
    let issuer = TestIssuer::new();
    let (verifier, log) = (verifier(&issuer), Log::default());
    let token = issuer.token().audience("api").claim("_claim_names", json!({ "groups": "src\r\n1" })).sign();
    let rule = group("contractors").not();
    async { assert_eq!(status(&verifier, &rule, &token).await, 403) }.with_subscriber(log.subscriber()).await;
    let lines = log.lines("not in the token: groups");
    assert!(lines.len() == 1 && lines[0].contains("group contractors"), "{}", log.text());
}

/// Absent, `null`, of another type, too far in the future: what a rule needs to know, and does not.
#[tokio::test]
async fn s3_23_a_fact_that_the_token_does_not_tell_refuses_a_denial_over_it_too() {
    let issuer = TestIssuer::new();
    let verifier = verifier(&issuer);
    let draft = || issuer.token().audience("api").subject("u1").client_id("web");
    let without = |name: &str| draft().without_claim(name);
    let cases: Vec<(Requirement, TokenDraft)> = vec![
        (client("evil"), without("client_id")),
        (client("evil"), draft().claim("client_id", "")),
        (subject("evil"), without("sub")),
        (subject("evil"), draft().subject("")),
        (subject(""), draft()),
        (client(""), draft()),
        (actor(""), draft()),
        (owner(issuer.name(), ""), draft()),
        (tenant_in_path("tenant"), draft()),
        (tenant_in_path("tenant"), draft().claim("tenant", json!(null))),
        (acr(["weak"]), draft()),
        (amr("pwd"), draft()),
        (authenticated_within(std::time::Duration::from_secs(300)), draft()),
        (claim("banned", true), draft().claim("banned", "true")),
        (claim("banned", true), draft().claim("banned", 1)),
        (claim("banned", true), draft().claim("banned", json!([true]))),
        (claim("plan", "free"), draft().claim("plan", json!(["free"]))),
        (claim("/org/plan", "free"), draft().claim("org", "free")),
        (claim("/org/plan", "free"), draft().claim("org", json!([{ "plan": "free" }]))),
    ];
    for (rule, token) in cases {
        let token = token.sign();
        for rule in [rule.clone(), rule.not()] {
            let status = status(&verifier, &rule, &token).await;
            assert!(matches!(status, 401 | 403), "{rule}: {status}");
        }
    }
    // The token is an authority on what it does not have.
    for (rule, token) in [
        (group("contractors").not(), draft()),
        (group("contractors").not(), draft().claim("groups", json!(null))),
        (role("admin").not(), draft().claim("realm", json!(null))),
        (actor("gateway").not(), draft()),
        (claim("banned", true).not(), draft()),
        (claim("banned", true).not(), draft().claim("banned", json!(null))),
        (claim("banned", true).not(), draft().claim("banned", false)),
        (client("evil").not(), draft()),
    ] {
        assert_eq!(status(&verifier, &rule, &token.sign()).await, 200, "{rule}");
    }
    // A list of another type refuses the token.
    for wrong in [json!({}), json!([1]), json!(7), json!([["contractors"]])] {
        let token = draft().claim("groups", wrong.clone()).sign();
        assert_eq!(status(&verifier, &group("contractors").not(), &token).await, 401, "{wrong}");
    }
}

/// In shadow mode an unknown part is counted as unmet and decides nothing.
#[tokio::test]
async fn s3_23_an_unknown_part_in_shadow_mode_is_counted_as_unmet() {
    let issuer = TestIssuer::new();
    let token = issuer.token().audience("api").claim("hasgroups", true).sign();
    let rule = scope("none").not().and(group("contractors").not().shadowed());
    assert_eq!(status(&verifier(&issuer), &rule, &token).await, 200);
    assert_eq!(rule.shadows().map(|(_, stats)| (stats.met, stats.unmet)).collect::<Vec<_>>(), [(0, 1)]);
    let only = Authorities::new();
    assert!(Verifier::new(issuer.trusted_for("api").authorities(only)).is_ok());
}

/// A mark of a client's own token that is elsewhere tells nothing, though the mark is the absence of a claim.
#[tokio::test]
async fn s3_21_s3_23_whose_own_token_it_is_is_unknown_while_a_mark_of_it_is_elsewhere() {
    let issuer = TestIssuer::new();
    let app_only = Authorities::new().client_at("/azp").own_tokens(OwnTokens::AppOnly).scopes_in_scp();
    let service_account = Authorities::new().client_at("/azp").own_tokens(OwnTokens::ServiceAccount);
    for (mapping, marks, of_client) in [
        (app_only, ["scp", "idtyp", "oid"], json!({ "azp": "web", "oid": "u1" })),
        (
            service_account,
            ["client_id", "preferred_username", "clientId"],
            json!({ "azp": "web", "clientId": "web", "preferred_username": "service-account-web" }),
        ),
    ] {
        let builder = Verifier::builder().trust(issuer.trusted_for("api").authorities(mapping));
        let verifier = builder.clock(std::sync::Arc::new(issuer.clock().clone())).build().expect("a policy");
        let claims = of_client.as_object().expect("an object");
        let own = issuer.token().audience("api").subject("u1").without_claim("client_id");
        let own = || claims.iter().fold(own.clone(), |token, (name, value)| token.claim(name, value.clone()));
        let verified = verifier.verify(&own().sign()).await.expect("a client's own token");
        assert!(verified.principal() == Principal::Client("web") && verified.meets(&client("web")), "{of_client}");
        for mark in marks {
            let token = own().claim("_claim_names", json!({ mark: "src1" })).sign();
            let verified = verifier.verify(&token).await.expect("a token");
            assert!(verified.is_client_unknown(), "{mark}");
            assert!(!matches!(verified.principal(), Principal::Client(_)), "{mark}");
            for rule in [client("web"), client("web").not(), client("other").not()] {
                assert!(!verified.meets(&rule), "{rule} with {mark} elsewhere");
            }
        }
    }
}

/// What every rule calls unknown is nothing to key data by.
#[tokio::test]
async fn s3_23_s15_05_a_tenant_that_is_elsewhere_is_no_tenant_for_a_handler() {
    let issuer = TestIssuer::new();
    let verifier = verifier(&issuer);
    let app = Router::new().route("/", get(|tenant: Tenant| async move { tenant.to_string() }));
    let app = app.layer(AuthenticateLayer::new(verifier.clone()));
    let good = || issuer.token().audience("api").tenant("acme");
    for (token, expected) in [(good(), Some("acme")), (good().claim("_claim_names", json!({ "tenant": "s" })), None)] {
        let token = token.sign();
        let verified = verifier.verify(&token).await.expect("a token");
        assert_eq!(verified.tenant().map(ToString::to_string).as_deref(), expected);
        let request = axum::http::Request::get("/").header("authorization", format!("Bearer {token}"));
        let request = request.body(axum::body::Body::empty()).expect("a request");
        let response = tower::ServiceExt::oneshot(app.clone(), request).await.expect("answered");
        assert_eq!(response.status().as_u16(), if expected.is_some() { 200 } else { 403 });
    }
}
