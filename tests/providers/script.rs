//! The script `run` of a server, and what can happen to the server.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use countersign_tests::parts::Part;
use countersign_tests::peers;

/// A running script. It ends its server when its standard input ends, so also at the end of this process.
pub struct Script {
    input: ChildStdin,
    child: Child,
    folder: PathBuf,
}

impl Script {
    /// Starts the script of the server in the folder `name` of the peers, with these arguments and then a folder for its data.
    pub fn start(part: Part, name: &str, arguments: &[String], folder: &Path) -> Self {
        part.find(&peers::folder()).expect("run tests/peers/install");
        let mut child = Command::new(peers::folder().join(name).join("run"))
            .args(arguments)
            .arg(folder)
            .stdin(Stdio::piped())
            .spawn()
            .expect("the script runs");
        Script { input: child.stdin.take().expect("piped"), child, folder: folder.to_owned() }
    }

    /// Waits until this address answers with a status of success.
    pub async fn ready(&self, url: &str) {
        let http = reqwest::Client::new();
        let limit = Instant::now() + Duration::from_secs(300);
        while !http.get(url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            assert!(Instant::now() < limit, "no answer; see {}/log", self.folder.display());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Sends the server a signal: `STOP` lets it hang, `CONT` lets it go on, `KILL` ends it at once.
    pub fn signal(&mut self, name: &str) {
        writeln!(self.input, "{name}").expect("the script reads");
    }

    /// Kills the server and waits for its end.
    pub fn kill(mut self) {
        self.signal("KILL");
        drop(self.input);
        self.child.wait().expect("an end");
    }
}

/// A new folder for the data of a server.
pub fn new_folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder); // of an earlier run
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Ports that nobody uses.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("bound").port())
}
