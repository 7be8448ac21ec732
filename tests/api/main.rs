//! The public API of the library crates, listed from their sources and compared with `docs/api/`.
//!
//! `UPDATE_API=1 cargo test -p countersign-tests --test api` writes the listings again. Read what changed before you commit
//! it: a line that is gone or differs breaks users. A type that a macro makes stands there as
//! its rules and their input.

mod listing;
mod source;
mod text;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use listing::Listing;
use source::Source;

/// The library crates, and the crates whose types their APIs may name: a major release of one of these is one of ours.
const CRATES: [(&str, &[&str]); 9] = [
    ("countersign-core", &["jsonwebtoken", "serde", "serde_json", "tower_layer", "zeroize"]),
    (
        "countersign",
        &[
            "axum",
            "bytes",
            "http",
            "http_body",
            "reqwest",
            "reqwest_middleware",
            "serde",
            "serde_json",
            "tokio",
            "tonic",
            "tower_layer",
            "tower_service",
            "utoipa",
        ],
    ),
    ("countersign-apikey", &["axum", "serde"]),
    ("countersign-cli", &[]),
    ("countersign-gateway", &["axum", "bytes", "http", "serde_json", "tokio", "tower_layer", "tower_service"]),
    ("countersign-issuer", &["axum"]),
    ("countersign-mcp", &["axum", "http", "rmcp", "tower_layer", "tower_service"]),
    ("countersign-redis", &[]),
    ("countersign-test", &["axum", "serde_json"]),
];

/// Names that two public types may share, and why. None does now.
const SHARED_NAMES: [(&str, &str); 0] = [];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources() -> Vec<Source> {
    CRATES.iter().map(|(name, _)| Source::read(&root().join("crates").join(name), name)).collect()
}

/// The lines that only one of the texts has.
fn difference(before: &str, after: &str) -> String {
    let only = |these: &str, others: &str, sign: char| {
        let others: std::collections::BTreeSet<&str> = others.lines().collect();
        these.lines().filter(|line| !others.contains(line)).fold(String::new(), |mut text, line| {
            writeln!(text, "{sign} {line}").expect("a string takes all");
            text
        })
    };
    only(before, after, '-') + &only(after, before, '+')
}

#[test]
fn the_public_api_is_as_listed() {
    let mut changes = String::new();
    for source in sources() {
        let path = root().join("docs/api").join(source.name.replace('_', "-")).with_extension("txt");
        let text = Listing::of(&source).text();
        if std::env::var_os("UPDATE_API").is_some() {
            fs::write(&path, &text).expect("writable");
        }
        changes += &difference(&fs::read_to_string(&path).unwrap_or_default(), &text);
    }
    assert!(
        changes.is_empty(),
        "the public API changed; if it is meant, run\n\
         UPDATE_API=1 cargo test -p countersign-tests --test api\n\n{changes}"
    );
}

#[test]
fn the_api_names_types_of_few_other_crates() {
    let ours = CRATES.map(|(name, _)| name.replace('-', "_"));
    for (source, (name, allowed)) in sources().iter().zip(CRATES) {
        let foreign = Listing::of(source).foreign;
        let others: Vec<&String> = foreign.iter().filter(|krate| !ours.contains(krate)).collect();
        assert_eq!(others, allowed, "{name}: the list in this test states what is allowed");
    }
}

#[test]
fn no_public_type_has_the_name_of_another() {
    let sources = sources();
    let listings: Vec<Listing<'_>> = sources.iter().map(Listing::of).collect();
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, path) in listings.iter().flat_map(Listing::types) {
        by_name.entry(name).or_default().push(path);
    }
    let is_allowed = |name: &str| SHARED_NAMES.iter().any(|(shared, _reason)| *shared == name);
    let twice: Vec<_> = by_name.iter().filter(|(name, paths)| paths.len() > 1 && !is_allowed(name)).collect();
    assert!(twice.is_empty(), "one name for two types: {twice:#?}");
    for (name, reason) in SHARED_NAMES {
        assert!(by_name.get(name).is_some_and(|paths| paths.len() > 1), "{name} is not shared ({reason}); remove it");
    }
}
