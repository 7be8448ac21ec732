//! `docs/conformance.md`, made from the names of the tests; fails when it is out of date.
//!
//! `UPDATE_DOCS=1 cargo test -p countersign-tests --test conformance the_table` writes it again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// What is not shown here, and why; a test that shows it after all takes the place of the reason.
const NOT_SHOWN: &[(&str, &str)] = &[
    ("S11.10", "waiting for keys is bounded in the key source, whose own tests are S4.17 and S4.18"),
    ("S11.15", "secrets of clients are checked in the issuer, which has its own tests"),
];

/// The groups of which every requirement is either shown or excused.
const WHOLE_GROUPS: [&str; 5] = ["S1.", "S2.", "S3.", "S4.", "S11."];

#[derive(Default)]
pub struct Shown {
    /// The names of all tests.
    names: BTreeSet<String>,
    by_requirement: BTreeMap<String, BTreeSet<String>>,
    by_incident: BTreeMap<String, BTreeSet<String>>,
}

impl Shown {
    /// The tests that show `id`, each with its file.
    pub fn tests_of(&self, id: &str) -> impl Iterator<Item = &str> {
        self.by_requirement.get(id).into_iter().flatten().map(String::as_str)
    }

    /// Returns whether there is a test of this name.
    pub fn has_test(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests is in the workspace").to_owned()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let skipped = ["target", "node_modules", "venv", "peers"];
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() && !skipped.iter().any(|skipped| name == *skipped) {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// `s1_11_to_s1_14_…` and `s1_04_s1_05_…`: the ids that a test's name begins with.
fn ids_in_name(name: &str) -> Vec<String> {
    let parts: Vec<&str> = name.split('_').collect();
    let mut ids: Vec<(u32, u32)> = Vec::new();
    let (mut at, mut is_range) = (0, false);
    while at < parts.len() {
        let group = parts[at].strip_prefix('s').and_then(|digits| digits.parse().ok());
        let number = parts.get(at + 1).filter(|digits| digits.len() == 2).and_then(|digits| digits.parse().ok());
        match (group, number) {
            (Some(group), Some(number)) => {
                let first = ids.last().filter(|_| is_range).map_or(number, |(_, last)| last + 1);
                ids.extend((first..=number).map(|number| (group, number)));
                is_range = false;
                at += 2;
            }
            _ => {
                is_range = parts[at] == "to" && !ids.is_empty();
                at += 1;
            }
        }
    }
    ids.into_iter().map(|(group, number)| format!("S{group}.{number:02}")).collect()
}

/// `S1.05` and the like in a comment or a message.
fn ids_in_text(text: &str) -> Vec<String> {
    let is_id = |word: &str| {
        let (group, number) = word.strip_prefix('S')?.split_once('.')?;
        let is_number = |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        (is_number(group) && is_number(number) && number.len() == 2).then(|| word.to_owned())
    };
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '.');
    words.filter_map(|word| is_id(word.trim_matches('.'))).collect()
}

fn incidents_in_text(text: &str) -> Vec<String> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '-');
    let named = |word: &&str| ["CVE-", "GHSA-", "RUSTSEC-"].iter().any(|prefix| word.starts_with(prefix));
    words.filter(named).map(str::to_owned).collect()
}

/// Reads one file: what stands in comments before a test, in its name and in its body belongs to that test.
fn scan(path: &str, text: &str, shown: &mut Shown) {
    let mut pending: Vec<&str> = Vec::new();
    let mut test: Option<(String, usize)> = None;
    let mut is_test = false;
    for line in text.lines() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        if trimmed.starts_with("#[test]") || trimmed.starts_with("#[tokio::test") {
            is_test = true;
        }
        let name = trimmed.strip_prefix("async fn ").or_else(|| trimmed.strip_prefix("fn "));
        let name = name.and_then(|rest| rest.split(['(', '<']).next());
        if let (true, Some(name)) = (is_test, name) {
            shown.names.insert(name.to_owned());
            let label = format!("`{name}` ({path})");
            for id in ids_in_name(name).into_iter().chain(pending.iter().flat_map(|line| ids_in_text(line))) {
                shown.by_requirement.entry(id).or_default().insert(label.clone());
            }
            for incident in pending.iter().flat_map(|line| incidents_in_text(line)) {
                shown.by_incident.entry(incident).or_default().insert(label.clone());
            }
            test = Some((label, indent));
            is_test = false;
            pending.clear();
            continue;
        }
        if let Some((label, outer)) = &test {
            for id in ids_in_text(line) {
                shown.by_requirement.entry(id).or_default().insert(label.clone());
            }
            for incident in incidents_in_text(line) {
                shown.by_incident.entry(incident).or_default().insert(label.clone());
            }
            if trimmed == "}" && indent == *outer {
                test = None;
            }
        } else if trimmed.starts_with("//") {
            pending.push(trimmed);
        } else if !trimmed.starts_with("#[") {
            pending.clear();
        }
    }
}

