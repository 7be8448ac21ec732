//! A server that records what it is sent and answers what the test says.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }
}

type Answer = dyn Fn(usize, &Seen) -> Response + Send + Sync;

#[derive(Clone)]
pub struct Server {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    answer: Arc<Answer>,
}

impl Server {
    /// Answers the `n`th request, counted from 0, with `answer(n, request)`.
    pub async fn start(answer: impl Fn(usize, &Seen) -> Response + Send + Sync + 'static) -> Self {
        Self::listen().await.answer(answer)
    }

    /// Its address first, for servers whose answers name each other.
    pub async fn listen() -> Listening {
        Listening(tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port"))
    }

    /// A token service: tokens `token-0`, `token-1` and so on.
    pub async fn issuing() -> Self {
        Self::start(|n, _| granted(&format!("token-{n}"), 3600)).await
    }

    pub fn port(&self) -> u16 {
        self.url.rsplit(':').next().expect("a port").parse().expect("a number")
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("not poisoned").clone()
    }

    pub fn count(&self) -> usize {
        self.seen().len()
    }
}

/// A port that is taken, and no answers yet.
pub struct Listening(tokio::net::TcpListener);

impl Listening {
    pub fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("an address"))
    }

    pub fn answer(self, answer: impl Fn(usize, &Seen) -> Response + Send + Sync + 'static) -> Server {
        let server = Server { url: self.url(), seen: Arc::default(), answer: Arc::new(answer) };
        let app = Router::new().fallback(record).with_state(server.clone());
        tokio::spawn(async move { axum::serve(self.0, app).await });
        server
    }
}

pub fn granted(token: &str, expires_in: u64) -> Response {
    let body = serde_json::json!({
        "access_token": token, "token_type": "Bearer", "expires_in": expires_in,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
    });
    json(200, body.to_string())
}

pub fn json(status: u16, body: String) -> Response {
    (StatusCode::from_u16(status).expect("a status"), [("content-type", "application/json")], body).into_response()
}

pub fn unauthorized(challenge: &'static str) -> Response {
    (StatusCode::UNAUTHORIZED, [("www-authenticate", challenge)]).into_response()
}

async fn record(State(server): State<Server>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let seen = Seen { method, uri, headers, body: String::from_utf8_lossy(&body).into_owned() };
    let number = {
        let mut all = server.seen.lock().expect("not poisoned");
        all.push(seen.clone());
        all.len() - 1
    };
    (server.answer)(number, &seen)
}

/// Runs a test of this program, alone and behind a proxy of the environment, and asserts that it passes and the proxy sees nothing.
pub async fn assert_passes_by_a_proxy(test: &str) {
    let proxy = Server::start(|_, _| json(502, String::new())).await;
    let mut command = tokio::process::Command::new(std::env::current_exe().expect("this program"));
    command.args([test, "--exact"]);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(name, &proxy.url);
    }
    for name in ["NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    let output = command.output().await.expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!(proxy.count(), 0);
}
