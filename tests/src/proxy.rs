//! Proxies that nobody here wrote, each with a folder of its own, ended with the test.

#![allow(clippy::expect_used, reason = "a test helper tells a misuse by failing the test")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use crate::http::{Answer, read_answer};
use crate::parts::Part;
use crate::peers;
use crate::ports::free_port;

/// The host that clients know.
pub const HOST: &str = "shop.example.com";

/// A proxy, ended with its test.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    folder: PathBuf,
    /// The port on which clients reach it.
    pub port: u16,
}

impl Proxy {
    /// Starts the program of this part with the arguments that `set_up` makes of a folder and a free port.
    pub async fn start(part: Part, set_up: impl FnOnce(&Path, u16) -> Vec<String>) -> Self {
        let program = part.find(&peers::folder()).expect("run tests/peers/install");
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("cs-proxy-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let arguments = set_up(&folder, port);
        let log = std::fs::File::create(folder.join("log")).expect("a file");
        let mut command = Command::new(program);
        command.args(arguments).env("HOME", &folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().expect("it starts");
        let mut proxy = Proxy { child, folder: folder.clone(), port };
        let limit = Instant::now() + Duration::from_secs(60);
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(proxy.child.try_wait().expect("its state").is_none(), "it ended; see {}/log", folder.display());
            assert!(Instant::now() < limit, "no answer; see {}/log", folder.display());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        proxy
    }

    /// Sends these bytes and reads until the proxy closes.
    pub async fn send(&self, request: &str) -> Answer {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.expect("connects");
        stream.write_all(request.as_bytes()).await.expect("sends");
        read_answer(&mut stream).await
    }

    /// A request of this line and these header lines.
    pub async fn request(&self, line: &str, headers: &[&str]) -> Answer {
        let lines: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        self.send(&format!("{line} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{lines}\r\n")).await
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}
