//! `docs/threats.md` promises only what a test attacks: each row names tests or requirements, and all of them exist.

use std::fs;

use crate::table::{Shown, root, shown};

/// The faults of one cell: test names in backticks, requirement ids, and ranges of ids, separated by commas.
fn faults_of_cell(cell: &str, shown: &Shown) -> Vec<String> {
    let mut faults = Vec::new();
    for item in cell.split(", ").map(str::trim) {
        let test = item.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
        let ids = ids(item);
        match (test, &ids[..]) {
            (Some(name), _) if !shown.has_test(name) => faults.push(format!("there is no test {name}")),
            (None, []) => faults.push(format!("neither a test in backticks nor an id: {item:?}")),
            _ => {}
        }
        let unshown = ids.iter().filter(|id| shown.tests_of(id).next().is_none());
        faults.extend(unshown.map(|id| format!("no test shows {id}")));
    }
    faults
}

/// `S1.04`, or `S1.04 to S1.06`.
fn ids(item: &str) -> Vec<String> {
    let id = |text: &str| -> Option<(u32, u32)> {
        let (group, number) = text.strip_prefix('S')?.split_once('.')?;
        Some((group.parse().ok()?, number.parse().ok()?))
    };
    let (first, last) = item.split_once(" to ").unwrap_or((item, item));
    match (id(first), id(last)) {
        (Some((group, first)), Some((same, last))) if group == same => {
            (first..=last).map(|number| format!("S{group}.{number:02}")).collect()
        }
        _ => Vec::new(),
    }
}

/// The faults of a page: its only table has three cells in each row, and the last names what shows it.
fn faults_of_page(page: &str, shown: &Shown) -> Vec<String> {
    let is_row = |line: &&str| line.starts_with('|');
    let mut lines = page.lines().skip_while(|line| !is_row(line));
    let rows: Vec<&str> = lines.by_ref().take_while(is_row).collect();
    let mut faults: Vec<String> =
        lines.filter(is_row).map(|line| format!("a row outside of the table: {line}")).collect();
    if rows.get(..2) != Some(&["| attack | countermeasure | shown by |", "|---|---|---|"]) {
        faults.push("the table does not begin with its head".to_owned());
    }
    for row in rows.iter().skip(2) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        match cells[..] {
            [attack, countermeasure, tests] if !attack.is_empty() && !countermeasure.is_empty() => {
                faults.extend(faults_of_cell(tests, shown).into_iter().map(|fault| format!("{attack}: {fault}")));
            }
            _ => faults.push(format!("not three cells: {row}")),
        }
    }
    faults
}

#[test]
fn every_attack_in_the_table_of_threats_is_made_by_a_test() {
    let page = fs::read_to_string(root().join("docs/threats.md")).expect("the page");
    let faults = faults_of_page(&page, &shown());
    assert!(faults.is_empty(), "docs/threats.md:\n{}", faults.join("\n"));
    assert!(page.lines().filter(|line| line.starts_with('|')).count() > 40);
}

#[test]
fn a_promise_without_a_test_is_found() {
    const HEAD: &str = "| attack | countermeasure | shown by |\n|---|---|---|\n";
    let shown = shown();
    let faults = |rest: &str| faults_of_page(&format!("# Page\n\n{HEAD}{rest}"), &shown);
    assert_eq!(faults("| a | b | S1.04 to S1.06, `no_outside_issuer_names_one_of_our_services`, S2.02 |\n"), [""; 0]);
    for (rest, expected) in [
        ("| a | b | `tests/inbound/answers.rs` |", "a: there is no test tests/inbound/answers.rs"),
        ("| a | b | S1.99 |", "a: no test shows S1.99"),
        ("| a | b | somewhere |", "a: neither a test in backticks nor an id: \"somewhere\""),
        ("| a | b |", "not three cells: | a | b |"),
        ("| a | b | S1.04 |\n\nText.\n\n| c | d | S1.04 |", "a row outside of the table: | c | d | S1.04 |"),
    ] {
        assert_eq!(faults(rest), [expected], "{rest}");
    }
    assert_eq!(faults_of_page("no table", &shown).len(), 1);
}
