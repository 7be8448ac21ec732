//! The compiler's message for an item whose feature is off names the feature: for methods by a trait, for types, functions and
//! modules by the compiler itself.

use std::path::Path;
use std::process::Command;

/// The uses of a program with few features, each with the feature that its error must name.
const USES: [(&str, &str); 17] = [
    ("fn a(metrics: &countersign::metrics::Metrics) { metrics.publish(); }", "metrics"),
    ("fn b(metrics: countersign::metrics::Metrics) { metrics.publish_every(std::time::Duration::ZERO); }", "metrics"),
    ("fn c(metrics: countersign::metrics::Metrics) { metrics.outbound(&()); }", "outbound"),
    ("fn d(metrics: countersign_issuer::IssuerMetrics) { metrics.observe(); }", "otel"),
    ("fn e(health: &countersign::health::Health) { health.route(); }", "axum"),
    ("fn f() { let _ = countersign::policy::Policy::from_toml(\"\"); }", "config"),
    ("fn g() { let _ = countersign::policy::Policy::from_env(\"A_\"); }", "config"),
    ("fn h() { let _ = countersign_issuer::IssuerConfig::from_toml(\"\"); }", "config"),
    ("fn i() { let _ = countersign_issuer::IssuerConfig::from_file(\"\"); }", "config"),
    ("use countersign::extract::Claims;", "axum"),
    ("use countersign::app::protect;", "axum"),
    ("use countersign::grpc;", "grpc"),
    ("use countersign::outbound::Outbound;", "outbound"),
    ("use countersign::mint;", "outbound"),
    ("use countersign::authenticate::FormToken;", "axum"),
    ("use countersign_issuer::FileStore;", "file"),
    ("use countersign_issuer::PostgresStore;", "postgres"),
];

/// The compiler's errors for this program with these dependencies.
fn errors(name: &str, dependencies: &str, program: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(folder.join("src")).expect("created");
    let crates = root.join("crates").canonicalize().expect("a folder");
    let manifest = format!(
        "[package]\nname = \"{name}\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n{}",
        dependencies.replace("CRATES", crates.to_str().expect("text"))
    );
    std::fs::write(folder.join("Cargo.toml"), manifest).expect("written");
    std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("copied");
    std::fs::write(folder.join("src/main.rs"), format!("fn main() {{}}\n{program}")).expect("written");
    let output = Command::new(env!("CARGO"))
        .args(["check", "--quiet", "--offline", "--color", "never"])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("missing"))
        .output()
        .expect("cargo runs");
    assert!(!output.status.success(), "it compiles");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Unresolved imports end a build before methods are checked, so that they stand in a program of their own.
#[test]
#[cfg_attr(not(is_ci), ignore = "compiles all dependencies once more, which takes minutes; CI=true runs it")]
fn an_item_whose_feature_is_off_names_the_feature() {
    let few = "countersign = { path = \"CRATES/countersign\", default-features = false, features = [\"remote-keys\", \"otel\"] }\n\
               countersign-issuer = { path = \"CRATES/countersign-issuer\", default-features = false, features = [\"metrics\"] }\n";
    let (imports, methods): (Vec<_>, Vec<_>) = USES.into_iter().partition(|(text, _)| text.starts_with("use "));
    for (name, uses) in [("missing-imports", imports), ("missing-methods", methods)] {
        let program: Vec<&str> = uses.iter().map(|(text, _)| *text).collect();
        let errors = errors(name, few, &program.join("\n"));
        for (line, (text, feature)) in uses.iter().enumerate() {
            let place = format!("src/main.rs:{}:", line + 2);
            let error = errors.split("\nerror").find(|error| error.contains(&place));
            let error = error.unwrap_or_else(|| panic!("no error for {text}: {errors}"));
            let by_trait = error.contains(&format!("requires the feature `{feature}`"));
            let by_compiler =
                error.contains(&format!("feature = \"{feature}\"")) || error.contains(&format!("`{feature}` feature"));
            assert!(by_trait || by_compiler, "{text}: {error}");
        }
    }
}

/// With the crate `utoipa` at hand, but without the feature of this name.
#[test]
#[cfg_attr(not(is_ci), ignore = "compiles all dependencies once more, which takes minutes; CI=true runs it")]
fn a_route_table_without_openapi_names_the_feature() {
    let axum = "countersign = { path = \"CRATES/countersign\", default-features = false, features = [\"axum\", \"metrics\"] }\n\
                countersign-issuer = { path = \"CRATES/countersign-issuer\", features = [\"otel\"] }\n";
    let errors = errors(
        "missing-openapi",
        axum,
        "fn a(table: &countersign::app::RouteTable) { table.secure(&mut (), \"bearer\"); }\n\
         fn b(metrics: countersign::metrics::Metrics) { metrics.observe(); }\n\
         fn c(metrics: &countersign_issuer::IssuerMetrics) { metrics.publish(); }",
    );
    for feature in ["utoipa", "otel", "metrics"] {
        assert!(errors.contains(&format!("requires the feature `{feature}`")), "{feature}: {errors}");
    }
}
