//! The service behind an edge. It records each request byte for byte, because a parser could hide what a client smuggled in.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Answers 200, or 101 to a WebSocket handshake, and closes.
pub struct Backend {
    pub address: String,
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Backend {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&seen)));
            }
        });
        Backend { address, heads, task }
    }

    /// The heads of the requests since the last call.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.heads.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, heads: Arc<Mutex<Vec<String>>>) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte).await {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let is_handshake = head.to_ascii_lowercase().contains("\r\nupgrade: websocket\r\n");
    heads.lock().unwrap_or_else(PoisonError::into_inner).push(head);
    let answer: &[u8] = match is_handshake {
        true => {
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
               Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        }
        false => b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\npassed",
    };
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
}

/// The values of a header that are not empty, by any case of its name.
pub fn values<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(": "));
    lines
        .filter(|(known, value)| known.eq_ignore_ascii_case(name) && !value.is_empty())
        .map(|(_, value)| value)
        .collect()
}

/// The values of all headers that a lenient server could take for this one: every line of its own counts, whatever ends it, and
/// signs in names are one.
pub fn lenient_values<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    let class = |name: &str| {
        let signs = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        name.chars().map(signs).collect::<String>().trim_end_matches("-bin").to_owned()
    };
    let lines = head.split(['\r', '\n']).filter_map(|line| line.split_once(':'));
    let values = lines.filter(|(known, _)| class(known) == name).map(|(_, value)| value.trim());
    values.filter(|value| !value.is_empty()).collect()
}

/// The address in the request line.
pub fn target(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}
