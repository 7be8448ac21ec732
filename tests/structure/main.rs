//! The order of the modules, circles among files, the homes of foreign crates, and what the kernel must not touch.

mod graph;
mod imports;
mod order;
mod source;

use std::collections::BTreeMap;

use graph::Graph;
use order::{EXCEPTIONS, Exception, ORDERS, Order};
use source::{code, crates, files};

/// A foreign crate and the only places that may name it.
const HOMES: [(&str, &[&str]); 8] = [
    (
        " ::metrics",
        &[
            "countersign-core/src/metrics/",
            "countersign/src/telemetry/counts/",
            "countersign-issuer/src/counts/store_time.rs",
            "countersign-gateway/src/counts/decision_time.rs",
        ],
    ),
    ("opentelemetry", &["countersign-core/src/metrics/"]),
    ("jsonwebtoken", &["countersign-core/src/key/jsonwebtoken.rs"]),
    ("quick_cache", &["countersign-core/src/cache/"]),
    ("tonic", &["countersign/src/grpc/", "countersign-gateway/src/edge/ext_authz.rs"]),
    ("utoipa", &["countersign/src/app/openapi.rs"]),
    ("argon2", &["countersign-issuer/src/client/secret/", "countersign-cli/src/tools/hash.rs"]),
    (
        "reqwest",
        &[
            "countersign/src/fetch/",
            "countersign/src/client/",
            "countersign/src/introspect/asking.rs",
            "countersign/src/keys/http_location.rs",
            "countersign/src/keys/kubernetes.rs",
            "countersign/src/outbound/",
            "countersign/src/status/",
            "countersign-cli/",
        ],
    ),
];

/// Names of I/O and of runtimes. Only the clock asks the system for the time.
const OUTSIDE_OF_A_KERNEL: [&str; 7] =
    ["std::fs", "net::Tcp", "net::Udp", "std::process", "tokio::", "SystemTime::now", "Instant::now"];

fn graph_of(krate: &str) -> Graph {
    Graph::read(&files(&crates().join(krate).join("src")))
}

#[test]
fn files_import_downward_and_in_no_circle() {
    let mut faults = Vec::new();
    for order in &ORDERS {
        let exceptions: Vec<_> = EXCEPTIONS.iter().filter(|known| known.krate == order.krate).copied().collect();
        faults.extend(order::faults(order, &graph_of(order.krate), &exceptions));
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_module_of_the_order_is_there_and_every_crate_has_an_order() {
    for order in &ORDERS {
        let graph = graph_of(order.krate);
        for module in order.modules() {
            let is_there = graph.files.iter().any(|file| order::top(file) == module);
            assert!(is_there, "{}: {module} is in the order, but not in the crate", order.krate);
        }
    }
    for folder in std::fs::read_dir(crates()).expect("a folder") {
        let name = folder.expect("an entry").file_name();
        assert!(ORDERS.iter().any(|order| *order.krate == *name), "{name:?} has no order");
    }
}

/// A crate of two modules and three files. `down.rs` is written by each test.
fn planted(down: &str) -> Vec<String> {
    let texts = [
        ("lib.rs", "mod down; mod up; pub use up::Up;"),
        ("down.rs", down),
        ("up/mod.rs", "//! Docs.\nmod inner; mod other; pub(crate) use inner::Inner; pub use other::Up;"),
        ("up/inner.rs", "use crate::down;\npub(crate) struct Inner(down::Down);"),
        ("up/other.rs", "use super::Inner;\npub struct Up(Inner);"),
    ];
    let texts: BTreeMap<_, _> = texts.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
    let order = Order { krate: "planted", modules: "down up" };
    order::faults(&order, &Graph::read(&texts), &[])
}

#[test]
fn a_planted_circle_and_a_planted_upward_import_are_found() {
    assert_eq!(planted("pub(crate) struct Down;"), Vec::<String>::new());
    let line = "down.rs:2: use crate::Up;";
    assert_eq!(
        planted("pub(crate) struct Down;\nuse crate::Up;"),
        [
            format!("planted: down is below up: {line}  [up/other.rs]"),
            "planted: circle of down.rs, up/inner.rs, up/other.rs".to_owned(),
            format!("    {line}  [up/other.rs]"),
            "    up/inner.rs:2: pub(crate) struct Inner(down::Down);  [down.rs]".to_owned(),
            "    up/other.rs:1: use super::Inner;  [up/inner.rs]".to_owned(),
        ]
    );
    let hidden = ["// use crate::Up;", "const X: &str = \"crate::Up\";", "#[cfg(test)]\nmod tests { use crate::Up; }"];
    for hidden in hidden {
        assert_eq!(planted(&format!("pub(crate) struct Down;\n{hidden}")), Vec::<String>::new(), "{hidden}");
    }
    for shown in ["fn f() { crate::up::Inner::new(); }", "use crate::{up::{self, Inner as I}};", "use super::up::*;"] {
        assert!(!planted(&format!("pub(crate) struct Down;\n{shown}")).is_empty(), "{shown}");
    }
}

#[test]
fn an_exception_that_is_not_needed_is_a_fault() {
    let texts = [("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b::B;"), ("b.rs", "pub struct B;")];
    let graph = Graph::read(&texts.map(|(path, text)| (path.to_owned(), text.to_owned())).into());
    let exception = Exception { krate: "planted", from: "a.rs", to: "b.rs", reason: "a test" };
    let order = |modules| Order { krate: "planted", modules };
    assert_eq!(order::faults(&order("a b"), &graph, &[exception]), Vec::<String>::new());
    assert_eq!(
        order::faults(&order("b a"), &graph, &[exception]),
        ["planted: a.rs → b.rs is no exception any more (a test); remove it from the table"]
    );
}

#[test]
fn foreign_crates_are_named_only_at_home() {
    for (path, text) in files(&crates()) {
        let code = code(&text);
        for (foreign, homes) in HOMES {
            let names_it = code.contains(&format!("{foreign}::"));
            let is_home = homes.iter().any(|home| path.starts_with(home));
            assert!(!names_it || is_home || !path.contains("/src/"), "{path} names {foreign}");
        }
    }
}

#[test]
fn the_kernel_reads_no_file_opens_no_socket_and_has_no_runtime() {
    let texts = files(&crates().join("countersign-core/src"));
    for path in Graph::read(&texts).files {
        let code = code(&texts[&path]);
        for outside in OUTSIDE_OF_A_KERNEL {
            let is_clock = path == "clock.rs" && outside.ends_with("::now");
            assert!(is_clock || !code.contains(outside), "{path} uses {outside}");
        }
    }
}

/// `tracing` caches whether anyone listens to an event. Without a subscriber for all threads, a test whose own thread listens
/// misses events that another test's thread emitted first.
#[test]
fn tests_that_listen_on_their_thread_enable_events_on_all_threads() {
    const ENABLE: &str = "enable_events_on_every_thread()";
    let tests = crates().join("../tests");
    let mut listening = 0;
    for folder in std::fs::read_dir(&tests).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if !folder.is_dir() || ["structure", "peers"].iter().any(|name| folder.ends_with(name)) {
            continue;
        }
        for (path, text) in files(&folder) {
            let code = code(&text);
            // Of the log that `log.rs` of that crate defines.
            let shares_log = code.matches(".with_subscriber(").count() == code.matches(".with_subscriber(log.").count();
            let is_own = code.contains("::set_default(") || !shares_log || path == "log.rs";
            listening += usize::from(is_own);
            assert!(!is_own || code.contains(ENABLE), "{}/{path}: call {ENABLE} first", folder.display());
        }
    }
    assert!(listening > 3, "{listening} files");
}
