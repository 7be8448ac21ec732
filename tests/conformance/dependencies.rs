//! S2.31: what the kernel is built on, read from the lock file.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use toml::Value;

/// Everything that `root` depends on, by name.
fn beneath(root: &str) -> BTreeSet<String> {
    let lock = include_str!("../../Cargo.lock");
    let lock: toml::Table = lock.parse().expect("TOML");
    let packages = lock["package"].as_array().expect("a list of packages");
    let text = |value: &Value| value.as_str().expect("a string").split(' ').next().expect("a name").to_owned();
    let mut edges: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages {
        let uses = package.get("dependencies").and_then(Value::as_array).into_iter().flatten().map(text);
        edges.entry(text(&package["name"])).or_default().extend(uses);
    }
    let (mut found, mut open) = (BTreeSet::new(), vec![root.to_owned()]);
    while let Some(name) = open.pop() {
        if found.insert(name.clone()) {
            open.extend(edges.get(&name).into_iter().flatten().cloned());
        }
    }
    found
}

/// RUSTSEC-2022-0093 (a signature with a public key given beside the private one) and RUSTSEC-2023-0071 (timing of private
/// RSA operations): neither crate is here, and a signer is made from one private key alone.
#[test]
fn s2_31_no_signing_oracle_and_no_timing_leak_by_dependency() {
    let kernel = beneath("countersign-core");
    assert!(kernel.contains("aws-lc-rs"), "the mathematics come from there: {kernel:?}");
    for forbidden in ["rsa", "ed25519-dalek", "ring", "openssl", "p256", "p384", "sha1"] {
        assert!(!kernel.contains(forbidden), "{forbidden}");
    }
    let service = beneath("countersign");
    assert!(service.contains("countersign-core"));
    for forbidden in ["rsa", "ed25519-dalek", "openssl"] {
        assert!(!service.contains(forbidden), "{forbidden}");
    }
}

/// The crates that `package` builds on here with `features`, without itself.
fn crates_of(package: &str, features: &[&str]) -> BTreeSet<String> {
    let mut command = Command::new(env!("CARGO"));
    command.args([
        "tree",
        "--offline",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
        "--package",
        package,
    ]);
    let output = command.args(features).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let names = text.lines().skip(1).map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "));
    names.filter(|name| !name.is_empty()).collect()
}

#[test]
fn a_service_builds_on_few_crates() {
    for (package, features, most) in [
        ("countersign-core", &[][..], 60),
        ("countersign", &["--no-default-features"][..], 80),
        ("countersign", &[][..], 140),
    ] {
        let crates = crates_of(package, features);
        assert!(crates.len() > 40, "{crates:?}");
        assert!(crates.len() <= most, "{package} {features:?}: {} crates, at most {most}", crates.len());
    }
}
