//! Every requirement on tokens has its reason for refusing, and a test of that requirement names it.

use std::collections::{BTreeMap, BTreeSet};

use countersign::error::VerifyErrorKind;

use super::table::{self, Shown};

/// The requirements of S6 that refuse tokens; the others refuse proofs.
const OF_S6: [&str; 4] = ["S6.01", "S6.02", "S6.16", "S6.26"];

/// The kinds that no requirement of these groups gives, and where they come from.
const OF_OTHERS: [&str; 7] = [
    "keys_unavailable",
    "enqueued_in_future",
    "waited_too_long",
    "not_active",
    "introspection_unavailable",
    "api_keys_unavailable",
    "suspended",
];

fn reasons() -> BTreeMap<&'static str, &'static str> {
    table::lines(include_str!("reasons.txt")).map(|line| line.split_once(' ').expect("an id and a reason")).collect()
}

/// The files whose tests show `id`.
fn texts(shown: &Shown, id: &str) -> Vec<String> {
    let paths = shown.tests_of(id).filter_map(|label| label.split_once('(')?.1.strip_suffix(')'));
    let paths: BTreeSet<&str> = paths.collect();
    paths.into_iter().map(|path| std::fs::read_to_string(table::root().join(path)).expect("a test's file")).collect()
}

#[test]
fn s10_07_every_requirement_on_tokens_has_a_reason_and_a_test_that_names_it() {
    let (reasons, shown) = (reasons(), table::shown());
    let codes: BTreeMap<&str, String> =
        VerifyErrorKind::ALL.iter().map(|kind| (kind.code(), format!("Kind::{kind:?}"))).collect();
    let mut given = BTreeSet::from(OF_OTHERS);
    let is_ours = |id: &str| ["S1.", "S2.", "S3."].iter().any(|group| id.starts_with(group)) || OF_S6.contains(&id);
    for (id, _) in table::requirements().into_iter().filter(|(id, _)| is_ours(id)) {
        let reason = *reasons.get(id).unwrap_or_else(|| panic!("{id} has no line in reasons.txt"));
        for code in reason.split(' ').filter(|_| !matches!(reason, "-" | "at load" | "by vectors")) {
            let kind = codes.get(code).unwrap_or_else(|| panic!("{id}: {code} is no code"));
            let names_it = |text: &String| text.contains(&format!("\"{code}\"")) || text.contains(kind);
            assert!(texts(&shown, id).iter().any(names_it), "no file with a test of {id} names {code}");
            given.insert(code);
        }
    }
    let all: BTreeSet<&str> = codes.keys().copied().collect();
    assert_eq!(given, all, "a code that no requirement gives, or a new one without a requirement");
}
