//! Documents that are fetched again only if they changed (RFC 9110 §13.1.2).

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use reqwest::{Request, Url};

use super::{ConnectionSettings, FetchFailure, Reach, send_within};

/// A document, and the validator for the next request.
pub(crate) struct Document {
    pub(crate) body: Bytes,
    pub(crate) etag: Option<HeaderValue>,
}

/// Fetches a document of at most `max_bytes`; `None` if it is still that of `known`.
pub(crate) async fn get_if_changed(
    settings: &ConnectionSettings,
    url: Url,
    known: Option<&HeaderValue>,
    max_bytes: usize,
) -> Result<Option<Document>, FetchFailure> {
    let mut request = Request::new(Method::GET, url);
    if let Some(etag) = known {
        request.headers_mut().insert(header::IF_NONE_MATCH, etag.clone());
    }
    let response = send_within(settings, Reach::Anywhere, request, max_bytes).await?;
    match response.status {
        StatusCode::NOT_MODIFIED if known.is_some() => Ok(None),
        StatusCode::OK => Ok(Some(Document { etag: response.etag(), body: response.body })),
        _ => Err(response.unexpected_status()),
    }
}
