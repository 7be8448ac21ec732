//! Status lists that a policy names, checked without a line of code. S14.08, S14.09.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use countersign::clock::Clock;
use countersign::error::ConfigError;
use countersign::fleet::FleetMember;
use countersign::health::Health;
use countersign::policy::{Policy, StatusListsConfig};
use countersign::prelude::*;
use countersign::queue::QueueVerifier;
use countersign::revocation::RevocationList;
use countersign::status::{StatusList, StatusListFailure};
use countersign::verify::VerifierBuilder;
use countersign_test::{TestIssuer, TokenDraft};
use countersign_tests::http::Service;
use serde_json::{Value, json};

use crate::app::{good, who};
use crate::status_lists::{Host, Published, draft};

/// A policy that trusts the issuer, with these status lists.
fn policy(issuer: &TestIssuer, lists: Value) -> Policy {
    let json = json!({ "issuers": [{ "issuer": issuer.name(), "audience": "api", "status_lists": lists }] });
    Policy::from_json(&json.to_string()).expect("a policy")
}

fn builder(issuer: &TestIssuer, policy: &Policy) -> VerifierBuilder {
    let keys = issuer.key_source();
    Verifier::builder().policy(policy, move |_| Ok(Arc::clone(&keys))).clock(Arc::new(issuer.clock().clone()))
}

fn listed(issuer: &TestIssuer, uri: &str, index: u64) -> TokenDraft {
    good(issuer).claim("status", json!({ "status_list": { "idx": index, "uri": uri } }))
}

async fn service(layer: &AuthenticateLayer) -> Service {
    Service::start(Router::new().route("/", get(who)).layer(layer.clone())).await
}

#[tokio::test]
async fn s14_08_a_policy_alone_switches_the_check_on_and_a_new_policy_counts_at_once() {
    let (issuer, host) = (TestIssuer::new(), Host::default());
    let (_lists_service, base) = host.start().await;
    let mut list = StatusList::new(1, 64).expect("a size");
    assert!(list.set(3, 1));
    let uri = format!("{base}1");
    host.publish("lists/1", Published::List(draft(&issuer, &uri, &list).sign()));
    let (valid, revoked) = (listed(&issuer, &uri, 2).sign(), listed(&issuer, &uri, 3).sign());
    let without = good(&issuer).sign();
    let none = Policy::from_json(&json!({ "issuers": [{ "issuer": issuer.name(), "audience": "api" }] }).to_string());
    let none = none.expect("a policy");
    let (verifier, replacer) = builder(&issuer, &none).build_replaceable().expect("a verifier");
    let layer = AuthenticateLayer::new(verifier.clone());
    let service = service(&layer).await;
    let statuses = async || {
        let mut found = Vec::new();
        for token in [&valid, &revoked, &without] {
            found.push(service.get("/", token).await.status);
        }
        found
    };
    let queue = QueueVerifier::new(verifier.clone(), Duration::from_secs(60)).expect("a queue");
    let message = async || queue.verify(&revoked, issuer.clock().now()).await.map_err(|error| error.code()).err();
    assert_eq!(statuses().await, [200, 200, 200], "the policy names no lists");
    assert_eq!(message().await, None);
    let with = |lists: Value| replacer.replace(builder(&issuer, &policy(&issuer, lists)));
    with(json!({ "locations": [base] })).expect("in force");
    assert_eq!(statuses().await, [200, 401, 200]);
    assert_eq!(message().await, Some("revoked"), "a queue checks what a layer does");
    with(json!({ "locations": [base], "required": true })).expect("in force");
    assert_eq!(statuses().await, [200, 401, 401]);
    with(json!({ "locations": ["https://elsewhere.test/lists/"] })).expect("in force");
    assert_eq!(statuses().await, [503, 503, 200], "the list in memory is no longer permitted");
    with(json!({ "locations": [format!("{base}other/")], "danger_accept_unknown": true })).expect("in force");
    assert_eq!(statuses().await, [200, 200, 200]);
    with(json!({ "locations": [base], "max_lists": 1 })).expect("in force");
    assert_eq!(statuses().await, [200, 401, 200]);
    assert_eq!(service.get("/", &listed(&issuer, &format!("{base}2"), 2).sign()).await.status, 503);
    assert_eq!(host.fetches("lists/2"), 0);
    replacer.replace(builder(&issuer, &none)).expect("in force");
    assert_eq!(statuses().await, [200, 200, 200]);
}

