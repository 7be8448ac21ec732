//! The decision about a request.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response};

/// The decision about a client's request.
#[derive(Debug)]
#[non_exhaustive]
pub enum EdgeDecision {
    /// The request may pass, with these changes.
    Allowed(RequestChanges),
    /// The client gets this response, and the service behind gets nothing.
    Refused(Response<Bytes>),
}

/// The changes with which a request may pass.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RequestChanges {
    /// The headers to set, in place of all that the client sent by these names.
    pub set: HeaderMap,
    /// The headers to remove. None of them is in `set`.
    pub remove: Vec<HeaderName>,
    /// The headers to add to the response for the client, such as the nonce for its next proof.
    pub answer: HeaderMap,
}

impl EdgeDecision {
    /// Returns whether the request may pass.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self, EdgeDecision::Allowed(_))
    }
}
