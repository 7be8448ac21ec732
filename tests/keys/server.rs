//! A hand-written HTTP server that can also break the protocol.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The reaction to a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Sends these bytes and closes.
    Bytes(Vec<u8>),
    /// Sends one byte per second.
    Trickle(Vec<u8>),
    /// Never responds.
    Hang,
}

/// A complete response with this body.
pub fn answer(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Reply {
    let body = body.as_ref();
    let mut text = format!("HTTP/1.1 {status} Whatever\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut bytes = format!("{text}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    Reply::Bytes(bytes)
}

pub fn ok(body: impl AsRef<[u8]>) -> Reply {
    answer(200, &[("content-type", "application/json")], body)
}

type Script = dyn Fn(usize, &str) -> Reply + Send + Sync;

pub struct Server {
    pub url: String,
    script: Mutex<Arc<Script>>,
    heads: Mutex<Vec<String>>,
    count: AtomicUsize,
}

impl Server {
    /// Responds to request number `n`, counted from 0, for `path` with `script(n, path)`.
    pub async fn start(script: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let script: Arc<Script> = Arc::new(script);
        let server = Server { url, script: Mutex::new(script), heads: Mutex::default(), count: AtomicUsize::new(0) };
        let server = Arc::new(server);
        let serving = Arc::clone(&server);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).serve(stream));
            }
        });
        server
    }

    /// Replaces the script; `n` continues to count.
    pub fn now(&self, script: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) {
        *self.script.lock().expect("not poisoned") = Arc::new(script);
    }

    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Waits until `count` requests have arrived.
    pub async fn asked(&self, count: usize) {
        crate::world::until("a request", || self.count() >= count).await;
    }

    /// The head of each request, as it arrived, in lower case.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("not poisoned").clone()
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let number = {
            let mut heads = self.heads.lock().expect("not poisoned");
            heads.push(head.to_ascii_lowercase());
            heads.len() - 1
        };
        let script = Arc::clone(&self.script.lock().expect("not poisoned"));
        let reply = script(number, &path);
        self.count.store(number + 1, Ordering::SeqCst);
        match reply {
            Reply::Bytes(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                let _ = stream.read(&mut [0]).await; // until the client has read everything and closes
            }
            Reply::Trickle(bytes) => {
                for byte in bytes {
                    if stream.write_all(&[byte]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            Reply::Hang => {
                let _ = stream.read(&mut [0]).await; // until the client gives up
            }
        }
    }
}
