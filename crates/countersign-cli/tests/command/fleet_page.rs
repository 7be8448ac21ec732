//! The plane's page in headless Chromium; the scenarios are in `tests/peers/plane.mjs`.

use std::path::Path;
use std::time::Duration;

use countersign::fleet::{FleetMember, FleetReporter};
use countersign_test::TestIssuer;
use countersign_tests::peers;
use serde_json::{Value, json};

use crate::fleet::{taken, verifier};
use crate::run::{Server, file};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(has_node, has_chromium)), ignore = "needs Node.js and Chromium: tests/peers/install")]
async fn s14_05_the_page_shows_every_report_in_a_real_browser_and_text_of_others_as_text() {
    let command = peers::node("plane.mjs");
    let issuer = TestIssuer::with_system_clock();
    let plane = Server::start("plane", &["--listen", "127.0.0.1:0"]);
    let url = format!("http://{}", plane.text("address"));
    let report = |name: &str, instance: &str, more: &str| {
        let member = FleetMember::new(name, &verifier(&issuer, more)).instance(instance).version("1.0.0");
        FleetReporter::builder(member, url.clone()).build().expect("on this machine")
    };
    let reporters = [
        report("orders", "one", ""),
        report("orders", "two", ""),
        report("orders", "three", "leeway_seconds = 60"),
        report("weak", "one", "danger_any_type = true"),
        report("<img src=x onerror=alert(1)>", "\u{202e}one", ""),
    ];
    taken(&reporters).await;
    let text = format!(
        "[[issuers]]\nissuer = {:?}\naudience = \"plane\"\nkeys = {{ inline = '{}' }}\n",
        issuer.name(),
        issuer.jwks()
    );
    let policy = file("plane-policy", &text);
    let locked = Server::start("plane", &["--listen", "127.0.0.1:0", "--policy", policy.path()]);
    let reader = issuer.token().subject("ann").audience("plane").scope("fleet:read").lifetime(Duration::from_secs(600));
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").join("plane");
    std::fs::create_dir_all(&shots).expect("made");
    let world = json!({
        "chromium": peers::chromium(),
        "shots": shots,
        "url": url,
        "locked": format!("http://{}", locked.text("address")),
        "token": reader.sign(),
    });
    let results = tokio::task::spawn_blocking(move || peers::answer(command, &world)).await.expect("ran");
    let results = results.as_array().expect("a list");
    let faults: Vec<&Value> = results.iter().filter(|result| !result["fault"].is_null()).collect();
    assert!(faults.is_empty(), "{}", serde_json::to_string_pretty(&faults).expect("JSON"));
    assert_eq!(results.len(), 6, "every scenario ran");
}
