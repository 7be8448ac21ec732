//! The JSON form: its schema, its bounds, and text of others in it.

use std::time::Duration;

use countersign::fleet::{FleetMember, FleetReport, ReportedKeys, ReportedRevocations};
use countersign_test::TestIssuer;
use serde_json::{Value, json};

fn report() -> Value {
    let member = FleetMember::new("orders", &TestIssuer::new().verifier_for("orders")).version("1");
    let state = ReportedRevocations::new(Duration::ZERO, Duration::from_secs(1));
    serde_json::from_str(&member.revocations(move || Some(state)).report_with_policy().to_json()).expect("JSON")
}

#[test]
fn s14_05_what_is_no_report_is_refused_with_the_field() {
    let good = report();
    FleetReport::from_json(&good.to_string()).expect("its twin is read");
    let with = |name: &str, value: Value| {
        let mut report = good.clone();
        report[name] = value;
        report.to_string()
    };
    let twice = good.to_string().replacen('{', "{\"service\":\"billing\",", 1);
    let issuers = json!(vec![good["issuers"][0].clone(); 65]);
    for (text, problem) in [
        (with("version", json!("x".repeat(1 << 20))), "longer than"),
        (with("sequence", json!(-1)), "not a report"),
        (with("service", json!("")), "empty"),
        (with("issuers", issuers), "more than 64"),
        (with("weakenings", json!(vec!["x"; 65])), "more than 64"),
        (twice, "not a report"),
        ("[]".to_owned(), "not a report"),
        ("{".repeat(1_000), "not a report"),
    ] {
        let error = FleetReport::from_json(&text).expect_err(problem);
        assert!(error.faults()[0].field == "report" && error.to_string().contains(problem), "{problem}: {error}");
    }
}

#[test]
fn s14_05_text_of_others_is_made_visible_and_cut_and_newer_members_are_ignored() {
    let mut foreign = report();
    foreign["service"] = json!("or\u{202e}ders\n");
    foreign["instance"] = json!("x".repeat(1_000));
    foreign["refusal"] = json!({ "field": "policy", "problem": format!("\u{1b}[31m{}", "y".repeat(2_000)) });
    foreign["issuers"][0]["keys"] = json!("a newer state");
    foreign["of a newer version"] = json!([1]);
    let read = FleetReport::from_json(&foreign.to_string()).expect("read");
    assert_eq!(read.service, "or\\u{202e}ders\\n");
    assert_eq!(read.instance, format!("{}…", "x".repeat(256)));
    let problem = &read.refusal.as_ref().expect("there").problem;
    assert!(problem.starts_with("\\u{1b}[31m") && problem.chars().count() == 513, "{problem}");
    assert_eq!(read.issuers[0].keys, ReportedKeys::NotReady, "unknown is not ready");
    assert_eq!(FleetReport::from_json(&read.to_json()).expect("read again"), read);
}

#[test]
fn s14_05_the_schema_and_the_report_have_the_same_members() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/fleet-report.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("a schema")).expect("JSON");
    let names = |schema: &Value| schema["properties"].as_object().expect("members").keys().cloned().collect::<Vec<_>>();
    let report = report();
    let own: Vec<String> = report.as_object().expect("an object").keys().cloned().collect();
    let expected: Vec<String> =
        names(&schema).into_iter().filter(|name| !["bundle", "refusal", "shadow"].contains(&name.as_str())).collect();
    assert_eq!(own, expected);
    let of_issuer: Vec<String> = report["issuers"][0].as_object().expect("an object").keys().cloned().collect();
    let documented = names(&schema["properties"]["issuers"]["items"]);
    assert!(of_issuer.iter().all(|name| documented.contains(name)), "{of_issuer:?}");
}
