//! Programs that nobody here wrote: started for a test, ended with it, and missed aloud where they are not installed.
//!
//! `tests/peers/install` installs them. A newcomer's machine may lack them: a test that needs one then says so and passes
//! over. Where `CI` is set it fails instead.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// The folder of the scripts and their libraries.
pub fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/peers"))
}

/// A command that runs `script` of this folder with node; `None`, said aloud, where node or its packages are missing.
pub fn node(script: &str) -> Option<Command> {
    let is_there = folder().join("node_modules/.package-lock.json").exists() && runs("node");
    is_there_or_missed("node and tests/peers/node_modules", is_there)?;
    Some(script_command("node".into(), script))
}

/// A command that runs `script` of this folder with Python; `None`, said aloud, where its environment is missing.
pub fn python(script: &str) -> Option<Command> {
    let python = folder().join("venv/bin/python");
    is_there_or_missed("tests/peers/venv", folder().join("venv/installed").exists())?;
    Some(script_command(python, script))
}

/// The path of a program in the Python environment, such as `envoy`; `None`, said aloud, where it is missing.
pub fn python_program(name: &str) -> Option<PathBuf> {
    let program = folder().join("venv/bin").join(name);
    is_there_or_missed(name, program.exists())?;
    Some(program)
}

/// Says what is missing, or fails where it must not be.
pub fn is_there_or_missed(what: &str, is_there: bool) -> Option<()> {
    if is_there {
        return Some(());
    }
    assert!(std::env::var_os("CI").is_none(), "{what} is missing; run tests/peers/install");
    eprintln!("PASSED OVER: {what} is missing; tests/peers/install installs it");
    None
}

/// Runs `command` to its end with `input` and reads its output as one JSON value.
pub fn answer(mut command: Command, input: &Value) -> Value {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    let text = input.to_string();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("the program ends");
    let _ = writer.join(); // a program that does not read its input is free to
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "the program failed: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("no JSON ({error}): {text}"))
}

/// A program that runs until it is dropped, and said in one line of JSON that it is ready.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// The line that it printed.
    pub ready: Value,
}

impl Running {
    /// Starts `command` and waits for its line.
    pub fn start(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        output.read_line(&mut line).expect("a line");
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}"));
        std::thread::spawn(move || output.lines().for_each(drop)); // lest it block on a full pipe
        Running { child, ready }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A certified OpenID provider on loopback; what it can do is said at the top of `peers/provider.mjs`.
#[derive(Debug)]
pub struct OpenIdProvider {
    running: Running,
}

impl OpenIdProvider {
    /// Starts one on a free port, its access tokens signed with the first of `algorithms`; `None` where it is missing.
    pub fn start(algorithms: &str) -> Option<Self> {
        Self::start_at(algorithms, 0)
    }

    /// Starts one on this port, for one that was stopped and comes back.
    pub fn start_at(algorithms: &str, port: u16) -> Option<Self> {
        let mut command = node("provider.mjs")?;
        command.env("ALGS", algorithms).env("PORT", port.to_string()).env("NODE_NO_WARNINGS", "1");
        Some(OpenIdProvider { running: Running::start(command) })
    }

    /// Its issuer name, which is its address.
    pub fn issuer(&self) -> &str {
        self.running.ready["issuer"].as_str().expect("an issuer")
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.running.ready["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port")
    }

    /// The secret of its clients `svc-basic` and `svc-post`.
    pub fn client_secret(&self) -> &str {
        self.running.ready["clients"]["secret"].as_str().expect("a secret")
    }

    /// The private JWK of its client `svc-pkjwt`.
    pub fn client_key(&self) -> &Value {
        &self.running.ready["client_key"]
    }

    /// Tells it something: `rotate`, `retire`, `fail?status=503&times=3`, `delay?ms=2000`, `counts`. Blocks.
    pub fn control(&self, what: &str) -> Value {
        let address = self.issuer().trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).expect("it listens");
        let request = format!(
            "POST /control/{what} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        let answer = std::io::read_to_string(stream).expect("it answers");
        let start = answer.find('{').expect("a JSON body");
        let end = answer.rfind('}').expect("a JSON body");
        serde_json::from_str(&answer[start..=end]).expect("a JSON body")
    }
}

fn script_command(program: PathBuf, script: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(folder().join(script)).current_dir(folder());
    command
}

fn runs(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}
