//! The order of the modules, the homes of foreign crates, and what the kernel must not touch.

use std::fs;
use std::path::{Path, PathBuf};

/// Of the kernel, lowest first: a module may use those before it.
const KERNEL: [&str; 14] = [
    "redact",
    "error",
    "clock",
    "counter",
    "algorithm",
    "secret",
    "pseudonym",
    "token",
    "cache",
    "claims",
    "authz",
    "key",
    "policy",
    "verify",
];

/// Of the main crate, lowest first.
const MAIN: [&str; 16] = [
    "rt",
    "fetch",
    "telemetry",
    "refresh",
    "response",
    "revocation",
    "keys",
    "issuers",
    "health",
    "authenticate",
    "outbound",
    "guard",
    "lifetime",
    "extract",
    "grpc",
    "app",
];

/// A foreign crate and the only places that may name it.
const HOMES: [(&str, &[&str]); 6] = [
    ("jsonwebtoken", &["countersign-core/src/key/jsonwebtoken.rs"]),
    ("quick_cache", &["countersign-core/src/cache/"]),
    ("tonic", &["countersign/src/grpc/"]),
    ("utoipa", &["countersign/src/app/openapi.rs"]),
    ("argon2", &["countersign-issuer/src/client/secret.rs", "countersign-cli/src/tools/hash.rs"]),
    (
        "reqwest",
        &[
            "countersign/src/fetch/",
            "countersign/src/keys/place.rs",
            "countersign/src/keys/kubernetes.rs",
            "countersign/src/outbound/",
            "countersign-cli/",
        ],
    ),
];

/// What would be I/O or a runtime; the clock alone asks the system for the time.
const OUTSIDE_OF_A_KERNEL: [&str; 7] =
    ["std::fs", "net::Tcp", "net::Udp", "std::process", "tokio::", "SystemTime::now", "Instant::now"];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates")
}

/// Every source file below `folder`, tests left out.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if entry.is_dir() {
            found.extend(sources(&entry));
        } else if name.ends_with(".rs") && !["tests.rs", "vectors.rs"].contains(&name.as_str()) {
            found.push(entry);
        }
    }
    found
}

/// The code of a file without comments and without its unit tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source file");
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules of the same crate that `code` names as `crate::name`.
fn named(code: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    code.split("crate::").skip(1).map(move |rest| rest.split(|c| !is_part(c)).next().unwrap_or_default())
}

/// Uses of a module by one that stands before it.
fn upward(krate: &str, order: &[&str]) -> Vec<String> {
    let root = crates().join(krate).join("src");
    let mut found = Vec::new();
    for path in sources(&root) {
        let inside = path.strip_prefix(&root).expect("below the root").to_string_lossy().into_owned();
        let module = inside.split(['/', '.']).next().unwrap_or_default();
        let Some(place) = order.iter().position(|name| *name == module) else { continue };
        for used in named(&code(&path)) {
            if order.iter().position(|name| *name == used).is_some_and(|other| other > place) {
                found.push(format!("{inside} uses {used}"));
            }
        }
    }
    found
}

#[test]
fn modules_use_only_those_before_them() {
    assert_eq!(upward("countersign-core", &KERNEL), Vec::<String>::new());
    assert_eq!(upward("countersign", &MAIN), Vec::<String>::new());
}

#[test]
fn every_module_has_its_place_in_the_order() {
    let placed = |krate: &str, order: &[&str], above: &[&str]| {
        for entry in fs::read_dir(crates().join(krate).join("src")).expect("a folder") {
            let name = entry.expect("an entry").file_name().to_string_lossy().trim_end_matches(".rs").to_owned();
            assert!(order.contains(&name.as_str()) || above.contains(&name.as_str()), "{krate}: {name} has no place");
        }
    };
    placed("countersign-core", &KERNEL, &["lib", "mint"]);
    placed("countersign", &MAIN, &["lib", "prelude"]);
}

#[test]
fn foreign_crates_are_named_at_home_alone() {
    for path in sources(&crates()) {
        let inside = path.strip_prefix(crates()).expect("below the crates").to_string_lossy().into_owned();
        let code = code(&path);
        for (foreign, homes) in HOMES {
            let names_it = code.split(&format!("{foreign}::")).count() > 1;
            let is_home = homes.iter().any(|home| inside.starts_with(home));
            assert!(!names_it || is_home || !inside.contains("/src/"), "{inside} names {foreign}");
        }
    }
}

#[test]
fn the_kernel_reads_no_file_opens_no_socket_and_has_no_runtime() {
    for path in sources(&crates().join("countersign-core/src")) {
        let code = code(&path);
        for outside in OUTSIDE_OF_A_KERNEL {
            let is_clock = path.ends_with("clock.rs") && outside.ends_with("::now");
            assert!(is_clock || !code.contains(outside), "{} uses {outside}", path.display());
        }
    }
}
