//! Programs that nobody here wrote: started for a test, and ended with it.
//!
//! `tests/peers/install` installs them. The test runner reports a test as ignored if its part is missing (see `parts.rs`):
//! `#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]`. If `CI` is set, such a test fails instead.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::parts::Part;

/// The folder of the scripts and their libraries.
pub fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/peers"))
}

/// A command that runs `script` of this folder with Node.js.
pub fn node(script: &str) -> Command {
    installed(Part::Node);
    script_command("node".into(), script)
}

/// A command that runs `script` of this folder with Python.
pub fn python(script: &str) -> Command {
    installed(Part::Python);
    script_command(folder().join("venv/bin/python"), script)
}

/// A command that runs `script` of this folder with Python and the library of the Model Context Protocol.
pub fn python_mcp(script: &str) -> Command {
    installed(Part::PythonMcp);
    script_command(folder().join("venv_mcp/bin/python"), script)
}

/// The Envoy program.
pub fn envoy() -> PathBuf {
    installed(Part::Envoy)
}

/// The browser.
pub fn chromium() -> PathBuf {
    installed(Part::Chromium)
}

/// The file of a part, which must be installed.
fn installed(part: Part) -> PathBuf {
    part.find(&folder()).unwrap_or_else(|| panic!("{part:?} is missing; run tests/peers/install"))
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

/// A certified OpenID provider on loopback; what it can do stands at the top of `peers/provider.mjs`.
#[derive(Debug)]
pub struct OpenIdProvider {
    running: Running,
}

impl OpenIdProvider {
    /// Starts one on a free port, its access tokens signed with the first of `algorithms`.
    pub fn start(algorithms: &str) -> Self {
        Self::start_with(algorithms, &[])
    }

    /// Starts one on this port, for one that was stopped and comes back.
    pub fn start_at(algorithms: &str, port: u16) -> Self {
        Self::start_with(algorithms, &[("PORT", &port.to_string())])
    }

    /// Starts one with these settings, which `peers/provider.mjs` lists.
    pub fn start_with(algorithms: &str, settings: &[(&str, &str)]) -> Self {
        let mut command = node("provider.mjs");
        command.env("ALGS", algorithms).envs(settings.iter().copied()).env("NODE_NO_WARNINGS", "1");
        OpenIdProvider { running: Running::start(command) }
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

/// A PostgreSQL server of one's own, on a socket in a folder of its own.
#[derive(Debug)]
pub struct Postgres {
    server: Child,
    programs: PathBuf,
    folder: PathBuf,
    port: Option<u16>,
    options: Vec<String>,
}

/// What a PostgreSQL with TLS shows and demands, as PEM.
#[derive(Debug)]
pub struct PostgresTls<'t> {
    pub certificate: &'t str,
    pub key: &'t str,
    /// The authority of the certificates that clients must have.
    pub clients: &'t str,
    pub password: &'t str,
}

impl Postgres {
    /// Starts one.
    pub fn start() -> Self {
        Postgres::with(None, None)
    }

    /// Starts one that listens on this port of 127.0.0.1 too.
    pub fn start_at(port: u16) -> Self {
        Postgres::with(Some(port), None)
    }

    /// Starts one that takes only clients with a certificate and the password, by TLS on this port of 127.0.0.1.
    pub fn start_with_tls(port: u16, tls: &PostgresTls<'_>) -> Self {
        Postgres::with(Some(port), Some(tls))
    }

    fn with(port: Option<u16>, tls: Option<&PostgresTls<'_>>) -> Self {
        let programs = installed(Part::Postgres).parent().expect("a folder").to_owned();
        let folder = private_folder().join(format!("cs-pg-{}-{}", std::process::id(), next_number()));
        std::fs::create_dir_all(&folder).expect("a folder");
        unprivileged(&folder);
        let mut made = program(&programs, &folder, "initdb");
        made.args(["-U", "issuer", "--no-sync"]);
        let mut options = Vec::new();
        match tls {
            None => drop(made.args(["-A", "trust"])),
            Some(tls) => {
                write_unprivileged(&folder.join("password"), tls.password);
                made.args(["-A", "scram-sha-256", "--pwfile"]).arg(folder.join("password"));
                for (setting, text) in
                    [("ssl_cert_file", tls.certificate), ("ssl_key_file", tls.key), ("ssl_ca_file", tls.clients)]
                {
                    let file = folder.join(setting);
                    write_unprivileged(&file, text);
                    options.extend(["-c".to_owned(), format!("{setting}={}", file.display())]);
                }
                options.extend(["-c", "ssl=on"].map(str::to_owned));
            }
        }
        assert!(made.status().expect("initdb runs").success(), "initdb failed");
        if tls.is_some() {
            let rules = "hostssl all all all scram-sha-256 clientcert=verify-ca\n";
            std::fs::write(folder.join("data/pg_hba.conf"), rules).expect("written");
        }
        let server = serve(&programs, &folder, port, &options);
        let mut started = Postgres { server, programs, folder, port, options };
        started.wait();
        started
    }

    /// Ends it at once, as a crash does, and keeps its data.
    pub fn kill(&mut self) {
        let stopped = self.program("pg_ctl").args(["stop", "-m", "immediate"]).status();
        assert!(stopped.expect("pg_ctl runs").success(), "pg_ctl failed");
        self.server.wait().expect("an end");
    }

    /// Starts it again after [`Self::kill`].
    pub fn start_again(&mut self) {
        self.server = serve(&self.programs, &self.folder, self.port, &self.options);
        self.wait();
    }

    fn wait(&mut self) {
        let mut ready = self.program("pg_isready");
        ready.arg("-h").arg(&self.folder);
        while !ready.status().expect("pg_isready runs").success() {
            assert!(self.server.try_wait().expect("its state").is_none(), "the server ended");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// One of its programs, for this server.
    fn program(&self, name: &str) -> Command {
        let mut command = program(&self.programs, &self.folder, name);
        command.envs(self.port.map(|port| ("PGPORT", port.to_string())));
        command
    }

    /// How to reach it, in libpq's form.
    pub fn settings(&self) -> String {
        format!("host={} user=issuer dbname=postgres", self.folder.display())
    }
}

/// A program of PostgreSQL, for the data in this folder.
fn program(programs: &Path, folder: &Path, name: &str) -> Command {
    let mut command = Command::new(programs.join(name));
    as_nobody(&mut command).current_dir(folder).env("PGDATA", folder.join("data"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn serve(programs: &Path, folder: &Path, port: Option<u16>, options: &[String]) -> Child {
    let mut command = program(programs, folder, "postgres");
    command.args(options).arg("-k").arg(folder).args(["-c", "fsync=off"]);
    match port {
        Some(port) => command.args(["-h", "127.0.0.1", "-p", &port.to_string()]),
        None => command.args(["-c", "listen_addresses="]),
    };
    command.spawn().expect("postgres runs")
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.program("pg_ctl").args(["stop", "-m", "immediate"]).status();
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A folder that not everybody may write to, as the store requires, and with a short path, as a socket requires.
pub fn private_folder() -> PathBuf {
    let folder = match std::env::home_dir() {
        Some(home) if !is_root() => home.join(".cache/countersign-tests"),
        _ => PathBuf::from("/run"), // `nobody` cannot reach the home of root
    };
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn next_number() -> usize {
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// The user `nobody`, where we are root: PostgreSQL does not run as that.
const NOBODY: u32 = 65_534;

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

fn as_nobody(command: &mut Command) -> &mut Command {
    use std::os::unix::process::CommandExt;
    if is_root() { command.uid(NOBODY).gid(NOBODY) } else { command }
}

fn unprivileged(folder: &Path) {
    if is_root() {
        std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY)).expect("chown");
    }
}

/// Writes a file that only the user of [`as_nobody`] reads.
fn write_unprivileged(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).expect("written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("chmod");
    unprivileged(path);
}

fn script_command(program: PathBuf, script: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(folder().join(script)).current_dir(folder());
    command
}