#[tokio::test]
async fn s14_08_the_check_of_a_policy_stands_beside_other_checks() {
    let (issuer, host) = (TestIssuer::new(), Host::default());
    let (_lists_service, base) = host.start().await;
    let mut published = StatusList::new(1, 64).expect("a size");
    assert!(published.set(3, 1));
    let uri = format!("{base}1");
    host.publish("lists/1", Published::List(draft(&issuer, &uri, &published).sign()));
    let verifier = builder(&issuer, &policy(&issuer, json!({ "locations": [base] }))).build().expect("a verifier");
    let list = Arc::new(RevocationList::new());
    let layer = AuthenticateLayer::builder(verifier).revocation(Arc::clone(&list)).build().expect("a layer");
    let service = service(&layer).await;
    let token = |index| listed(&issuer, &uri, index).claim("jti", format!("t{index}")).sign();
    list.revoke_token(issuer.name(), "t2", countersign::clock::UnixTime::MAX).expect("room");
    for (index, expected) in [(1, 200), (2, 401), (3, 401)] {
        assert_eq!(service.get("/", &token(index)).await.status, expected, "{index}");
    }
    assert_eq!(layer.status_lists().map(|lists| lists.stats().lists), Some(1));
    assert!(AuthenticateLayer::new(issuer.verifier_for("api")).status_lists().is_none(), "no policy can name lists");
}

#[tokio::test]
async fn s14_09_health_and_fleet_report_lists_that_cannot_be_fetched() {
    let (issuer, host) = (TestIssuer::new(), Host::default());
    let (_lists_service, base) = host.start().await;
    let uri = format!("{base}1");
    let list = StatusList::new(1, 64).expect("a size");
    let lifetime = Duration::from_secs(3_000);
    host.publish("lists/1", Published::List(draft(&issuer, &uri, &list).lifetime(lifetime).sign()));
    let rules = json!({ "locations": [base], "max_age_seconds": 60 });
    let verifier = builder(&issuer, &policy(&issuer, rules)).build().expect("a verifier");
    let layer = AuthenticateLayer::new(verifier.clone());
    let service = service(&layer).await;
    let lists = layer.status_lists().expect("the policy names them");
    let health = Health::new(&verifier).status_lists(lists);
    let member = FleetMember::new("orders", &verifier).status_lists(lists);
    let state = async || {
        let body: Value = serde_json::from_slice(health.respond().await.body()).expect("JSON");
        body["status_lists"].clone()
    };
    let none = json!({ "issuer": issuer.name(), "lists": 0, "too_old": 0, "age_seconds": null, "last_failure": null });
    assert_eq!(state().await, json!([none]));
    assert_eq!(member.report().revocations, None);
    let token = listed(&issuer, &uri, 1).lifetime(lifetime).sign();
    assert_eq!(service.get("/", &token).await.status, 200);
    host.publish("lists/1", Published::Other(StatusCode::BAD_GATEWAY, HeaderMap::new(), Vec::new()));
    issuer.clock().advance(Duration::from_secs(30));
    assert_eq!(service.get("/", &token).await.status, 200, "stale");
    issuer.clock().advance(Duration::from_secs(31));
    assert_eq!(service.get("/", &token).await.status, 503);
    let old =
        json!({ "issuer": issuer.name(), "lists": 1, "too_old": 1, "age_seconds": 61, "last_failure": "unreachable" });
    assert_eq!(state().await, json!([old]));
    let reported = member.report().revocations.expect("an age");
    assert!(reported.is_too_old && reported.age_seconds == 61, "{reported:?}");
    assert_eq!(lists.report()[0].last_failure, Some(StatusListFailure::Unreachable));
    host.publish("lists/1", Published::Other(StatusCode::OK, HeaderMap::new(), b"<html>".to_vec()));
    issuer.clock().advance(Duration::from_secs(20));
    assert_eq!(service.get("/", &token).await.status, 503);
    assert_eq!(lists.report()[0].last_failure, Some(StatusListFailure::Unusable));
    host.publish("lists/1", Published::List(draft(&issuer, &uri, &list).sign()));
    issuer.clock().advance(Duration::from_secs(20));
    assert_eq!(service.get("/", &token).await.status, 200);
    assert_eq!((lists.report()[0].last_failure, lists.stats().too_old), (None, 0));
}

