//! Documents that are sent as JSON.

use http::{HeaderValue, Method, header};
use reqwest::{Request, Url};

use super::{ConnectionSettings, FetchFailure, FetchedResponse, Reach, send_within};

/// Posts a JSON document, and reads a response of at most `max_bytes`.
pub(crate) async fn post_json(
    settings: &ConnectionSettings,
    url: Url,
    json: String,
    max_bytes: usize,
) -> Result<FetchedResponse, FetchFailure> {
    let mut request = Request::new(Method::POST, url);
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *request.body_mut() = Some(json.into());
    send_within(settings, Reach::Anywhere, request, max_bytes).await
}
