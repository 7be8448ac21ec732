//! The documents say what the code does.

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
    let listed = page
        .lines()
        .filter(|line| line.starts_with("| `countersign::") && !line.starts_with("| `countersign::issuer`"));
    for row in listed {
        assert!(rows.contains(&row), "telemetry/mod.rs lacks {row}");
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let documents =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md", "docs/threats.md", "docs/cli.md"];
    for document in documents {
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
