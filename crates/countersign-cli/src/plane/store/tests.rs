use countersign::verify::Verifier;
use countersign_test::{ManualClock, TestIssuer};

use super::*;
use countersign::fleet::FleetMember;

fn store() -> (Store, ManualClock) {
    let clock = ManualClock::from_system();
    (Store::new(Arc::new(clock.clone())), clock)
}

fn verifier() -> Verifier {
    TestIssuer::new().verifier_for("orders")
}

fn put(store: &Store, issuer: Option<&str>, report: FleetReport) -> Result<ReportAnswer, Full> {
    let bytes = report.to_json().len();
    store.put(issuer, report, bytes)
}

#[test]
fn s14_05_a_policy_is_asked_for_once_for_each_service() {
    let (store, _) = store();
    let verifier = verifier();
    let member = |service: &str, instance: &str| FleetMember::new(service, &verifier).instance(instance);
    let wants = |issuer, report| put(&store, issuer, report).expect("room").wants_policy;
    assert!(wants(Some("a"), member("orders", "1").report()));
    assert!(!wants(Some("a"), member("orders", "1").report_with_policy()));
    assert!(!wants(Some("a"), member("orders", "2").report()), "another instance brought it");
    assert!(wants(Some("b"), member("orders", "1").report()), "a name counts with its issuer");
    assert!(wants(Some("a"), member("billing", "1").report()), "nothing is taken from another service");
    assert_eq!(store.instances(true).iter().filter(|one| one.report.policy.is_some()).count(), 2);
    assert!(store.instances(false).iter().all(|one| one.report.policy.is_none()));
}

#[test]
fn s14_05_an_older_report_replaces_no_newer_one_and_silence_is_seen() {
    let (store, clock) = store();
    let member = FleetMember::new("orders", &verifier()).instance("1");
    let (first, second) = (member.report(), member.report());
    put(&store, None, second).expect("room");
    put(&store, None, first).expect("ignored");
    assert_eq!(store.instances(false)[0].report.sequence, 2);
    clock.advance(SILENT_AFTER);
    assert!(!store.instances(false)[0].is_silent);
    clock.advance(Duration::from_secs(1));
    assert!(store.instances(false)[0].is_silent);
    clock.advance(FORGOTTEN_AFTER);
    assert!(store.instances(false).is_empty());
    assert_eq!(store.budget.in_use(), 0, "its memory is free again");
}

#[test]
fn s14_05_s15_01_one_caller_cannot_push_the_others_out() {
    let (store, _) = store();
    let member = FleetMember::new("greedy", &verifier());
    let mut stored = 0;
    for number in 0..MAX_UNITS {
        let report = member.clone().instance(number.to_string()).report();
        match store.put(Some("a"), report, 2 * UNIT_BYTES) {
            Ok(_) => stored += 1,
            Err(Full) => break,
        }
    }
    assert_eq!(stored, MAX_SERVICE_UNITS / 2, "two units each, up to its share");
    let last = member.clone().instance("0").report();
    assert!(store.put(Some("a"), last, 3 * UNIT_BYTES).is_err());
    assert_eq!(store.instances(false).len(), stored as usize, "the last report of the instance stays");
    let other = FleetMember::new("orders", &verifier()).report();
    assert!(put(&store, Some("a"), other).is_ok(), "there is room for others");
    assert!(u32::try_from(store.instances(false).len()).is_ok_and(|count| count == stored + 1));
}
