//! A mock of a called service, which records the requests and their tokens.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use tokio::net::TcpListener;

use crate::server::Server;

/// The most bytes of recorded requests. Further requests are refused.
const MAX_RECORDED_BYTES: usize = 64 * 1024 * 1024;

/// The memory of a header beside its text, about.
const HEADER_BYTES: usize = 128;

/// A mock service on loopback, for tests of outbound calls.
///
/// Bind tokens to its [`url`](Self::url), let the app call it, and inspect [`requests`](Self::requests). It does not check
/// tokens; queue the responses that the app must handle. It records up to 64 MiB and answers further requests with 507; a
/// request has a head of 64 KiB and a body of 16 MiB at most, and 30 s for each.
///
/// ```
/// use countersign_test::MockService;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let billing = MockService::start().await;
/// billing.respond_with(503, "try later"); // to the next request; all others get 200 and {}
/// // … the app calls billing …
/// assert!(billing.requests().is_empty());
/// # });
/// ```
pub struct MockService {
    url: String,
    shared: Arc<Mutex<Shared>>,
    _server: Server,
}

#[derive(Default)]
struct Shared {
    requests: Vec<RecordedRequest>,
    recorded_bytes: usize,
    responses: std::collections::VecDeque<(StatusCode, HeaderMap, String)>,
}

/// A recorded request.
///
/// The example is at [`MockService`].
#[derive(Clone)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// All headers, including the token.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl MockService {
    /// Starts on a free port. Port and connections close when it is dropped.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::<Mutex<Shared>>::default();
        let app = Router::new().fallback(record).with_state(Arc::clone(&shared));
        MockService { url, shared, _server: Server::start(listener, |_| app) }
    }

    /// The service's origin, to bind tokens to.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Queues a response: the next request without one gets it.
    ///
    /// # Panics
    /// If the status is not one of HTTP.
    pub fn respond_with(&self, status: u16, body: impl Into<String>) {
        self.queue(status, HeaderMap::new(), body.into());
    }

    /// Queues the refusal of a token, as a guarded service sends it: 401 with this error in a challenge.
    ///
    /// # Panics
    /// If the error does not fit into a header.
    pub fn refuse_token(&self, error: &str) {
        let mut headers = HeaderMap::new();
        let challenge = format!("Bearer realm=\"api\", error=\"{error}\"");
        headers.insert(header::WWW_AUTHENTICATE, challenge.parse().expect("a header's value"));
        self.queue(401, headers, String::new());
    }

    /// The requests so far, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared().requests.clone()
    }

    fn queue(&self, status: u16, headers: HeaderMap, body: String) {
        let status = StatusCode::from_u16(status).expect("a status");
        self.shared().responses.push_back((status, headers, body));
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecordedRequest {
    /// The bearer token of the request.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
    }

    /// The claims of the token, unverified: its audience (`aud`), subject (`sub`), actor (`act`) and so on.
    #[must_use]
    pub fn claims(&self) -> Option<Map<String, Value>> {
        let payload = URL_SAFE_NO_PAD.decode_to_vec(self.token()?.split('.').nth(1)?).ok()?;
        serde_json::from_slice(&payload).ok()
    }

    /// Returns whether the request carries a token of this subject for this audience.
    #[must_use]
    pub fn has_token_for(&self, subject: &str, audience: &str) -> bool {
        self.claims().is_some_and(|claims| {
            let is_for = |value: &Value| match value {
                Value::Array(all) => all.iter().any(|one| one == audience),
                one => one == audience,
            };
            claims.get("sub").is_some_and(|sub| sub == subject) && claims.get("aud").is_some_and(is_for)
        })
    }
}

async fn record(State(shared): State<Arc<Mutex<Shared>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_RECORDED_BYTES).await.unwrap_or_default(); // the server has read it
    let names = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER_BYTES);
    let bytes = body.len() + parts.uri.path().len() + parts.uri.query().map_or(0, str::len) + names.sum::<usize>();
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    if shared.recorded_bytes + bytes > MAX_RECORDED_BYTES {
        return StatusCode::INSUFFICIENT_STORAGE.into_response();
    }
    shared.recorded_bytes += bytes;
    shared.requests.push(RecordedRequest { method: parts.method, uri: parts.uri, headers: parts.headers, body });
    shared.responses.pop_front().unwrap_or((StatusCode::OK, HeaderMap::new(), "{}".to_owned())).into_response()
}

impl fmt::Debug for MockService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockService").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Hides the token: a test may use one of a real person.
impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedRequest").field("method", &self.method).field("uri", &self.uri).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn open(service: &MockService) -> TcpStream {
        TcpStream::connect(service.url().trim_start_matches("http://")).await.expect("open")
    }

    #[tokio::test]
    async fn its_connections_close_when_it_is_dropped() {
        let service = MockService::start().await;
        let (mut idle, mut halfway) = (open(&service).await, open(&service).await);
        idle.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.expect("sent");
        idle.read_exact(&mut [0; 12]).await.expect("a response");
        halfway.write_all(b"GET / HTTP/1.1\r\nho").await.expect("sent");
        drop(service);
        for mut stream in [idle, halfway] {
            let mut rest = Vec::new();
            let closed = tokio::time::timeout(std::time::Duration::from_secs(5), stream.read_to_end(&mut rest));
            let _ = closed.await.expect("closed in time"); // in order, or by a reset
        }
    }

    #[tokio::test]
    async fn what_it_records_is_bounded() {
        let service = MockService::start().await;
        let mut statuses = Vec::new();
        for _ in 0..6 {
            let mut stream = open(&service).await;
            let body = vec![b'x'; 15 * 1024 * 1024];
            let head =
                format!("POST / HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await.expect("sent");
            stream.write_all(&body).await.expect("sent");
            let mut response = String::new();
            stream.read_to_string(&mut response).await.expect("a response");
            statuses.push(response[9..12].to_owned());
        }
        assert_eq!(statuses, ["200", "200", "200", "200", "507", "507"]);
        assert_eq!(service.requests().len(), 4);
        let mut stream = open(&service).await;
        stream.write_all(b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 99999999\r\n\r\n").await.expect("sent");
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.expect("a response");
        assert!(status.ends_with(b"413"));
    }
}
