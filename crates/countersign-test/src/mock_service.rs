//! A service that is called: it records which token came with which call, and so went where.

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
use tokio::task::JoinHandle;

/// A service on loopback that takes every call, for tests of outbound requests: bind tokens to its [`url`](Self::url), let the
/// app call, and look at [`requests`](Self::requests).
///
/// It checks no token: the app's callee would. Give it the answers that the app must cope with.
///
/// ```
/// use countersign_test::MockService;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let billing = MockService::start().await;
/// billing.respond_with(503, "try later"); // the next call; all others get 200 and {}
/// // … the app requests billing …
/// assert!(billing.requests().is_empty());
/// # });
/// ```
pub struct MockService {
    url: String,
    shared: Arc<Mutex<Shared>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    requests: Vec<RecordedRequest>,
    answers: std::collections::VecDeque<(StatusCode, HeaderMap, String)>,
}

/// A call as it came.
#[derive(Clone)]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// All headers; the token among them.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl MockService {
    /// Starts on a port that the system gives; stops when dropped.
    ///
    /// # Panics
    /// Where no port is to be had.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::<Mutex<Shared>>::default();
        let app = Router::new().fallback(record).with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.expect("serves") });
        MockService { url, shared, task }
    }

    /// Its origin, to bind tokens to.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Answers the next call so; may be said again for the ones after it.
    ///
    /// # Panics
    /// Where the status is none.
    pub fn respond_with(&self, status: u16, body: &str) {
        self.answer(status, HeaderMap::new(), body);
    }

    /// Refuses the token of the next call as a guarded service does: 401 with this error in a challenge.
    ///
    /// # Panics
    /// Where the error fits no header.
    pub fn refuse_token(&self, error: &str) {
        let mut headers = HeaderMap::new();
        let challenge = format!("Bearer realm=\"api\", error=\"{error}\"");
        headers.insert(header::WWW_AUTHENTICATE, challenge.parse().expect("a header's value"));
        self.answer(401, headers, "");
    }

    /// The requests so far, the first one first.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared().requests.clone()
    }

    fn answer(&self, status: u16, headers: HeaderMap, body: &str) {
        let status = StatusCode::from_u16(status).expect("a status");
        self.shared().answers.push_back((status, headers, body.to_owned()));
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecordedRequest {
    /// The bearer token that it came with.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
    }

    /// The claims of that token, unverified: whom it was made for (`aud`), for whom (`sub`), through whom (`act`).
    #[must_use]
    pub fn claims(&self) -> Option<Map<String, Value>> {
        let payload = URL_SAFE_NO_PAD.decode_to_vec(self.token()?.split('.').nth(1)?).ok()?;
        serde_json::from_slice(&payload).ok()
    }

    /// Whether it came with a token of this subject, made for this audience.
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
    let body = axum::body::to_bytes(body, 16 * 1024 * 1024).await.unwrap_or_default();
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    shared.requests.push(RecordedRequest { method: parts.method, uri: parts.uri, headers: parts.headers, body });
    shared.answers.pop_front().unwrap_or((StatusCode::OK, HeaderMap::new(), "{}".to_owned())).into_response()
}

impl Drop for MockService {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for MockService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockService").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Without the token: a test may run with one of real people.
impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedRequest").field("method", &self.method).field("uri", &self.uri).finish_non_exhaustive()
    }
}
