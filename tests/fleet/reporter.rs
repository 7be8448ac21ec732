//! The sending of reports.

use std::sync::Arc;
use std::time::Duration;

use countersign::fleet::{FleetMember, FleetReporter};
use countersign::key::KeySource;
use countersign::outbound::{Outbound, StaticToken};
use countersign::policy::Policy;
use countersign::secret::Secret;
use countersign::verify::Verifier;
use countersign_test::TestIssuer;

use crate::plane::Plane;

fn builder(issuer: &TestIssuer, audience: &str) -> countersign::verify::VerifierBuilder {
    let policy = Policy::access_token(issuer.name(), audience);
    let keys = issuer.key_source();
    Verifier::builder().policy(&policy, |_| Ok(Arc::clone(&keys) as Arc<dyn KeySource>))
}

#[tokio::test]
async fn s14_05_a_new_policy_is_reported_at_once_and_comes_along() {
    let (issuer, plane) = (TestIssuer::new(), Plane::start().await);
    let (verifier, replacer) = builder(&issuer, "orders").build_replaceable().expect("sound");
    let member = FleetMember::new("orders", &verifier);
    let reporter = FleetReporter::builder(member, plane.url()).build().expect("on this machine");
    let first = plane.report(|_| true).await;
    assert!(first.policy.is_some() && first.sequence == 1, "the first one has the policy");
    replacer.replace(builder(&issuer, "billing")).expect("sound");
    let second = plane.report(|report| report.fingerprint != first.fingerprint).await;
    assert_eq!(second.policy, Some(verifier.canonical_policy()));
    assert_eq!((reporter.failed(), reporter.last_error()), (0, None));
    assert_eq!(plane.authorization(), None, "no token for a plane on this machine");
}

#[tokio::test]
async fn s14_05_other_keys_and_a_refusal_are_reported_at_once_without_the_policy() {
    let (issuer, plane) = (TestIssuer::new(), Plane::start().await);
    let (verifier, replacer) = builder(&issuer, "orders").build_replaceable().expect("sound");
    let member = FleetMember::new("orders", &verifier);
    let _reporter = FleetReporter::builder(member, plane.url()).build().expect("on this machine");
    let first = plane.report(|_| true).await;
    issuer.rotate();
    assert!(replacer.replace(Verifier::builder()).is_err());
    let second = plane.report(|report| report.refusal.is_some()).await;
    assert!(!second.is_latest && second.policy.is_none() && second.fingerprint == first.fingerprint);
    assert_ne!(second.issuers[0].key_set, first.issuers[0].key_set);
}

#[tokio::test]
async fn s14_05_a_plane_that_was_started_again_gets_the_policy_at_once() {
    let (issuer, plane) = (TestIssuer::new(), Plane::start().await);
    let member = FleetMember::new("orders", &issuer.verifier_for("orders"));
    let reporter = FleetReporter::builder(member, plane.url()).build().expect("on this machine");
    plane.report(|_| true).await;
    plane.forget();
    reporter.hint();
    let last = plane.report(|report| report.policy.is_some() && report.sequence > 1).await;
    assert_eq!(last.sequence, 3, "the second one had none");
}

#[tokio::test]
async fn s14_05_a_plane_that_fails_is_asked_again_after_a_pause_and_gets_the_newest_report() {
    let (issuer, plane) = (TestIssuer::new(), Plane::start().await);
    plane.answer(503);
    let (verifier, replacer) = builder(&issuer, "orders").build_replaceable().expect("sound");
    let alive = Arc::new(());
    let (ended, state) = (Arc::downgrade(&alive), move || {
        let _ = &alive;
        None
    });
    let member = FleetMember::new("orders", &verifier).revocations(state);
    let reporter = FleetReporter::builder(member, plane.url()).build().expect("sound");
    plane.report(|_| true).await;
    while reporter.failed() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(reporter.last_error().is_some_and(|error| error.contains("503")));
    plane.answer(200);
    replacer.replace(builder(&issuer, "billing")).expect("sound");
    for _ in 0..100 {
        reporter.hint(); // does not shorten the pause
    }
    let again = plane.report(|report| report.sequence == 2).await;
    assert_eq!(again.fingerprint, verifier.fingerprint().to_string());
    while reporter.sent() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!((reporter.failed(), reporter.last_error(), plane.reports().len()), (1, None, 2));
    drop(reporter);
    while ended.upgrade().is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await; // the task ends with the reporter
    }
}

#[tokio::test]
async fn s14_05_reports_carry_the_services_own_token_and_settings_that_are_not_sound_are_errors() {
    let (issuer, plane) = (TestIssuer::new(), Plane::start().await);
    let member = FleetMember::new("orders", &issuer.verifier_for("orders"));
    let outbound = |origin: &str| {
        let source = StaticToken::new(Secret::from("the-services-token"));
        Outbound::builder(reqwest::Client::new()).bind(origin, source).build().expect("sound")
    };
    let reporter = FleetReporter::builder(member.clone(), plane.url()).outbound(outbound(&plane.url()));
    let reporter = reporter.build().expect("sound");
    plane.report(|_| true).await;
    assert_eq!(plane.authorization().as_deref(), Some("Bearer the-services-token"));
    assert!(!format!("{reporter:?}").contains("the-services-token"));

    // A token of another origin is not sent there.
    let elsewhere = FleetReporter::builder(member.clone(), plane.url()).outbound(outbound("https://other.test"));
    let elsewhere = elsewhere.build().expect("sound");
    while elsewhere.failed() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(elsewhere.last_error().is_some_and(|error| error.starts_with("origin_not_bound")));
    assert_eq!(plane.reports().len(), 1);

    let field = |builder: countersign::fleet::FleetReporterBuilder| {
        builder.build().err().map(|error| error.faults()[0].field.clone().into_owned())
    };
    let at = |url: &str| FleetReporter::builder(member.clone(), url);
    assert_eq!(field(at("https://plane.test")).as_deref(), Some("outbound"), "no token for a plane elsewhere");
    assert_eq!(field(at("http://plane.test")).as_deref(), Some("plane"));
    assert_eq!(field(at("http://127.0.0.1/?a=b")).as_deref(), Some("plane"));
    assert_eq!(field(at("http://127.0.0.1").interval(Duration::ZERO)).as_deref(), Some("interval"));
    assert_eq!(field(at("http://127.0.0.1").interval(Duration::from_secs(61))).as_deref(), Some("interval"));
    let unnamed = FleetMember::new("", &issuer.verifier_for("orders"));
    assert_eq!(field(FleetReporter::builder(unnamed, "http://127.0.0.1")).as_deref(), Some("service"));
}
