//! What a report states.

use std::sync::Arc;
use std::time::Duration;

use countersign::bundle::{BundleDraft, BundleVerifier};
use countersign::clock::Clock;
use countersign::fleet::{FleetMember, FleetReport, ReportedKeys, ReportedRevocations};
use countersign::key::{Algorithm, KeySet, KeySource};
use countersign::mint::Signer;
use countersign::policy::Policy;
use countersign::reload::{PolicyBundle, PolicyFile};
use countersign::verify::Verifier;
use countersign_test::TestIssuer;

/// A folder that is removed when it is dropped.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("countersign-fleet-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a writable folder");
        Folder(folder)
    }

    fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
        std::fs::write(self.0.join("new"), text).expect("writable");
        std::fs::rename(self.0.join("new"), self.0.join(name)).expect("renamed");
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn policy(more: &str) -> String {
    format!("[[issuers]]\nissuer = \"https://issuer.test\"\naudience = \"orders\"\n{more}")
}

#[tokio::test]
async fn s14_05_a_verifier_of_bundles_reports_revision_keys_weakenings_and_why_the_last_one_was_refused() {
    let (issuer, folder) = (TestIssuer::new(), Folder::new("bundles"));
    let signer = Signer::generate(Algorithm::ES256).expect("a key");
    let pins =
        BundleVerifier::new("orders-test", KeySet::new([signer.verifying_key().expect("a key")])).expect("sound");
    let sign = |revision, more: &str| {
        let draft = BundleDraft::new("orders-test", revision, Policy::from_toml(&policy(more)).expect("a policy"));
        draft.created_at(issuer.clock().now()).sign(&signer).expect("signed")
    };
    let path = folder.write("bundle", &sign(3, "danger_any_type = true"));
    let keys = issuer.key_source();
    let bundles =
        PolicyBundle::from_file(&path, pins).interval(Duration::from_secs(3600)).clock(issuer.clock().clone());
    let bundles = bundles.keys(move |_| Ok(Arc::clone(&keys) as Arc<dyn KeySource>));
    let bundled = bundles.build().await.expect("a bundle");
    let member = FleetMember::new("orders", &bundled).version("2.1.0");
    let started = issuer.clock().now().as_secs();

    issuer.clock().advance(Duration::from_secs(60));
    let report = member.report();
    let bundle = report.bundle.clone().expect("a bundle");
    assert_eq!((&*report.service, report.version.as_deref(), report.sequence), ("orders", Some("2.1.0"), 1));
    assert_eq!((report.started_at, report.since, report.reported_at), (started, started, started + 60));
    assert_eq!((&*bundle.fleet, bundle.revision, bundle.since), ("orders-test", 3, started));
    assert_eq!(report.fingerprint, bundled.verifier().fingerprint().to_string());
    assert_eq!(report.weakenings, ["https://issuer.test: danger_any_type"]);
    assert!(report.is_latest && report.refusal.is_none() && report.policy.is_none());
    let keys = &report.issuers[0];
    assert_eq!((&*keys.issuer, keys.keys), ("https://issuer.test", ReportedKeys::Ready));
    let before = keys.key_set.clone().expect("has keys");
    assert_eq!(before.len(), 64);
    issuer.rotate();
    assert_ne!(member.report().issuers[0].key_set.as_ref(), Some(&before), "other keys");

    folder.write("bundle", &sign(2, ""));
    assert!(bundled.pull().await.is_err());
    let report = member.report();
    let refusal = report.refusal.expect("refused");
    assert_eq!((&*refusal.field, refusal.code.as_deref()), ("policy_bundle", Some("bundle_older_revision")));
    assert!(!report.is_latest && refusal.problem.starts_with("bundle_older_revision: "), "{}", refusal.problem);

    folder.write("bundle", &sign(4, ""));
    assert_eq!(bundled.pull().await, Ok(true));
    let report = member.report();
    assert!(report.is_latest && report.weakenings.is_empty());
    assert_eq!((report.bundle.map(|bundle| bundle.since), report.since), (Some(started + 60), started + 60));
}

