//! A response, read within bounds.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use reqwest::Response;

use super::failure::FetchFailure;
use super::freshness;

/// A whole response.
pub(crate) struct FetchedResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
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
        let status = response.status();
        Ok(FetchedResponse { status, headers: std::mem::take(response.headers_mut()), body: body.into() })
    }

    /// The failure for callers that expect another status.
    pub(crate) fn unexpected_status(&self) -> FetchFailure {
        FetchFailure::Status(self.status, self.retry_after())
    }

    /// The pause that the response asks for, at most a minute.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        freshness::retry_after(&self.headers)
    }

    /// The time that the response stays fresh, if it states that.
    pub(crate) fn fresh_for(&self) -> Option<Duration> {
        freshness::fresh_for(&self.headers)
    }
}
