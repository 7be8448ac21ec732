//! Runs the real binary.
#![allow(dead_code, reason = "no test uses everything")]

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

/// The output and exit code of a run.
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("no JSON: {} {}", self.stdout, self.stderr))
    }
}

/// Asserts that `value` has the documented form `form` (`docs/cli.schema.json`).
pub(crate) fn assert_form(form: &str, value: &Value) {
    let schema: Value = serde_json::from_str(include_str!("../../../../docs/cli.schema.json")).expect("JSON");
    let schema = json!({ "$ref": format!("#/$defs/{form}"), "$defs": schema["$defs"] });
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("cli.schema.json", schema).expect("a schema");
    let schema = compiler.compile("cli.schema.json", &mut schemas).expect("a schema");
    if let Err(fault) = schemas.validate(value, schema) {
        panic!("{form}: {fault:#}\n{value}");
    }
}

/// Runs `countersign` with `input` on its standard input.
pub(crate) fn countersign(arguments: &[&str], input: &str) -> Output {
    countersign_with(arguments, input, &[])
}

/// Like [`countersign`], with environment variables.
pub(crate) fn countersign_with(arguments: &[&str], input: &str, variables: &[(&str, &str)]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(arguments)
        .env_remove("COUNTERSIGN_TOKEN")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("the binary ends");
    let _ = writer.join(); // the command may end before it reads all input
    Output {
        code: output.status.code().expect("no signal"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

/// A command that serves until it is ended, killed on drop.
pub(crate) struct Server {
    pub(crate) child: Child,
    /// The object that it prints when it is ready.
    pub(crate) ready: Value,
}

impl Server {
    /// Runs `countersign NAME --json`, without its log.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        Self::start_with(name, arguments, |command| command.stderr(Stdio::null()))
    }

    /// Like [`start`](Self::start), with other settings of the process.
    pub(crate) fn start_with(name: &str, arguments: &[&str], set: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        set(&mut command);
        Self::start_command(name, command, arguments)
    }

    /// Like [`start_with`](Self::start_with), with a command that runs the binary.
    pub(crate) fn start_command(name: &str, mut command: Command, arguments: &[&str]) -> Self {
        command.args([name, "--json"]).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_form(name, &ready);
        Server { child, ready }
    }

    /// A text of the object that it printed.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.ready[name].as_str().expect("text")
    }

    /// Kills it, and waits for its end.
    pub(crate) fn end(mut self) {
        self.child.kill().expect("ended");
        self.child.wait().expect("ended");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A path without a file, removed on drop.
pub(crate) fn new_path(name: &str) -> TempFile {
    let path = file(name, "");
    std::fs::remove_file(&path.0).expect("removed");
    path
}

/// A file that is removed on drop.
pub(crate) struct TempFile(PathBuf);

impl TempFile {
    pub(crate) fn path(&self) -> &str {
        self.0.to_str().expect("text")
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Writes `content` to a new file.
pub(crate) fn file(name: &str, content: &str) -> TempFile {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("{name}-{}-{number}", std::process::id()));
    std::fs::write(&path, content).expect("written");
    TempFile(path)
}
