//! A Redis server of the example's own.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::Result;

/// A server that saves nothing, on a socket in a folder of its own; it ends when this is dropped.
pub struct RedisServer {
    child: Child,
    folder: PathBuf,
}

impl RedisServer {
    /// Starts `redis-server`. `None` if it is not installed.
    pub async fn start() -> Result<Option<Self>> {
        let folder = std::env::temp_dir().join(format!("countersign-fleet-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--dir"]).arg(&folder);
        command.arg("--unixsocket").arg(folder.join("redis.sock"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                std::fs::remove_dir_all(&folder)?;
                return if error.kind() == ErrorKind::NotFound { Ok(None) } else { Err(error.into()) };
            }
        };
        let mut server = RedisServer { child, folder };
        let mut lines = BufReader::new(server.child.stdout.take().ok_or("no output")?).lines();
        while let Some(line) = lines.next_line().await? {
            if line.contains("Ready to accept connections") || line.contains("accept connections at") {
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} }); // it never blocks on a full pipe
                return Ok(Some(server));
            }
        }
        Err("redis-server ended".into())
    }

    pub fn url(&self) -> String {
        format!("unix://{}", self.folder.join("redis.sock").display())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