pub fn shown() -> Shown {
    let mut files = Vec::new();
    for folder in ["crates", "tests", "examples"] {
        rust_files(&root().join(folder), &mut files);
    }
    files.sort();
    let mut shown = Shown::default();
    let about_ids = ["conformance/table.rs", "conformance/threats.rs"];
    for file in files.iter().filter(|file| !about_ids.iter().any(|own| file.ends_with(own))) {
        let path = file.strip_prefix(root()).expect("beneath the root").display().to_string();
        scan(&path, &fs::read_to_string(file).expect("readable"), &mut shown);
    }
    shown
}

pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

pub fn requirements() -> Vec<(&'static str, &'static str)> {
    lines(include_str!("requirements.txt")).map(|line| line.split_once(' ').expect("an id and a sentence")).collect()
}

fn incidents() -> Vec<[&'static str; 3]> {
    let fields = |line: &'static str| line.splitn(3, " | ").collect::<Vec<_>>();
    lines(include_str!("incidents.txt")).map(|line| fields(line).try_into().expect("three fields")).collect()
}

fn excuse(id: &str) -> Option<&'static str> {
    NOT_SHOWN.iter().find(|(excused, _)| *excused == id).map(|(_, reason)| *reason)
}

fn page(shown: &Shown) -> String {
    let joined = |tests: Option<&BTreeSet<String>>| {
        tests.map(|tests| tests.iter().map(String::as_str).collect::<Vec<_>>().join("<br>")).unwrap_or_default()
    };
    let mut page = String::from(
        "# Conformance\n\n\
         What is required, and the tests that show it. A test names the requirements that it shows (`s1_05_…` in its\n\
         name, `S1.05` in a comment); this page is made from those names, do not edit it:\n\
         `UPDATE_DOCS=1 cargo test -p countersign-tests --test conformance the_table`.\n\n\
         ## Requirements\n\n| id | what | tests |\n|---|---|---|\n",
    );
    for (id, what) in requirements() {
        let tests = match (shown.by_requirement.get(id), excuse(id)) {
            (None, Some(reason)) => format!("not shown: {reason}"),
            (tests, _) => joined(tests),
        };
        writeln!(page, "| {id} | {} | {tests} |", what.replace('|', "\\|")).expect("a string takes all");
    }
    page.push_str("\n## Published incidents\n\nEach would have been caught by these tests.\n\n");
    page.push_str("| incident | what went wrong | required by | tests that name it |\n|---|---|---|---|\n");
    for [id, required, what] in incidents() {
        let tests = joined(shown.by_incident.get(id));
        writeln!(page, "| {id} | {} | {required} | {tests} |", what.replace('|', "\\|")).expect("a string takes all");
    }
    page
}

/// Compares the file at `path` with what it must be; with `UPDATE_DOCS`, writes it.
pub fn check_page(path: &str, page: &str) {
    let file = root().join(path);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, page).expect("writable");
    }
    let present = fs::read_to_string(&file).unwrap_or_default();
    assert!(present == page, "{path} is out of date; run this test with UPDATE_DOCS=1");
}

#[test]
fn the_table_in_the_docs_is_up_to_date() {
    check_page("docs/conformance.md", &page(&shown()));
}

#[test]
fn the_kernels_requirements_are_shown_or_excused() {
    let shown = shown();
    let whole = |id: &str| WHOLE_GROUPS.iter().any(|group| id.starts_with(group));
    for (id, what) in requirements().into_iter().filter(|(id, _)| whole(id)) {
        assert!(shown.by_requirement.contains_key(id) || excuse(id).is_some(), "{id}: {what}");
    }
}

#[test]
fn names_are_of_requirements_that_exist() {
    let known: BTreeSet<&str> = requirements().into_iter().map(|(id, _)| id).collect();
    for (id, tests) in shown().by_requirement {
        assert!(known.contains(id.as_str()), "{id} is no requirement: {tests:?}");
    }
}

#[test]
fn the_kernels_incidents_are_named_by_a_test() {
    let shown = shown();
    let in_kernel = |id: &str| WHOLE_GROUPS.iter().any(|group| id.starts_with(group)) && excuse(id).is_none();
    for [incident, required, what] in incidents() {
        let is_ours = required.split(' ').any(in_kernel);
        assert!(!is_ours || shown.by_incident.contains_key(incident), "{incident} ({required}): {what}");
    }
}

#[test]
fn ids_are_read_from_names_and_comments() {
    assert_eq!(ids_in_name("s1_04_s1_05_only"), ["S1.04", "S1.05"]);
    assert_eq!(ids_in_name("s1_11_to_s1_13_crit"), ["S1.11", "S1.12", "S1.13"]);
    assert_eq!(ids_in_name("a_set_of_s3_things"), [""; 0]);
    assert_eq!(ids_in_text("// S6.01, S6.26: until (S11.05)."), ["S6.01", "S6.26", "S11.05"]);
    assert_eq!(incidents_in_text("/// CVE-2015-9235, GHSA-q926-c743-49qj:"), ["CVE-2015-9235", "GHSA-q926-c743-49qj"]);
}
