//! Why a request was denied: in the log of development and in the test kit's assertions, and never in the answer.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::authz::{
    acr, actor, amr, at_least, claim, client, group, issued_by, owner, subject, tenant_in_header, tenant_in_host,
};
use countersign::extract::{Authorized, Rejection};
use countersign::prelude::*;
use countersign_test::{Answer, TestIssuer, TokenDraft};
use countersign_tests::log::Log;
use tower::ServiceExt;
use tracing::instrument::WithSubscriber;
use tracing::level_filters::LevelFilter;

countersign::requirement! {
    Manager = role("Manager");
}

/// The service's answer to a request of `token`, and its log.
async fn denied(app: Router, token: &TokenDraft, level: LevelFilter) -> (Answer, Log) {
    let log = Log::default();
    let request = token.on(Request::get("/acme")).header("host", "Acme.example.com").header("x-tenant", "ACME");
    let request = request.body(Body::empty()).expect("a request");
    let response = app.oneshot(request).with_subscriber(log.subscriber_at(level)).await.expect("answered");
    (Answer::from_response(response).await, log)
}

fn app(issuer: &TestIssuer, requirement: Requirement) -> Router {
    let route = get(|| async { "in" }).layer(require(requirement));
    Router::new().route("/{tenant}", route).layer(AuthenticateLayer::new(issuer.verifier_for("api")))
}

fn good(issuer: &TestIssuer) -> TokenDraft {
    issuer.token().subject("u1").audience("api")
}

/// What the log of development and the test kit say of a denial.
async fn reason(issuer: &TestIssuer, requirement: Requirement, token: TokenDraft) -> String {
    let (answer, log) = denied(app(issuer, requirement), &token, LevelFilter::DEBUG).await;
    assert!(answer.status() >= 400, "{answer:?}");
    let line = log.lines("what the denied caller has").concat();
    let (_, words) = line.split_once("unmet=").expect("a reason");
    assert!(format!("{answer:?}").contains(&format!("unmet: {words}")), "{words}\n{answer:?}");
    words.to_owned()
}

#[tokio::test]
async fn the_unmet_part_and_what_the_caller_has_of_that_kind_are_named() {
    let issuer = TestIssuer::new();
    let own = || good(&issuer);
    let with_case = "and names are compared with case)";
    let cases = [
        (
            role("Manager"),
            own().role("manager"),
            format!("role Manager (the caller has roles manager; manager differs from Manager only by case, {with_case}"),
        ),
        (
            role("admin"),
            own(),
            "role admin (the caller has no roles; roles_at of the policy names the claims that they are read from)".into(),
        ),
        (
            scope("write").and(role("clerk")),
            own().scope("read").role("clerk"),
            "scope write (the caller has scopes read)".into(),
        ),
        (
            permission("pay"),
            own().permission("read").scope("pay"),
            "permission pay (the caller has permissions read; the name is one of the caller's scopes)".into(),
        ),
        (
            role("a").or(group("b")),
            own().role("x").group("y"),
            "role a or group b (the caller has roles x; the caller has groups y)".into(),
        ),
        (
            at_least(2, [role("a"), role("b"), role("c")]),
            own().role("a"),
            "at least 2 of (role a, role b, role c) (the caller has roles a)".into(),
        ),
        (
            role("banned").not(),
            own().role("banned"),
            "not (role banned) (the caller meets what is denied)".into(),
        ),
        (
            tenant_in_path("tenant").hidden(),
            own().tenant("globex"),
            "tenant as in the path's {tenant} (the caller has tenant globex; the request names acme)".into(),
        ),
        (
            tenant_in_header("x-tenant"),
            own().tenant("acme"),
            format!(
                "tenant as in the header x-tenant (the caller has tenant acme; the request names ACME; acme differs from \
                 ACME only by case, {with_case}"
            ),
        ),
        (
            tenant_in_host("example.com"),
            own().tenant("globex"),
            "tenant as in the host under example.com (the caller has tenant globex; the request names Acme)".into(),
        ),
        (client("billing"), own().client_id("web"), "client billing (the token was issued to client web)".into()),
        (
            client("billing"),
            own().client_id("billing"),
            "client billing (the token was issued to the client and is not the client's own: it has a user or an actor)"
                .into(),
        ),
        (
            issued_by("https://id.example.com"),
            own(),
            format!("issued by https://id.example.com (the token is of {})", issuer.name()),
        ),
        (actor("gateway"), own(), "actor gateway (nobody acts for the subject)".into()),
        (acr(["gold"]), own().claim("acr", "silver"), "acr gold (the token has acr silver)".into()),
        (
            amr("hwk"),
            own().claim("amr", serde_json::json!(["pwd", "otp"])),
            "authenticated by hwk (the caller has methods otp, pwd)".into(),
        ),
        (
            authenticated_within(Duration::from_secs(60)),
            own().authenticated(Duration::from_secs(100)),
            "authenticated within 60 s (the caller authenticated 100 s ago)".into(),
        ),
        (
            claim("plan", "gold"),
            own().claim("plan", "secret-plan"),
            "claim /plan is \"gold\" (the claim is absent or has another value)".into(),
        ),
    ];
    for (requirement, token, expected) in cases {
        assert_eq!(reason(&issuer, requirement, token).await, expected);
    }
}