#[test]
fn s14_08_s14_09_the_fields_of_a_policy_are_in_its_form_and_fingerprint_and_faults_are_named() {
    let issuer = TestIssuer::new();
    let verifier = |lists: Value| builder(&issuer, &policy(&issuer, lists)).build();
    let base = || verifier(json!({ "locations": ["https://id.test/lists/"] })).expect("a verifier");
    assert_eq!(base().fingerprint(), base().fingerprint());
    for (lists, field) in [
        (json!({ "locations": ["https://cdn.test/lists/"] }), "status_lists"),
        (json!({ "locations": ["https://id.test/lists/"], "required": true }), "status_lists.required"),
        (json!({ "locations": ["https://id.test/lists/"], "max_age_seconds": 60 }), "status_lists.max_age"),
        (json!({ "locations": ["https://id.test/lists/"], "max_lists": 4 }), "status_lists.max_lists"),
        (json!({ "locations": ["https://id.test/lists/"], "max_list_bytes": 4096 }), "status_lists.max_list_bytes"),
        (json!({ "locations": ["https://id.test/lists/"], "danger_accept_unknown": true }), "weakenings"),
    ] {
        let other = verifier(lists).expect(field);
        assert_ne!(other.fingerprint(), base().fingerprint(), "{field}");
        let differences = base().canonical_policy().differences(&other.canonical_policy());
        assert_eq!(differences.iter().map(|it| it.field.as_str()).collect::<Vec<_>>(), [field]);
    }
    let faulty = |lists: Value| -> Vec<String> {
        let error: ConfigError = verifier(lists).expect_err("faulty");
        error.faults().iter().map(|fault| fault.field.to_string()).collect()
    };
    for lists in [
        json!({ "locations": [] }),
        json!({ "locations": ["http://id.test/lists/"] }),
        json!({ "locations": ["https://id.test/lists/"], "max_age_seconds": 0 }),
        json!({ "locations": ["https://id.test/lists/"], "max_lists": 0 }),
    ] {
        assert_eq!(faulty(lists.clone()), ["status_lists"], "{lists}");
    }
    let mut weakened = policy(&issuer, json!({ "locations": ["https://id.test/"], "danger_accept_unknown": true }));
    assert_eq!(weakened.weakenings(), [format!("{}: status_lists.danger_accept_unknown", issuer.name())]);
    weakened.deny_danger = true;
    assert_eq!(builder(&issuer, &weakened).build().expect_err("denied").faults()[0].field, "danger");
    let unknown = json!({ "issuers": [{ "issuer": "a", "audience": "b", "status_lists": { "location": ["x"] } }] });
    assert!(Policy::from_json(&unknown.to_string()).is_err());
    let mut written = policy(&issuer, json!({ "locations": ["https://id.test/"] }));
    written.issuers[0].status_lists = Some(StatusListsConfig::new(["https://id.test/"]));
    assert_eq!(Policy::from_toml(&written.to_toml()).expect("its own writing"), written);
}
