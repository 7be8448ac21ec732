//! A primary with a replica, and sentinels that know both.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::ports::free_port;
use crate::redis::{Daemon, RedisServer, cli};

/// The name of the primary.
pub const PRIMARY: &str = "orders-primary";

/// How long anybody waits for the servers and the sentinels to agree.
const AT_MOST: Duration = Duration::from_secs(60);

/// The settings of each sentinel beside its port, for these servers.
#[derive(Clone, Debug, Default)]
pub struct SentinelSettings {
    /// The port of the primary on loopback.
    pub primary: u16,
    /// The sentinels that must agree that it is down.
    pub quorum: usize,
    /// Further lines.
    pub lines: Vec<String>,
    /// True if the port takes TLS only.
    pub is_tls: bool,
}

/// A sentinel on a port of loopback.
#[derive(Debug)]
pub struct Sentinel {
    port: u16,
    folder: PathBuf,
    _daemon: Daemon,
}

impl Sentinel {
    /// Starts one.
    pub fn start(settings: &SentinelSettings) -> Self {
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("cs-sentinel-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let ports = if settings.is_tls { format!("port 0\ntls-port {port}") } else { format!("port {port}") };
        let mut lines = vec![
            ports,
            "bind 127.0.0.1".to_owned(),
            format!("dir {}", folder.display()),
            format!("unixsocket {}", folder.join("sentinel.sock").display()),
            format!("sentinel monitor {PRIMARY} 127.0.0.1 {} {}", settings.primary, settings.quorum),
            format!("sentinel down-after-milliseconds {PRIMARY} 500"),
            format!("sentinel failover-timeout {PRIMARY} 5000"),
        ];
        lines.extend(settings.lines.iter().cloned());
        let file = folder.join("sentinel.conf");
        std::fs::write(&file, lines.join("\n")).expect("written");
        let arguments = [file.display().to_string(), "--sentinel".to_owned()];
        Sentinel { port, _daemon: Daemon::start(&arguments, "+monitor"), folder }
    }

    /// Its URL, with plain TCP.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The answer of `redis-cli` to this command.
    pub fn run(&self, command: &[&str]) -> String {
        cli(&["-s", &self.folder.join("sentinel.sock").to_string_lossy()], command)
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A primary, a replica, and three sentinels that agree about both.
#[derive(Debug)]
pub struct Sentinels {
    sentinels: Vec<Sentinel>,
    /// The primary at the start.
    pub primary: RedisServer,
    /// The replica at the start.
    pub replica: RedisServer,
}

impl Sentinels {
    /// Starts all of them.
    pub fn start() -> Self {
        let (port, of_replica) = (free_port(), free_port().to_string());
        let primary = RedisServer::with(&["--port", &port.to_string(), "--repl-diskless-sync-delay", "0"]);
        let replica = RedisServer::with(&["--port", &of_replica, "--replicaof", "127.0.0.1", &port.to_string()]);
        wait("no replication", || replica.run(&["INFO", "replication"]).contains("master_link_status:up"));
        let settings = SentinelSettings { primary: port, quorum: 2, ..SentinelSettings::default() };
        let sentinels: Vec<_> = (0..3).map(|_| Sentinel::start(&settings)).collect();
        let all = Sentinels { sentinels, primary, replica };
        let knows = |sentinel: &Sentinel| {
            let state = sentinel.run(&["INFO", "sentinel"]);
            state.contains("status=ok") && state.contains("slaves=1,sentinels=3")
        };
        wait("the sentinels do not know each other", || all.sentinels.iter().all(knows));
        all
    }

    /// The URLs of the sentinels.
    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(Sentinel::url).collect()
    }

    /// Waits until the replica is the primary.
    pub fn wait_for_failover(&self) {
        wait("no fail-over", || self.replica.run(&["INFO", "replication"]).contains("role:master"));
    }
}

fn wait(problem: &str, is_done: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_done() {
        assert!(start.elapsed() < AT_MOST, "{problem}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
