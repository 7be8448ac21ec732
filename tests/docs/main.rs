//! The documents match the code.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_default_stands_in_the_code_as_documented() {
    let mut rows = 0;
    for row in read("docs/defaults.md").lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
        let [what, default, why, code, file] = cells[..] else { panic!("not five cells: {row}") };
        assert!(!default.is_empty() && !why.is_empty(), "{what}");
        assert!(read(&format!("crates/{file}")).contains(code), "{what}: {code} is not in {file}");
        rows += 1;
    }
    assert!(rows > 40, "{rows} rows");
}

/// Every event is written down, and nothing that is not one.
#[test]
fn every_event_stands_in_the_page_on_telemetry() {
    let page = read("docs/telemetry.md");
    let code = read("crates/countersign/src/telemetry/mod.rs");
    let rows: Vec<&str> =
        code.lines().filter_map(|line| line.strip_prefix("//! ")).filter(|line| line.starts_with("| `")).collect();
    assert!(rows.len() > 20, "{} rows", rows.len());
    for row in &rows {
        assert!(page.contains(row), "docs/telemetry.md lacks {row}");
    }
    let listed = page.lines().filter(|line| line.starts_with("| `countersign::")).filter(|line| {
        !["gateway", "issuer", "redis"].iter().any(|other| line.starts_with(&format!("| `countersign::{other}`")))
    });
    for row in listed {
        assert!(rows.contains(&row), "telemetry/mod.rs lacks {row}");
    }
}

/// The messages in the tables of events are those that a log has: somebody will search for them.
#[test]
fn every_message_in_the_page_on_telemetry_is_one_of_the_code() {
    let sources: String = rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates")).collect();
    // A message may be continued on the next line of its literal.
    let sources = sources.split("\\\n").map(str::trim_start).collect::<String>();
    let page = read("docs/telemetry.md");
    let tables = page.split("| target | level | message |").skip(1);
    let mut messages = 0;
    for row in tables.flat_map(|table| table.lines().skip(2).take_while(|line| line.starts_with('|'))) {
        let cell = row.split(" | ").nth(2).expect("a message");
        // The first code and those after `or` are messages; the others explain.
        for message in cell.split(" or `").map(|part| part.trim_start_matches('`').split('`').next().expect("text")) {
            let literal = format!("\"{}", message.trim_end_matches('…').trim_end());
            assert!(sources.contains(&literal), "no message of the code begins with {literal}");
            messages += 1;
        }
    }
    assert!(messages > 50, "{messages} messages");
}

/// The text of every Rust file below `folder`.
fn rust_files(folder: &Path) -> Box<dyn Iterator<Item = String>> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    Box::new(entries.flat_map(|path| -> Box<dyn Iterator<Item = String>> {
        match path.is_dir() {
            true => rust_files(&path),
            false if path.extension().is_some_and(|extension| extension == "rs") => {
                Box::new(std::iter::once(std::fs::read_to_string(path).expect("text")))
            }
            false => Box::new(std::iter::empty()),
        }
    }))
}

#[test]
fn the_code_of_every_page_is_compiled() {
    let compiled = read("tests/src/lib.rs");
    for page in pages() {
        let is_compiled = compiled.contains(&format!("include_str!(\"../../{page}\")"));
        let has_code = read(&page).lines().any(|line| line.starts_with("```rust"));
        assert!(is_compiled || !has_code, "tests/src/lib.rs does not include {page}");
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let documents = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].map(str::to_owned);
    for document in documents.into_iter().chain(pages()) {
        let document = document.as_str();
        let folder = root.join(document);
        let folder = folder.parent().expect("a folder");
        for link in read(document).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.starts_with("https://") {
                assert!(folder.join(path).exists(), "{document} links to {link}");
            }
        }
    }
}

/// The pages of the book, as paths from the root of the project.
fn pages() -> Vec<String> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let files = |folder: &str| fs::read_dir(docs.join(folder)).expect("a folder").flatten().collect::<Vec<_>>();
    let mut pages: Vec<String> = ["", "guides/"]
        .iter()
        .flat_map(|folder| {
            files(folder).into_iter().map(move |file| format!("docs/{folder}{}", file.file_name().to_string_lossy()))
        })
        .filter(|path| path.ends_with(".md"))
        .collect();
    pages.sort();
    pages
}

#[test]
fn the_summary_of_the_book_lists_every_page() {
    let summary = read("docs/SUMMARY.md");
    for page in pages() {
        let path = page.trim_start_matches("docs/");
        assert!(path == "SUMMARY.md" || summary.contains(&format!("({path})")), "docs/SUMMARY.md lacks {path}");
    }
}

