//! The script `run` of a server, and what can happen to the server.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use countersign_tests::parts::Part;
use countersign_tests::peers;

/// A server that runs in a folder of its own. Its script ends it when the script's standard input ends, so also at the end of
/// this process.
pub struct Server {
    command: Command,
    folder: PathBuf,
    ready: String,
    http: reqwest::Client,
    running: Option<Child>,
    input: Option<ChildStdin>,
}

impl Server {
    /// The server whose scripts are in the folder `name` of the peers. Its script `run` gets these arguments and then the folder;
    /// the server is ready when the address `ready` answers with success.
    pub fn new(part: Part, name: &str, ports: &[u16], ready: String) -> Self {
        part.find(&peers::folder()).expect("run tests/peers/install");
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", ports[0]));
        let _ = std::fs::remove_dir_all(&folder); // of an earlier run
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut command = Command::new(peers::folder().join(name).join("run"));
        command.args(ports.iter().map(u16::to_string)).arg(&folder).stdin(Stdio::piped());
        Server { command, folder, ready, http: reqwest::Client::new(), running: None, input: None }
    }

    /// Asks by this client whether it is ready.
    pub fn asked_by(self, http: reqwest::Client) -> Self {
        Server { http, ..self }
    }

    /// The folder with its data.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts it, with the data that it had, and waits until it answers.
    pub async fn start(&mut self) {
        let mut script = self.command.spawn().expect("the script runs");
        self.input = script.stdin.take();
        self.running = Some(script);
        let limit = Instant::now() + Duration::from_secs(300);
        while !self.http.get(&self.ready).send().await.is_ok_and(|answer| answer.status().is_success()) {
            assert!(Instant::now() < limit, "no answer; see {}/log", self.folder.display());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Sends it a signal: `STOP` lets it hang, `CONT` lets it go on.
    pub fn signal(&mut self, name: &str) {
        writeln!(self.input.as_mut().expect("it runs"), "{name}").expect("the script reads");
    }

    /// Kills it and waits for its end.
    pub fn kill(&mut self) {
        self.signal("KILL");
        self.input = None;
        self.running.take().expect("it runs").wait().expect("an end");
    }
}
