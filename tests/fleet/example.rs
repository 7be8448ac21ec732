//! The `fleet` example, run like any user would.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The program. `cargo test` builds it; if only this test was requested, it is built here.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let program = test.parent().and_then(Path::parent).expect("a target folder").join("examples/fleet");
    if !program.exists() {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "-p", "countersign-example-fleet", "--example", "fleet"])
            .status();
        assert!(built.is_ok_and(|status| status.success()), "the fleet does not build");
    }
    program
}

fn run(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).output().expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The facts that each run must print.
fn check(printed: &str) {
    for step in 1..=6 {
        assert!(printed.contains(&format!("\n{step}. ")), "step {step} is missing: {printed}");
    }
    for fact in [
        "orders: 3 of 3 agree on revision 1 ",
        "orders, 3 instances: 18 tokens compared with revision 2 ",
        "ok 6 newly refused: subject_not_allowed at 4 of 4 services",
        "ok 6 newly admitted: lifetime_too_long at 4 of 4 services",
        "stock: 3 of 3 agree on revision 2 ",
        "billing: 2 of 3 agree on revision 2 ",
        "ok billing-2: refused",
        "ok stock-3: lagging",
        "ok shipping-3: weakened",
        "leeway: 5s -> 30s",
        "/ audience: shipping -> not set",
        "ok 9 of 12 instances agree",
        " 0 failed",
    ] {
        assert!(printed.contains(fact), "{fact:?} is missing: {printed}");
    }
    assert!(!printed.contains("FAILED"), "{printed}");
    let everywhere = printed.matches("ok 12 of 12 as expected, the last after ").count();
    assert_eq!(everywhere, 9, "{printed}");
    assert!(!printed.contains("eyJ"), "a token is printed");
}

/// The example after its last step, running until it is ended.
struct Staying {
    child: Child,
    printed: String,
}

impl Staying {
    fn start() -> Self {
        let mut child = Command::new(program()).arg("--stay").stdout(Stdio::piped()).spawn().expect("it starts");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut printed = String::new();
        while !printed.contains("Ctrl-C stops it.") {
            assert_ne!(output.read_line(&mut printed).expect("text"), 0, "it ended: {printed}");
        }
        Staying { child, printed }
    }

    /// The word after this text.
    fn word(&self, text: &str) -> &str {
        let (_, rest) = self.printed.split_once(text).expect("printed");
        rest.split_whitespace().next().expect("a word")
    }

    fn terminate(&self) {
        let sent = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(sent.expect("kill runs").success());
    }
}

impl Drop for Staying {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.terminate(); // it ends its plane and its Redis
            let _ = self.child.wait();
        }
    }
}

#[tokio::test]
async fn s14_01_s14_06_s14_07_s14_12_every_step_holds_and_the_page_stays() {
    let mut fleet = Staying::start();
    check(&fleet.printed);
    let page = fleet.word("The page: ").trim_end_matches('/').to_owned();
    let http = reqwest::Client::new();
    let answer = http.get(&page).send().await.expect("an answer");
    assert!(answer.headers()["content-type"].to_str().expect("text").starts_with("text/html"));
    let data: Value = http.get(format!("{page}/v1/fleet")).send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(data["instances"].as_array().map(Vec::len), Some(12));

    // The commands that it prints.
    let status = run(&["countersign", "fleet", "status", "--plane", &page, "--all"]);
    assert_eq!(status.status.code(), Some(1), "{}", text(&status.stdout));
    assert_eq!(text(&status.stdout).matches("in force\n").count(), 9, "{}", text(&status.stdout));
    let diff = run(&["countersign", "fleet", "diff", "--plane", &page, "--except", "audience"]);
    assert_eq!(diff.status.code(), Some(1), "{}", text(&diff.stdout));
    assert!(text(&diff.stdout).contains("shipping shipping-3:"), "{}", text(&diff.stdout));

    fleet.terminate();
    assert!(fleet.child.wait().expect("it ends").success());
    assert!(http.get(&page).send().await.is_err(), "the plane has ended too");
}

#[test]
#[cfg_attr(not(is_ci), ignore = "takes seconds, most of them waiting: only CI runs it")]
fn s14_12_every_step_holds_without_redis() {
    let mut command = Command::new(program());
    let output = command.env("PATH", "").output().expect("it starts");
    let printed = text(&output.stdout);
    assert!(printed.contains("because redis-server is not installed"), "{printed}");
    check(&printed);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn a_step_that_fails_ends_the_example_with_exit_code_1() {
    let output = run(&["--wrong-tokens"]);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(printed.contains("FAILED 0 of 12 as expected"), "{printed}");
    assert!(printed.contains(" 1 failed") && !printed.contains("\n2. "), "{printed}");
    assert!(text(&output.stderr).contains("the fleet failed: 1 checks failed"));
}

#[test]
fn an_unknown_argument_is_refused_with_a_sentence() {
    let output = run(&["--serve"]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(error.lines().count() == 1 && error.contains("the known ones are --stay"), "{error}");
}