/// Whoever sees a code in a response or a log finds it in the run book, with its cause and its fix.
#[test]
fn every_code_stands_in_the_run_book() {
    use countersign::error::VerifyErrorKind;

    let page = read("docs/guides/run-book.md");
    let section = |from: &str| page.split(from).nth(1).expect("a section").split("\n## ").next().unwrap_or_default();
    for kind in VerifyErrorKind::ALL {
        assert!(section("## Exact codes").contains(&format!("| `{}` |", kind.code())), "{}", kind.code());
    }
    for kind in countersign::proof::ProofErrorKind::ALL {
        let row = format!("| `{}` |", kind.code());
        assert!(section("## Exact codes of refused proofs").contains(&row), "{row}");
    }
    for (file, heading) in [
        ("crates/countersign/src/response/refusal.rs", "## Codes of responses"),
        ("crates/countersign/src/outbound/error.rs", "## Codes of outgoing calls"),
    ] {
        let code = read(file);
        let codes: Vec<&str> = code
            .lines()
            .filter(|line| line.contains("=> \""))
            .flat_map(|line| line.split('"').skip(1).step_by(2))
            .filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
            .collect();
        assert!(codes.len() > 5, "{file}: {codes:?}");
        for code in codes {
            assert!(section(heading).contains(&format!("| `{code}` |")), "{file}: {code}");
        }
    }
}

/// The words in backticks on the page about the architecture that look like a path.
fn named_paths(page: &str) -> impl Iterator<Item = &str> {
    page.split('`').skip(1).step_by(2).filter(|text| text.ends_with(".rs") || text.ends_with('/'))
}

#[test]
fn every_path_in_the_architecture_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let crates = fs::read_dir(root.join("crates")).expect("a folder").flatten().map(|entry| entry.path().join("src"));
    let folders: Vec<_> = crates.chain([root.clone()]).collect();
    let page = read("docs/architecture.md");
    let missing: Vec<&str> =
        named_paths(&page).filter(|path| !folders.iter().any(|folder| folder.join(path).exists())).collect();
    assert_eq!(missing, Vec::<&str>::new(), "docs/architecture.md names what is not there");
    assert!(named_paths(&page).count() > 40);
}

#[test]
fn the_order_of_modules_stands_in_the_architecture() {
    let (page, order) = (read("docs/architecture.md"), read("tests/structure/order.rs"));
    let orders: Vec<String> = order
        .split("modules: \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(|modules| modules.split_whitespace().filter(|word| *word != "\\").collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(orders.len(), 10);
    for modules in orders {
        assert!(page.contains(&modules), "docs/architecture.md lacks the order {modules}");
    }
}

#[test]
fn lines_of_the_readme_are_short() {
    for (number, line) in read("README.md").lines().enumerate() {
        assert!(line.chars().count() <= 128, "README.md:{}: {} characters", number + 1, line.chars().count());
    }
}

#[test]
fn the_readme_has_every_guide_and_every_feature() {
    let (readme, manifest) = (read("README.md"), read("crates/countersign/Cargo.toml"));
    let guides: Vec<_> = pages().into_iter().filter(|page| page.starts_with("docs/guides/")).collect();
    assert!(guides.len() > 30);
    for guide in guides {
        assert!(readme.contains(&format!("({guide})")), "README.md does not link to {guide}");
    }
    let (_, features) = manifest.split_once("\n[features]\n").expect("features");
    let (features, _) = features.split_once("\n\n").expect("an end");
    let names = features.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    let names: Vec<_> = names.filter(|name| *name != "default" && !name.starts_with('_')).collect();
    assert!(names.len() > 10);
    let (_, table) = readme.split_once("\n| feature of `countersign` |").expect("a table");
    let (table, _) = table.split_once("\n\n").expect("an end");
    for name in names {
        assert!(table.contains(&format!("`{name}`")), "README.md does not tell what the feature {name} adds");
    }
}

#[test]
fn the_quickstart_is_one_short_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/quickstart");
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let mut files: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    files.sort();
    assert_eq!(files, ["README.md", "main.rs"]);
    let lines = read("examples/quickstart/main.rs").lines().count();
    assert!(lines < 60, "{lines} lines");
}

#[test]
fn each_common_task_takes_a_few_lines() {
    let page = read("docs/guides/recipes.md");
    let (mut task, mut lines, mut tasks) = ("", None, 0);
    for line in page.lines() {
        match lines {
            _ if line.starts_with("## ") => task = line,
            None if line.starts_with("```rust") => lines = Some(0),
            Some(count) if line == "```" => {
                let most = if task == "## Publish metrics" { 1 } else { 6 };
                assert!((1..=most).contains(&count), "{task}: {count} lines");
                (lines, tasks) = (None, tasks + 1);
            }
            Some(count) if !line.starts_with("# ") => lines = Some(count + 1),
            _ => {}
        }
    }
    assert_eq!(tasks, 17);
}
