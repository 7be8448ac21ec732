//! A response, read within bounds.

use std::time::Duration;

use bytes::Bytes;
use countersign_core::integration::safe_text;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::{Response, Url};

use super::failure::FetchFailure;
use super::freshness;

/// The longest validator that is kept, in bytes.
const MAX_ETAG_BYTES: usize = 256;

/// A whole response.
pub(crate) struct FetchedResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The address that responded.
    pub(crate) url: Url,
}

impl FetchedResponse {
    pub(super) async fn read(mut response: Response, max_bytes: usize) -> Result<Self, FetchFailure> {
        let declared = response.content_length().unwrap_or(0);
        if usize::try_from(declared).map_or(true, |declared| declared > max_bytes) {
            return Err(FetchFailure::TooLarge);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| FetchFailure::from_reqwest(&error))? {
            if body.len() + chunk.len() > max_bytes {
                return Err(FetchFailure::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let (status, url) = (response.status(), response.url().clone());
        Ok(FetchedResponse { status, headers: std::mem::take(response.headers_mut()), body: body.into(), url })
    }

    /// The failure for callers that expect another status.
    pub(crate) fn unexpected_status(&self) -> FetchFailure {
        match self.status.is_redirection() && self.status != StatusCode::NOT_MODIFIED {
            true => FetchFailure::Redirect(self.status, redirect_target(self.url.as_str(), &self.headers)),
            false => FetchFailure::Status(self.status, self.retry_after()),
        }
    }

    /// The validator, copied: a header value keeps the buffer of the whole head in memory.
    pub(crate) fn etag(&self) -> Option<HeaderValue> {
        let etag = self.headers.get(header::ETAG).filter(|etag| etag.len() <= MAX_ETAG_BYTES)?;
        HeaderValue::from_bytes(etag.as_bytes()).ok()
    }

    /// The pause that the response asks for, at most a minute.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        freshness::retry_after(&self.headers)
    }

    /// Returns whether a cache on the way gave the response and states that it is older than the request (RFC 9111 §5.1), or
    /// states something that cannot be read.
    pub(crate) fn is_from_cache(&self) -> bool {
        freshness::age(&self.headers).is_some_and(|age| age > 0)
    }

    /// The time since the origin gave the response, if a cache on the way states it.
    #[cfg(feature = "status-list")]
    pub(crate) fn age(&self) -> Duration {
        Duration::from_secs(freshness::age(&self.headers).unwrap_or(0))
    }

    /// The time that the response stays fresh, if it states that.
    pub(crate) fn fresh_for(&self) -> Option<Duration> {
        freshness::fresh_for(&self.headers)
    }
}

/// The scheme and host that the `Location` of a response from `url` leads to, safe to print.
///
/// ```
/// use countersign::integration::redirect_target;
/// use http::{HeaderMap, HeaderValue, header};
///
/// let headers = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_static("https://login.example.com/a?b=c"))]);
/// let target = redirect_target("https://id.example.com/keys", &headers);
/// assert_eq!(target.as_deref(), Some("https://login.example.com"));
/// ```
#[must_use]
pub fn redirect_target(url: &str, headers: &HeaderMap) -> Option<String> {
    let location = headers.get(header::LOCATION)?.to_str().ok()?;
    let origin = Url::parse(url).ok()?.join(location).ok()?.origin();
    origin.is_tuple().then(|| safe_text(&origin.ascii_serialization()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_15_only_an_answer_that_states_an_age_is_of_a_cache() {
        for (age, is_from_cache) in
            [(None, false), (Some("0"), false), (Some("1"), true), (Some(" 31536000 "), true), (Some("old"), true)]
        {
            let headers = age.map(|age| (header::AGE, http::HeaderValue::from_static(age)));
            let response = FetchedResponse {
                status: StatusCode::OK,
                headers: headers.into_iter().collect(),
                body: Bytes::new(),
                url: Url::parse("https://id.example/keys").expect("a URL"),
            };
            assert_eq!(response.is_from_cache(), is_from_cache, "{age:?}");
        }
    }
}
