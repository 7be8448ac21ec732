//! Redis servers of one's own, each with a folder of its own, ended with the test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::parts::Part;
use crate::peers;

/// The environment variable with a server to use in place of `redis-server`, such as that of Valkey.
pub const OTHER_SERVER: &str = "REDIS_SERVER";

/// A server that saves nothing, on a socket in its folder.
#[derive(Debug)]
pub struct RedisServer {
    child: Child,
    folder: PathBuf,
    arguments: Vec<String>,
}

impl RedisServer {
    /// Starts one.
    pub fn start() -> Self {
        Self::with(&["--port", "0"])
    }

    /// Starts one with these settings too, in the form of `redis-server`.
    pub fn with(settings: &[impl ToString]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("cs-redis-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let arguments: Vec<String> = settings.iter().map(ToString::to_string).collect();
        RedisServer { child: serve(&folder, &arguments), folder, arguments }
    }

    /// The URL of its socket.
    pub fn url(&self) -> String {
        format!("unix://{}", socket(&self.folder).display())
    }

    /// Ends it at once, as a crash does. Its data are lost.
    pub fn kill(&mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("an end");
    }

    /// Starts it again after [`Self::kill`].
    pub fn start_again(&mut self) {
        self.child = serve(&self.folder, &self.arguments);
    }

    /// Suspends it: its sockets stay open, and nothing answers.
    pub fn suspend(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success(), "{signal}");
    }

    /// The answer of `redis-cli` to this command.
    pub fn run(&self, command: &[&str]) -> String {
        cli(&["-s", &socket(&self.folder).to_string_lossy()], command)
    }

    /// Changes its note of since when it remembers, as if it had run for long with the data that it has.
    pub fn remember_since_long_ago(&self, key: &str) {
        let script = "local id = redis.call('INFO', 'replication'):match('master_replid:(%w+)') \
                      return redis.call('SET', KEYS[1], id .. ' 1000 ' .. redis.call('TIME')[1])";
        assert_eq!(self.run(&["EVAL", script, "1", key]).trim(), "OK");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The answer of `redis-cli` to this command, at the server that these arguments name.
pub fn cli(place: &[&str], command: &[&str]) -> String {
    let output = Command::new("redis-cli").args(place).args(command).output().expect("redis-cli runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("redis.sock")
}

fn serve(folder: &Path, settings: &[String]) -> Child {
    let mut arguments: Vec<String> =
        ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"].map(str::to_owned).into();
    arguments.extend(["--dir".to_owned(), folder.display().to_string()]);
    arguments.extend(["--unixsocket".to_owned(), socket(folder).display().to_string()]);
    arguments.extend(settings.iter().cloned());
    start(&arguments, "ccept connections")
}

/// A process of the server's program, ended when it is dropped.
#[derive(Debug)]
pub(crate) struct Daemon(Child);

impl Daemon {
    /// Starts it, and waits for a line with this text.
    pub(crate) fn start(arguments: &[String], ready: &str) -> Self {
        Daemon(start(arguments, ready))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(arguments: &[String], ready: &str) -> Child {
    let other = std::env::var_os(OTHER_SERVER).map(PathBuf::from);
    let program = other.or_else(|| Part::Redis.find(&peers::folder()));
    let program = program.expect("Redis is missing; run tests/peers/install");
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let mut log = String::new();
    loop {
        let line = lines.next().unwrap_or_else(|| panic!("redis-server ended: {log}"));
        if line.contains(ready) {
            break;
        }
        log.push_str(&line);
        log.push('\n');
    }
    std::thread::spawn(move || lines.for_each(drop)); // so that it never blocks on a full pipe
    child
}
