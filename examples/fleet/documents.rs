//! The host of the bundles. Any server of static files would do: it is trusted with nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::Result;
use crate::server::Server;

#[derive(Default)]
struct Documents {
    /// By path, with the `ETag`.
    by_path: Mutex<HashMap<String, (String, String)>>,
    versions: AtomicU64,
    not_modified: AtomicU64,
}

/// The running host.
pub struct DocumentHost {
    server: Server,
    documents: Arc<Documents>,
}

impl DocumentHost {
    pub async fn start() -> Result<Self> {
        let documents = Arc::new(Documents::default());
        let router = Router::new().fallback(get).with_state(Arc::clone(&documents));
        Ok(DocumentHost { server: Server::on_free_port(router).await?, documents })
    }

    pub fn url(&self) -> &str {
        &self.server.url
    }

    /// Puts a document at a path such as `/orders.jws`, in place of the one before.
    pub fn put(&self, path: &str, document: String) {
        let version = self.documents.versions.fetch_add(1, Ordering::Relaxed);
        let mut by_path = self.documents.by_path.lock().unwrap_or_else(PoisonError::into_inner);
        by_path.insert(path.to_owned(), (format!("\"{version}\""), document));
    }

    /// The number of requests that were answered with 304 Not Modified.
    pub fn not_modified(&self) -> u64 {
        self.documents.not_modified.load(Ordering::Relaxed)
    }
}

async fn get(State(documents): State<Arc<Documents>>, uri: Uri, headers: HeaderMap) -> Response {
    let found = documents.by_path.lock().unwrap_or_else(PoisonError::into_inner).get(uri.path()).cloned();
    let Some((etag, document)) = found else { return StatusCode::NOT_FOUND.into_response() };
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == etag.as_str()) {
        documents.not_modified.fetch_add(1, Ordering::Relaxed);
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
    }
    ([(header::ETAG, etag), (header::CONTENT_TYPE, "application/jose".to_owned())], document).into_response()
}
