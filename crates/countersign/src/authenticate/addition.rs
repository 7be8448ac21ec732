//! Additions of a layer to the responses of requests that it accepted, and what it does when they are there.

use http::{HeaderValue, Response, StatusCode, header};

use super::websocket::answer_pair;
use crate::audit::TrailOwner;
use crate::response::DPOP_NONCE;

/// Additions to a response.
#[derive(Debug, Default)]
pub(super) struct Addition {
    /// The status with which a handshake that offers `bearer` and a token is accepted; `None` for any other request.
    pub(super) pair: Option<StatusCode>,
    /// The nonce for the next proof.
    pub(super) nonce: Option<Box<HeaderValue>>,
    /// A page of another origin may read the nonce only if the response says so.
    pub(super) is_cross_origin: bool,
    /// Writes the audit event.
    pub(super) audit: Option<TrailOwner>,
}

/// Request extension: the nonce for the caller's next proof.
#[derive(Clone)]
pub(super) struct NextNonce(pub(super) HeaderValue);

impl Addition {
    #[inline]
    pub(super) fn add_to<B>(&mut self, response: &mut Response<B>) {
        if let Some(accepted) = self.pair {
            answer_pair(response, accepted);
        }
        if let Some(nonce) = self.nonce.take() {
            let headers = response.headers_mut();
            headers.insert(DPOP_NONCE, *nonce);
            // A nonce is for one client (RFC 9449 §8.2).
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            if self.is_cross_origin {
                headers.append(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("dpop-nonce"));
            }
        }
        if let Some(audit) = self.audit.take() {
            audit.finish(response);
        }
    }
}
