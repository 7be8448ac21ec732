//! The host of the bundle and of the status list, as any web server is one: with `ETag` and 304.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use tokio::net::TcpListener;

use crate::Result;

/// The name of its thread.
pub(crate) const THREAD: &str = "fleet-host";

/// What is published.
pub(crate) struct Document {
    content: Mutex<(Bytes, u64)>,
    kind: &'static str,
    counts: Arc<Counts>,
}

/// What was answered.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) requests: AtomicU64,
    pub(crate) unchanged: AtomicU64,
    /// Of bodies.
    pub(crate) bytes: AtomicU64,
}

pub(crate) struct Host {
    pub(crate) bundle: Arc<Document>,
    pub(crate) list: Arc<Document>,
    pub(crate) address: SocketAddr,
}

impl Document {
    fn new(kind: &'static str) -> Arc<Self> {
        Arc::new(Document { content: Mutex::default(), kind, counts: Arc::default() })
    }

    pub(crate) fn publish(&self, content: impl Into<Bytes>) {
        let mut current = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        *current = (content.into(), current.1 + 1);
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let (content, number) = self.content.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let etag = format!("\"{number}\"");
        self.counts.requests.fetch_add(1, Ordering::Relaxed);
        if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
            self.counts.unchanged.fetch_add(1, Ordering::Relaxed);
            return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
        }
        self.counts.bytes.fetch_add(content.len() as u64, Ordering::Relaxed);
        ([(header::ETAG, etag), (header::CONTENT_TYPE, self.kind.to_owned())], content).into_response()
    }
}

impl Host {
    pub(crate) fn start() -> Result<Self> {
        let (bundle, list) =
            (Document::new("application/policy-bundle+jwt"), Document::new("application/statuslist+jwt"));
        let document = |document: &Arc<Document>| {
            let answer =
                |State(document): State<Arc<Document>>, headers: HeaderMap| async move { document.answer(&headers) };
            get(answer).with_state(Arc::clone(document))
        };
        let router = Router::new().route("/orders.jws", document(&bundle)).route("/status-lists/0", document(&list));
        Ok(Host { bundle, list, address: serve(THREAD, router)? })
    }

    pub(crate) fn bundle_url(&self) -> String {
        format!("http://{}/orders.jws", self.address)
    }

    pub(crate) fn list_uri(&self) -> String {
        format!("http://{}/status-lists/0", self.address)
    }
}

/// Serves a router from a thread of its own, whose processor time can be told apart by its name.
pub(crate) fn serve(thread: &str, router: Router) -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(thread.to_owned()).spawn(move || {
        runtime.block_on(async {
            if let Ok(listener) = TcpListener::from_std(listener) {
                let _ = axum::serve(listener, router).await;
            }
        });
    })?;
    Ok(address)
}
