//! `countersign fleet` and `countersign plane`, run as binaries, with real verifiers that report to them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use countersign::bundle::{BundleDraft, BundleVerifier};
use countersign::clock::{Clock, SystemClock};
use countersign::fleet::{FleetMember, FleetReporter};
use countersign::key::{Algorithm, KeySet, KeySource};
use countersign::mint::Signer;
use countersign::policy::Policy;
use countersign::prelude::*;
use countersign::reload::{BundledPolicy, PolicyBundle, PolicyFile, ShadowPolicy, WatchedPolicy};
use countersign_test::TestIssuer;
use countersign_tests::http::Service;
use serde_json::Value;

use crate::run::{Server, TempFile, assert_form, countersign, countersign_with, file};

pub(crate) fn policy(issuer: &TestIssuer, more: &str) -> String {
    format!(
        "[[issuers]]\nissuer = {:?}\naudience = \"shop\"\nkeys = {{ inline = '{}' }}\n{more}",
        issuer.name(),
        issuer.jwks()
    )
}

/// A verifier of the same issuer, with these lines about it.
pub(crate) fn verifier(issuer: &TestIssuer, more: &str) -> Verifier {
    let policy = Policy::from_toml(&policy(issuer, more)).expect("a policy");
    Verifier::builder().policy(&policy, countersign::keys::from_config).build().expect("sound")
}