#[tokio::test]
async fn s14_05_a_policy_file_and_a_plain_verifier_report_the_same_without_a_revision() {
    let (issuer, folder) = (TestIssuer::new(), Folder::new("file"));
    let path = folder.write("policy.toml", &policy("leeway_seconds = 30"));
    let keys = issuer.key_source();
    let file = PolicyFile::new(&path).interval(Duration::from_secs(3600)).clock(issuer.clock().clone());
    let file = file.keys(move |_| Ok(Arc::clone(&keys) as Arc<dyn KeySource>)).build().expect("sound");
    let keys = issuer.key_source();
    let plain = Policy::from_toml(&policy("")).expect("a policy");
    let plain = Verifier::builder().policy(&plain, |_| Ok(Arc::clone(&keys) as Arc<dyn KeySource>));
    let plain = plain.clock(issuer.clock().clone()).build().expect("sound");

    let (watched, member) = (FleetMember::new("orders", &file), FleetMember::new("orders", &plain));
    let (one, other) = (watched.report_with_policy(), member.report_with_policy());
    assert_eq!((&one.fingerprint, &one.issuers, &one.policy), (&other.fingerprint, &other.issuers, &other.policy));
    assert!(one.policy.is_some() && one.bundle.is_none());
    assert_ne!(one.instance, other.instance, "each has its own");

    folder.write("policy.toml", "issuers = 1");
    assert!(file.reload().await.is_err());
    let refusal = watched.report().refusal.expect("refused");
    assert!(refusal.code.is_none() && !refusal.problem.is_empty() && !watched.report().is_latest);
}

#[tokio::test]
async fn s14_06_a_rule_that_differs_is_found_by_its_name() {
    let keys = TestIssuer::new().key_source();
    let canonical = |more: &str| {
        let policy = Policy::from_toml(&policy(more)).expect("a policy");
        let built = Verifier::builder().policy(&policy, |_| Ok(Arc::clone(&keys) as Arc<dyn KeySource>)).build();
        built.expect("sound").canonical_policy()
    };
    let ours = canonical("");
    assert_eq!(ours.differences(&canonical("leeway_seconds = 30")), [], "the default, written");
    for (more, field) in [
        ("leeway_seconds = 60", "leeway"),
        ("algorithms = [\"ES256\"]", "algorithms"),
        ("danger_any_type = true", "weakenings"),
        ("max_age_seconds = 600", "max_age"),
    ] {
        let found = ours.differences(&canonical(more));
        assert_eq!(found.iter().map(|one| &*one.field).collect::<Vec<_>>(), [field], "{more}");
        assert_eq!(found[0].issuer.as_deref(), Some("https://issuer.test"));
    }
    let text = ours.differences(&canonical("leeway_seconds = 60"))[0].to_string();
    assert_eq!(text, "issuers / https://issuer.test / leeway: 30s -> 60s");
}

#[test]
fn s14_05_the_state_of_revocation_data_is_reported_and_no_secret_is() {
    let issuer = TestIssuer::new();
    let state = ReportedRevocations::new(Duration::from_secs(90), Duration::from_secs(60));
    let member = FleetMember::new("orders", &issuer.verifier_for("orders")).revocations(move || Some(state));
    let report = member.report_with_policy();
    assert_eq!(report.revocations, Some(state));
    assert!(state.is_too_old);
    let json = report.to_json();
    let token = issuer.token().audience("orders").sign();
    for secret in token.split('.').chain([&*issuer.key_id()]) {
        assert!(!json.contains(secret), "{secret}");
    }
    assert_eq!(FleetReport::from_json(&json).expect("read"), report);
    assert!(report.to_json().len() < 2_048, "{}", report.to_json().len());
}
