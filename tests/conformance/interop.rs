//! `docs/interop.md`, made from the names of the tests in `tests/providers`; fails when it is out of date.
//!
//! `UPDATE_DOCS=1 cargo test -p countersign-tests --test conformance the_interop_page` writes it again. A folder of
//! `tests/providers` is a provider. A test is in a column if its name has one of the column's texts, and in the list of
//! further tests otherwise. A cell without a test has its words and its reason in `interop.txt`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::table::{check_page, lines, root, shown};

/// A column and the texts that the names of its tests have.
type Column = (&'static str, &'static [&'static str]);

const INBOUND: [Column; 8] = [
    ("service accepted", &["service_calls_for_itself", "workload_is_known", "service_account"]),
    ("user accepted", &["users_have"]),
    ("others refused", &["refused_with_their_code"]),
    ("expired", &["after_its_end", "expired"]),
    ("rotations under load", &["rotations_of"]),
    ("two rotations, an invented `kid` between", &["invented_kid"]),
    ("hangs, dies, comes back", &["hangs_or_is_gone"]),
    ("loses its database", &["lost_its_database"]),
];

const OUTBOUND: [Column; 7] = [
    ("basic, post, `private_key_jwt`", &["each_way_of_client_authentication"]),
    ("client certificate", &["certificate_of_its_connection"]),
    ("token exchange", &["exchanges_the_token"]),
    ("assertion as grant or client", &["assertion_as_a_grant", "authenticates_the_client_"]),
    ("bound to a key (DPoP)", &["bound_to_a_key"]),
    ("secret changes", &["secret_that_changes"]),
    ("token in a file", &["in_the_file"]),
];

fn columns_of_all() -> impl Iterator<Item = &'static Column> {
    INBOUND.iter().chain(&OUTBOUND)
}

struct Provider {
    title: String,
    version: String,
    tests: Vec<String>,
}

fn providers() -> Vec<Provider> {
    let folder = root().join("tests/providers");
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut folders: Vec<_> = entries.filter(|path| path.join("mod.rs").exists()).collect();
    folders.sort();
    folders.iter().map(|folder| provider(folder)).collect()
}

fn provider(folder: &Path) -> Provider {
    let module = fs::read_to_string(folder.join("mod.rs")).expect("readable");
    let title = module.trim_start_matches("//! ").split([',', '.', '\n']).next().expect("a title").to_owned();
    let name = folder.file_name().expect("a name");
    let script = fs::read_to_string(root().join("tests/peers").join(name).join("install")).unwrap_or_default();
    let version = script.lines().find_map(|line| line.strip_prefix("version=")).unwrap_or_default();
    let mut tests = Vec::new();
    for file in fs::read_dir(folder).expect("a folder") {
        let text = fs::read_to_string(file.expect("an entry").path()).unwrap_or_default();
        let mut is_test = false;
        for line in text.lines() {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            let name = line.trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split('(').next());
            if let (true, Some(name)) = (is_test, name) {
                tests.push(name.to_owned());
                is_test = false;
            }
        }
    }
    tests.sort();
    Provider { title, version: version.trim_start_matches('v').to_owned(), tests }
}

fn is_in((_, texts): &Column, test: &str) -> bool {
    texts.iter().any(|text| test.contains(text))
}

fn matrix(page: &mut String, providers: &[Provider], columns: &[Column]) {
    let titles: Vec<&str> = columns.iter().map(|(title, _)| *title).collect();
    writeln!(page, "| provider | version | {} |\n|---|---|{}", titles.join(" | "), "---|".repeat(columns.len()))
        .expect("a string takes all");
    let has_any =
        |provider: &&Provider| columns_of_all().any(|column| provider.tests.iter().any(|test| is_in(column, test)));
    for Provider { title, version, tests } in providers.iter().filter(has_any) {
        let cells = columns.iter().map(|column| match tests.iter().any(|test| is_in(column, test)) {
            true => "yes",
            false => cells().find(|cell| cell.is_of(title, column.0)).map_or("no", |cell| cell.words),
        });
        writeln!(page, "| {title} | {version} | {} |", cells.collect::<Vec<_>>().join(" | "))
            .expect("a string takes all");
    }
}