#[tokio::test]
async fn s10_06_subjects_are_not_named() {
    let issuer = TestIssuer::new();
    for requirement in [subject("ANN"), owner(issuer.name(), "bob"), owner("https://other.test", "ann")] {
        let words = reason(&issuer, requirement, good(&issuer).subject("ann")).await;
        assert!(!words.contains("ann") && words.contains("another"), "{words}");
    }
    let words = reason(&issuer, subject("Ann"), good(&issuer).subject("ann")).await;
    assert!(words.contains("differs only by case"), "{words}");
}

#[tokio::test]
async fn s10_04_names_of_the_token_are_escaped_cut_and_few() {
    let issuer = TestIssuer::new();
    let long = "k".repeat(300);
    let hostile = good(&issuer).role("a\r\nlevel=ERROR").role("\u{202e}x").role(&long);
    let hostile = (0..500).fold(hostile, |token, number| token.role(format!("role-{number}")));
    let all = (0..40).map(|number| role(format!("wanted-{number}"))).reduce(Requirement::and).expect("parts");
    let words = reason(&issuer, all, hostile).await;
    assert!(words.is_ascii() || words.ends_with('…'), "{words}");
    assert!(words.contains("a\\r\\nlevel=ERROR") && !words.contains(&long), "{words}");
    assert!(words.chars().count() <= 2049, "{}", words.len());
    let words = reason(&issuer, role("x"), good(&issuer).role("b").role("c")).await;
    assert_eq!(words, "role x (the caller has roles b, c)");
}

/// What could pass for the words around it is in quotes.
#[tokio::test]
async fn s10_04_s10_13_a_name_of_the_token_cannot_write_the_reason() {
    const FORGED: &str = "clerk). Every other rule is met (";
    let issuer = TestIssuer::new();
    let own = || good(&issuer);
    let cases = [
        (role("admin"), own().role(FORGED)),
        (scope("write"), own().scope("read),(x")),
        (group("staff"), own().group("clerk, staff")),
        (client("billing"), own().client_id("web); ALLOWED (")),
        (acr(["gold"]), own().claim("acr", "gold). ALLOWED (")),
        (amr("hwk"), own().claim("amr", vec!["hwk; ALLOWED"])),
        (role("clerk, x"), own().role("Clerk, X")),
    ];
    for (requirement, token) in cases {
        let words = reason(&issuer, requirement, token).await;
        let (_, found) = words.split_once(" (the ").expect("a reason");
        let outside: String = found.split('"').step_by(2).collect();
        assert!(found.matches('"').count() >= 2, "{words}");
        assert!(!["ALLOWED", "rule", "staff", "x", "X"].iter().any(|word| outside.contains(word)), "{words}");
    }
}

#[tokio::test]
async fn without_debug_the_log_names_the_unmet_part_and_nothing_of_the_caller() {
    let issuer = TestIssuer::new();
    let requirement = scope("read").and(role("Manager"));
    let token = good(&issuer).scope("read").role("manager").role("canary-role");
    let (answer, log) = denied(app(&issuer, requirement), &token, LevelFilter::INFO).await;
    let line = log.lines("INFO countersign::guard").concat();
    assert!(line.contains("requirement=scope read and role Manager unmet=\"role Manager\""), "{line}");
    assert!(!log.text().contains("canary") && !log.text().contains("manager"), "{}", log.text());
    assert!(!answer.text().contains("anager"), "{}", answer.text());
}

#[tokio::test]
async fn every_form_of_a_requirement_gives_the_reason_to_assertions_and_not_to_callers() {
    async fn extractor(caller: Authorized<Manager>) -> String {
        caller.into_claims().subject().to_owned()
    }
    async fn handler(claims: Claims) -> Result<&'static str, Rejection> {
        claims.require(&role("Manager"))?;
        Ok("in")
    }
    let issuer = TestIssuer::new();
    let layer = || AuthenticateLayer::new(issuer.verifier_for("api"));
    let token = good(&issuer).role("manager");
    let apps = [
        app(&issuer, role("Manager")),
        app(&issuer, role("Manager").hidden()),
        Router::new().route("/acme", get(extractor)).layer(layer()),
        Router::new().route("/acme", get(handler)).layer(layer()),
    ];
    for app in apps {
        let (answer, _) = denied(app, &token, LevelFilter::OFF).await;
        let attempt = std::panic::AssertUnwindSafe(|| answer.assert_success().status());
        let failure = std::panic::catch_unwind(attempt).expect_err("denied");
        let failure = failure.downcast_ref::<String>().expect("a message");
        assert!(failure.contains("unmet: role Manager (the caller has roles manager; "), "{failure}");
        let outside = answer.text() + answer.header("www-authenticate").unwrap_or_default();
        assert!(!outside.contains("anager"), "{outside}");
    }
}

#[tokio::test]
async fn an_explanation_counts_nothing_in_shadow_mode_and_leaves_its_parts_out() {
    let issuer = TestIssuer::new();
    let requirement = role("a").or(role("b").shadowed());
    let words = reason(&issuer, requirement.clone(), good(&issuer).role("c")).await;
    assert_eq!(words, "role a or shadow (role b) (the caller has roles c)");
    assert_eq!(requirement.shadows().map(|(_, stats)| stats.unmet).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn outside_a_request_the_token_explains_itself() {
    let issuer = TestIssuer::new();
    let token = good(&issuer).role("clerk").sign();
    let verified = issuer.verifier_for("api").verify(&token).await.expect("accepted");
    assert!(verified.explain(&role("clerk")).unmet().is_empty());
    let explanation = verified.explain(&role("clerk").and(scope("write")));
    assert_eq!(explanation.parts(), "scope write");
    assert_eq!(explanation.to_string(), "scope write (the caller has no scopes)");
}