/// Waits until the plane has taken a report of each.
pub(crate) async fn taken(reporters: &[FleetReporter]) {
    let all = async {
        while reporters.iter().any(|reporter| reporter.sent() == 0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("taken in time");
}

fn names<'v>(differences: &'v Value, field: &str) -> Vec<&'v str> {
    let found = differences.as_array().expect("a list").iter().filter(|one| one["field"] == field);
    found
        .flat_map(|one| one["instances"].as_array().expect("a list"))
        .map(|one| one["service"].as_str().expect("text"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_05_s14_06_of_fifty_services_the_three_that_differ_are_found_with_the_field() {
    let issuer = TestIssuer::with_system_clock();
    let plane = Server::start("plane", &["--listen", "127.0.0.1:0"]);
    let url = format!("http://{}", plane.text("address"));
    let other = |number| match number {
        7 => "leeway_seconds = 60",
        21 => "algorithms = [\"ES256\"]",
        33 => "danger_any_type = true",
        _ => "",
    };
    let report = |number: usize| {
        let member =
            FleetMember::new(format!("service-{number:02}"), &verifier(&issuer, other(number))).version("1.0.0");
        FleetReporter::builder(member, url.clone()).build().expect("on this machine")
    };
    let reporters: Vec<FleetReporter> = (1..=50).map(report).collect();
    taken(&reporters).await;

    let given = file("policy", &policy(&issuer, ""));
    let status = |more: &[&str]| {
        let mut arguments = vec!["fleet", "status", "--plane", &*url, "--bundle", given.path()];
        arguments.extend_from_slice(more);
        countersign(&arguments, "")
    };
    let found = status(&["--json"]);
    assert_form("fleet_status", &found.json());
    let json = found.json();
    assert_eq!(
        (found.code, &json["agree"], json["instances"].as_array().map(Vec::len)),
        (1, &Value::from(false), Some(50))
    );
    let differing = json["instances"].as_array().expect("a list").iter();
    let differing =
        differing.filter(|one| one["findings"].as_array().is_some_and(|found| found.contains(&"other_policy".into())));
    let differing: Vec<&str> = differing.map(|one| one["report"]["service"].as_str().expect("text")).collect();
    assert_eq!(differing, ["service-07", "service-21", "service-33"]);
    let table = status(&[]).stdout;
    assert!(
        table.contains("service-33: 0 of 1 agree on policy ") && table.contains("other policy, weakened ("),
        "{table}"
    );
    assert!(!table.contains("\nservice-01  "), "only those with a finding: {table}");

    // The fields, compared with the policy that most have, and with the given one.
    let without_policy = ["fleet", "diff", "--plane", &*url, "--json"];
    let mut with_policy = without_policy.to_vec();
    with_policy.extend_from_slice(&["--bundle", given.path()]);
    for arguments in [&without_policy[..], &with_policy] {
        let found = countersign(arguments, "");
        assert_form("fleet_diff", &found.json());
        let differences = &found.json()["differences"];
        assert_eq!((found.code, differences.as_array().map(Vec::len)), (1, Some(3)), "{differences}");
        assert_eq!(names(differences, "leeway"), ["service-07"]);
        assert_eq!(names(differences, "algorithms"), ["service-21"]);
        assert_eq!(names(differences, "weakenings"), ["service-33"]);
    }
    let text = countersign(&["fleet", "diff", "--plane", &url], "").stdout;
    assert!(text.contains(" / leeway: 30s -> 60s\n"), "{text}");
    let except = ["--except", "leeway", "--except", "algorithms", "--except", "weakenings"];
    let mut arguments = vec!["fleet", "diff", "--plane", &*url];
    arguments.extend_from_slice(&except);
    assert_eq!(countersign(&arguments, "").stdout, "the policies are equal\n");
}

/// S14.05, S14.07: the counts of both instances are added up, and the exit code tells whether anybody is concerned.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_07_fleet_shadow_adds_up_whom_the_next_policy_would_refuse_or_admit() {
    let issuer = TestIssuer::with_system_clock();
    let now = file("policy", &policy(&issuer, ""));
    let next = |audience: &str, more: &str| {
        file("next", &policy(&issuer, more).replace("audience = \"shop\"", &format!("audience = {audience:?}")))
    };
    let start = |next: &TempFile| {
        let shadow = ShadowPolicy::from_file(next.path()).one_in(1);
        PolicyFile::new(now.path()).shadow(shadow).build().expect("a policy")
    };
    let reports = |policies: &[WatchedPolicy]| -> Vec<TempFile> {
        let report = |(number, policy): (usize, &WatchedPolicy)| {
            let member = FleetMember::new("orders", policy).instance(format!("orders-{number}"));
            file("report", &member.report().to_json())
        };
        policies.iter().enumerate().map(report).collect()
    };
    let shadow = |reports: &[TempFile], more: &[&str]| {
        let mut arguments = vec!["fleet", "shadow"];
        arguments.extend(reports.iter().flat_map(|report| ["--report", report.path()]));
        arguments.extend_from_slice(more);
        countersign(&arguments, "")
    };
    let other = next("till", "");
    let both = [start(&other), start(&other)];
    for policy in &both {
        assert!(policy.verifier().verify(&issuer.token().audience("shop").sign()).await.is_ok());
        assert!(policy.verifier().verify(&issuer.token().audience("till").sign()).await.is_err());
    }
    let files = reports(&both);
    let found = shadow(&files, &["--json"]);
    assert_form("fleet_shadow", &found.json());
    let one = &found.json()["services"][0];
    assert_eq!((found.code, &one["instances"], &one["compared"]), (1, &Value::from(2), &Value::from(4)), "{one}");
    for direction in ["newly_refused", "newly_admitted"] {
        assert_eq!(one[direction], serde_json::json!({ "wrong_audience": 2 }), "{direction}");
    }
    let text = shadow(&files, &[]).stdout;
    assert!(text.starts_with("orders, 2 instances: 4 tokens compared with policy "), "{text}");
    assert!(text.contains("\n  2 newly refused: wrong_audience\n  2 newly admitted: wrong_audience\n"), "{text}");

    // A policy that changes nothing for these callers, then one that nobody was compared with, and no shadow at all.
    let lenient = next("shop", "leeway_seconds = 60");
    let same = [start(&lenient)];
    let untried = shadow(&reports(&same), &["--json"]);
    assert_eq!((untried.code, &untried.json()["same"]), (3, &Value::from(false)));
    assert!(same[0].verifier().verify(&issuer.token().audience("shop").sign()).await.is_ok());
    let tried = shadow(&reports(&same), &["--json"]);
    assert_eq!((tried.code, &tried.json()["same"]), (0, &Value::from(true)));
    let none = PolicyFile::new(now.path()).build().expect("a policy");
    let without = shadow(&reports(&[none]), &[]);
    assert_eq!((without.code, &*without.stdout), (3, "orders, 1 instance: no shadow policy\n"));

    // A report of an untrusted sender.
    let forged = both[0].shadow().expect("set");
    let report = FleetMember::new("orders", &both[0]).report().to_json();
    assert!(report.contains(&forged.fingerprint.expect("compared")));
    let forged = report.replace("\"wrong_audience\":1", "\"\\u001b[31m\":1");
    let refused = shadow(&[file("forged", &forged)], &[]);
    assert!(refused.code == 2 && refused.stderr.contains("codes that are none"), "{}", refused.stderr);
}

/// Instances of a service whose bundles are signed by one key.
struct Fleet {
    signer: Signer,
    issuer: TestIssuer,
}

impl Fleet {
    fn sign(&self, revision: u64) -> String {
        let policy =
            Policy::from_toml(&policy(&self.issuer, &format!("leeway_seconds = {revision}"))).expect("a policy");
        let draft = BundleDraft::new("shop-test", revision, policy).created_at(SystemClock.now());
        draft.sign(&self.signer).expect("signed")
    }

    async fn instance(&self, revision: u64) -> (TempFile, BundledPolicy) {
        let pins = KeySet::new([self.signer.verifying_key().expect("a key")]);
        let bundle = file("bundle", &self.sign(revision));
        let policy = PolicyBundle::from_file(bundle.path(), BundleVerifier::new("shop-test", pins).expect("sound"));
        let keys = self.issuer.key_source();
        let policy =
            policy.interval(Duration::from_secs(3600)).keys(move |_| Ok(Arc::clone(&keys) as Arc<dyn KeySource>));
        (bundle, policy.build().await.expect("a bundle"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_06_an_instance_that_lags_or_refuses_is_named_until_it_agrees() {
    let fleet =
        Fleet { signer: Signer::generate(Algorithm::ES256).expect("a key"), issuer: TestIssuer::with_system_clock() };
    let (_first, current) = fleet.instance(2).await;
    let (bundle, old) = fleet.instance(1).await;
    let members =
        [FleetMember::new("orders", &current).instance("one"), FleetMember::new("orders", &old).instance("two")];
    let status = |more: &[&str]| {
        let reports: Vec<TempFile> = members.iter().map(|member| file("report", &member.report().to_json())).collect();
        let mut arguments = vec!["fleet", "status"];
        arguments.extend(reports.iter().flat_map(|report| ["--report", report.path()]));
        arguments.extend_from_slice(more);
        countersign(&arguments, "")
    };
    let found = status(&[]);
    assert_eq!(found.code, 1);
    assert!(found.stdout.starts_with("shop-test: 1 of 2 agree on revision 2 ("), "{}", found.stdout);
    let line = |text: &str, name: &str| text.lines().find(|line| line.contains(name)).expect("a line").to_owned();
    assert!(line(&found.stdout, "two").ends_with("lagging"), "{}", found.stdout);
    assert!(line(&found.stdout, "one").ends_with("in force"), "{}", found.stdout);

    std::fs::write(bundle.path(), "no bundle").expect("written");
    assert!(old.pull().await.is_err());
    let refused = line(&status(&[]).stdout, "two");
    assert!(refused.contains("lagging, refused (bundle_malformed: "), "{refused}");

    let given = file("bundle", &fleet.sign(2));
    std::fs::write(bundle.path(), fleet.sign(2)).expect("written");
    assert_eq!(old.pull().await, Ok(true));
    let agreed = status(&["--bundle", given.path()]);
    assert_eq!(agreed.code, 0, "{} {}", agreed.stdout, agreed.stderr);
    assert!(agreed.stdout.starts_with("shop-test: 2 of 2 agree on revision 2 ("), "{}", agreed.stdout);
    let newer = file("bundle", &fleet.sign(3));
    let lagging = status(&["--bundle", newer.path(), "--json"]);
    assert_eq!((lagging.code, &lagging.json()["groups"][0]["expected"]["revision"]), (1, &Value::from(3)));
    fleet.issuer.rotate();
    assert_eq!(status(&[]).code, 0, "the same keys, others than before");
}

/// Each fleet has its own policy, so that only instances of one are compared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_06_fleets_are_compared_within_themselves_and_filtered_by_name() {
    let fleet =
        Fleet { signer: Signer::generate(Algorithm::ES256).expect("a key"), issuer: TestIssuer::with_system_clock() };
    let ((_first, new), (_second, old)) = (fleet.instance(2).await, fleet.instance(1).await);
    let report = |service: &str, instance: &str, policy: &BundledPolicy, of: &str| {
        let report = FleetMember::new(service, policy).instance(instance).report_with_policy().to_json();
        file("report", &report.replace("shop-test", of))
    };
    let reports = [
        report("orders", "1", &new, "shop-test"),
        report("stock", "2", &new, "shop-test"),
        report("billing", "3", &old, "till-test"),
    ];
    let run = |action: &str, more: &[&str]| {
        let mut arguments = vec!["fleet", action, "--json"];
        arguments.extend(reports.iter().flat_map(|report| ["--report", report.path()]));
        arguments.extend_from_slice(more);
        countersign(&arguments, "")
    };
    let all = run("diff", &[]);
    assert_form("fleet_diff", &all.json());
    assert_eq!((all.code, &all.json()["equal"]), (0, &Value::from(true)), "{}", all.stdout);
    let given = file("bundle", &fleet.sign(2));
    assert_eq!(run("diff", &["--bundle", given.path()]).code, 0, "the other fleet is none of the bundle's");
    let other = file("bundle", &fleet.sign(1));
    let differing = run("diff", &["--bundle", other.path()]);
    assert_eq!((differing.code, names(&differing.json()["differences"], "leeway")), (1, vec!["orders", "stock"]));
    let of_stock = run("diff", &["--bundle", other.path(), "--only-service", "stock"]);
    assert_eq!((of_stock.code, names(&of_stock.json()["differences"], "leeway")), (1, vec!["stock"]));
    // An instance that was started without a bundle is not left alone: it belongs to the fleet of its service.
    let alone = FleetMember::new("stock", &old).instance("4").report_with_policy().to_json();
    let mut alone: Value = serde_json::from_str(&alone).expect("JSON");
    assert!(alone.as_object_mut().expect("a report").remove("bundle").is_some());
    let alone = file("report", &alone.to_string());
    let found = run("diff", &["--report", alone.path()]);
    assert_eq!((found.code, names(&found.json()["differences"], "leeway")), (1, vec!["stock"]));

    let groups = |more: &[&str]| {
        let found = run("status", more);
        let groups = found.json()["groups"].as_array().expect("a list").clone();
        let names: Vec<String> = groups.iter().map(|group| group["name"].as_str().expect("text").to_owned()).collect();
        (found.code, names, found.json()["instances"].as_array().map_or(0, Vec::len))
    };
    assert_eq!(groups(&[]), (0, vec!["shop-test".to_owned(), "till-test".to_owned()], 3));
    assert_eq!(groups(&["--only-fleet", "till-test"]), (0, vec!["till-test".to_owned()], 1));
    let both = ["--only-fleet", "shop-test", "--only-service", "stock", "--only-service", "billing"];
    assert_eq!(groups(&both), (0, vec!["shop-test".to_owned()], 1));
    // Nothing of that name is no agreement.
    assert_eq!(groups(&["--only-fleet", "nowhere"]), (3, Vec::new(), 0));
    let nothing = run("diff", &["--only-fleet", "nowhere"]);
    assert_eq!((nothing.code, &nothing.json()["equal"]), (3, &Value::from(false)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_06_services_are_asked_at_their_routes_with_a_token() {
    let issuer = TestIssuer::with_system_clock();
    let serve = async |name: &str, more: &str| {
        let verifier = verifier(&issuer, more);
        let route = FleetMember::new(name, &verifier).instance("1").route().layer(require(scope("fleet:read")));
        Service::start(Router::new().route("/fleet", route).layer(AuthenticateLayer::new(verifier))).await
    };
    let (orders, billing) = (serve("orders", "").await, serve("billing", "max_age_seconds = 600").await);
    let urls = [format!("{}/fleet", orders.url()), format!("{}/fleet", billing.url())];
    let draft = || issuer.token().subject("ann").audience("shop").lifetime(Duration::from_secs(600));
    let reader = draft().scope("fleet:read").sign();
    let run = |action: &str, token: &str, urls: &[&str]| {
        let mut arguments = vec!["fleet", action];
        arguments.extend(urls.iter().flat_map(|url| ["--service", url]));
        countersign_with(&arguments, "", &[("COUNTERSIGN_TOKEN", token)])
    };
    let both = [&*urls[0], &*urls[1]];
    assert_eq!(run("status", &reader, &both).code, 0, "each service agrees with itself");
    let found = run("diff", &reader, &both);
    assert_eq!(found.code, 1, "{}", found.stderr);
    assert!(found.stdout.contains(" / max_age: ") && found.stdout.contains("600s"), "{}", found.stdout);

    let refused = run("status", &draft().scope("orders:read").sign(), &both[..1]);
    assert_eq!(refused.code, 3);
    assert!(refused.stdout.contains("status 403; a token is needed"), "{}", refused.stdout);
    let report = file("report", &FleetMember::new("orders", &verifier(&issuer, "")).report().to_json());
    let missing = countersign(&["fleet", "diff", "--report", report.path()], "");
    assert_eq!(missing.code, 3);
    assert!(missing.stdout.contains("its policy is missing"), "{}", missing.stdout);
    assert_eq!(countersign(&["fleet", "status"], "").code, 2, "a source is needed");
    assert_eq!(countersign(&["fleet", "status", "--report", "/nowhere"], "").code, 2);
}