/// The lines of `interop.txt` that begin with this word, in two fields.
fn notes(kind: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let fields = |line: &'static str| line.split_once(" | ").expect("fields");
    let of_kind = move |(first, rest): (&str, &'static str)| (first == kind).then_some(rest);
    lines(include_str!("interop.txt")).map(fields).filter_map(of_kind).map(fields)
}

/// The cells of a provider without a test, and why there is none.
struct Cell {
    provider: &'static str,
    /// The titles of the columns, with `; ` between.
    columns: &'static str,
    words: &'static str,
    reason: &'static str,
}

impl Cell {
    fn is_of(&self, provider: &str, column: &str) -> bool {
        self.provider == provider && self.columns.split("; ").any(|own| own == column)
    }
}

fn cells() -> impl Iterator<Item = Cell> {
    notes("cell").map(|(provider, rest)| {
        let [columns, words, reason] = rest.splitn(3, " | ").collect::<Vec<_>>()[..] else { panic!("{rest}") };
        Cell { provider, columns, words, reason }
    })
}

/// The test without the ids of requirements, as a sentence.
fn sentence(test: &str) -> String {
    let is_id = |word: &str| word.len() <= 3 && word.trim_start_matches('s').bytes().all(|byte| byte.is_ascii_digit());
    test.split('_').skip_while(|word| is_id(word)).collect::<Vec<_>>().join(" ")
}

fn page() -> String {
    let providers = providers();
    let mut page = String::from(
        "# Interoperability\n\n\
         Servers and libraries that the tests run Countersign against, as of November 2026. This page is made from the names of the\n\
         tests, do not edit it: `UPDATE_DOCS=1 cargo test -p countersign-tests --test conformance the_interop_page`.\n\n\
         `tests/peers/install all` installs them. A test whose server is missing is reported as ignored. \"yes\" means that a test\n\
         of this name runs against the server, set up as its guide says. [Cells without a test](#cells-without-a-test) has the\n\
         reason of each other cell, and [what does not work](#what-does-not-work) the limits of what works.\n\n\
         More rotations and a longer outage than in every run:\n\
         `ROTATIONS=50 OUTAGE_SECONDS=60 cargo test -p countersign-tests --test providers`.\n\n\
         ## Their tokens, verified here\n\n",
    );
    matrix(&mut page, &providers, &INBOUND);
    page.push_str("\n## Their tokens, requested here\n\n");
    matrix(&mut page, &providers, &OUTBOUND);
    let mut further = String::new();
    for Provider { title, tests, .. } in &providers {
        let is_peer = |test: &str| notes("peer").any(|(_, of_peer)| of_peer == test) || test.starts_with("the_guide");
        let known = |test: &&String| is_peer(test) || columns_of_all().any(|column| is_in(column, test));
        for test in tests.iter().filter(|test| !known(test)) {
            writeln!(further, "- {title}: {}", sentence(test)).expect("a string takes all");
        }
    }
    if !further.is_empty() {
        write!(page, "\n## Further tests\n\n{further}").expect("a string takes all");
    }
    page.push_str("\n## Tokens made here, verified or used by others\n\n| by | test |\n|---|---|\n");
    for (peer, test) in notes("peer") {
        writeln!(page, "| {peer} | `{test}` |").expect("a string takes all");
    }
    page.push_str(
        "\n## From public documents\n\n\
         Nobody ran Countersign against these providers. The tests sign tokens of the form that the public documents have, and serve\n\
         keys and a discovery document of that form.\n\n\
         | provider | test |\n|---|---|\n",
    );
    for (guide, test) in notes("documents") {
        writeln!(page, "| {guide} | `{test}` |").expect("a string takes all");
    }
    page.push_str("\n## Cells without a test\n\n");
    for Cell { provider, columns, words, reason } in cells() {
        writeln!(page, "- {provider}, {}: {words}. {reason}", columns.replace("; ", ", ")).expect("a string takes all");
    }
    page.push_str("\n## What does not work\n\n");
    for (provider, note) in notes("not") {
        writeln!(page, "- {provider}: {note}").expect("a string takes all");
    }
    page
}

#[test]
fn the_interop_page_is_up_to_date() {
    check_page("docs/interop.md", &page());
}

#[test]
fn the_tests_of_other_libraries_and_of_hosted_providers_exist() {
    let shown = shown();
    for (peer, test) in notes("peer").chain(notes("documents")) {
        assert!(shown.has_test(test), "{peer}: there is no test {test}");
    }
}

#[test]
fn each_cell_has_either_a_test_or_a_reason() {
    for Provider { title, tests, .. } in providers() {
        for column in
            columns_of_all().filter(|_| columns_of_all().any(|column| tests.iter().any(|test| is_in(column, test))))
        {
            let has_test = tests.iter().any(|test| is_in(column, test));
            let reasons = cells().filter(|cell| cell.is_of(&title, column.0)).count();
            assert_eq!(reasons, usize::from(!has_test), "{title}, {}: reasons", column.0);
        }
    }
    let titles: Vec<String> = providers().into_iter().map(|provider| provider.title).collect();
    for cell in cells() {
        assert!(titles.iter().any(|title| title == cell.provider), "no provider {}", cell.provider);
        let is_column = |own: &str| columns_of_all().any(|(title, _)| *title == own);
        assert!(cell.columns.split("; ").all(is_column), "{}: no such column", cell.columns);
    }
}

#[test]
fn each_column_has_a_test_of_a_provider() {
    let providers = providers();
    assert!(providers.iter().all(|provider| !provider.version.is_empty()), "each installs a pinned version");
    for column in columns_of_all().filter(|(title, _)| *title != "token in a file") {
        assert!(providers.iter().any(|provider| provider.tests.iter().any(|test| is_in(column, test))), "{}", column.0);
    }
    assert_eq!(sentence("s4_31_s7_03_rotations_of_s3"), "rotations of s3");
}
