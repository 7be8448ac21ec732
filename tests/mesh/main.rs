//! The `mesh` example, driven over HTTP like any client would.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The program. `cargo test` builds it; if only this test was requested, it is built here.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let program = test.parent().and_then(|deps| deps.parent()).expect("a target folder").join("examples/mesh");
    if !program.exists() {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "-p", "countersign-examples", "--example", "mesh"])
            .status();
        assert!(built.is_ok_and(|status| status.success()), "the mesh does not build");
    }
    program
}

/// The mesh, running until it is dropped.
struct Serving {
    child: Child,
    printed: String,
}

impl Serving {
    fn start() -> Self {
        let mut command = Command::new(program());
        let mut child = command.arg("--serve").stdout(Stdio::piped()).spawn().expect("it starts");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut printed = String::new();
        while !printed.contains("Ctrl-C stops it.") {
            assert_ne!(output.read_line(&mut printed).expect("text"), 0, "it ended: {printed}");
        }
        Serving { child, printed }
    }

    /// The word after `name` on its line.
    fn word(&self, name: &str) -> &str {
        let mut lines = self.printed.lines().filter_map(|line| line.trim_start().strip_prefix(name));
        lines.next().expect("a line").trim()
    }

    fn tokens(&self) -> Vec<&str> {
        self.printed.lines().filter_map(|line| line.trim_start().strip_prefix("TOKEN=")).collect()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_served_mesh_answers_as_its_printed_commands_show() {
    let mesh = Serving::start();
    let (gateway, inventory) = (mesh.word("gateway"), mesh.word("inventory"));
    let [clerk, manager] = mesh.tokens().try_into().expect("two tokens");
    let http = reqwest::Client::new();
    let get = |url: String, token: &str| http.get(url).bearer_auth(token).send();

    let bare = http.get(format!("{gateway}/orders")).send().await.expect("an answer");
    assert_eq!(bare.status(), 401);
    let challenge = bare.headers()["www-authenticate"].to_str().expect("text");
    assert!(challenge.starts_with("Bearer realm=") && !challenge.contains("error"), "{challenge}");

    let orders: serde_json::Value =
        get(format!("{gateway}/orders"), clerk).await.expect("an answer").json().await.expect("JSON");
    assert_eq!((&orders["orders_of"], &orders["asked_by"]), (&"ann".into(), &"gateway".into()));
    assert_eq!((&orders["stock"]["asked_for"], &orders["stock"]["asked_by"]), (&"ann".into(), &"orders".into()));

    let own = get(format!("{gateway}/tenants/acme/orders"), clerk).await.expect("an answer");
    let other = get(format!("{gateway}/tenants/umbrella/orders"), clerk).await.expect("an answer");
    assert_eq!((own.status().as_u16(), other.status().as_u16()), (200, 403));

    let post = |token: &str| http.post(format!("{gateway}/orders")).bearer_auth(token).send();
    let refused = post(clerk).await.expect("an answer");
    assert_eq!(refused.status(), 403);
    assert!(refused.headers()["www-authenticate"].to_str().expect("text").contains("scope=\"orders:write\""));
    assert_eq!(post(manager).await.expect("an answer").status(), 200);

    let elsewhere = get(format!("{inventory}/stock/bolts"), clerk).await.expect("an answer");
    assert_eq!(elsewhere.status(), 401, "a token for the gateway is for the gateway");
    let problem: serde_json::Value = elsewhere.json().await.expect("a problem");
    assert_eq!((&problem["status"], &problem["code"]), (&401.into(), &"token_invalid".into()));
}

#[test]
fn all_nine_steps_hold() {
    check_steps(&[]);
}

#[test]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
fn all_nine_steps_hold_with_keycloak_as_the_issuer() {
    check_steps(&["--issuer", "keycloak"]);
}

#[test]
fn another_issuer_is_refused_with_a_sentence() {
    let output = Command::new(program()).args(["--issuer", "other"]).output().expect("it starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.contains("--issuer takes keycloak"), "{error}");
}

/// Runs the scenario with these arguments to its end.
fn check_steps(arguments: &[&str]) {
    let mut command = Command::new(program());
    let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut output = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut output).expect("text");
    assert!(child.wait().expect("it ends").success(), "{output}");
    for step in 1..=9 {
        assert!(output.contains(&format!("\n{step}. ")), "step {step} is missing: {output}");
    }
    assert!(output.contains(" 0 failed") && !output.contains("FAILED"), "{output}");
}
