//! The client's request, as the edge tells it.

use http::uri::Authority;
use http::{HeaderMap, HeaderName, Method};

/// The header of proofs of possession (RFC 9449 §4.1).
pub(crate) const DPOP: HeaderName = HeaderName::from_static("dpop");

/// The request of a client, of which an edge asks whether it may pass.
///
/// ```
/// use countersign_gateway::ClientRequest;
/// use http::{HeaderMap, Method};
///
/// let request = ClientRequest::new(Method::GET, "shop.example.com", "/orders?page=2", HeaderMap::new());
/// assert_eq!(request.target(), "/orders?page=2");
/// ```
#[derive(Clone, Debug)]
pub struct ClientRequest {
    pub(crate) method: Method,
    pub(crate) host: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
}

impl ClientRequest {
    /// The request with this method, host, path with query, and headers. A header `Host` among them is not read.
    pub fn new(method: Method, host: impl Into<String>, target: impl Into<String>, headers: HeaderMap) -> Self {
        ClientRequest { method, host: host.into(), target: target.into(), headers }
    }

    /// Path and query, as the client sent them.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }
}

/// Returns whether the text is host and port, without user information.
pub(crate) fn is_host(text: &str) -> bool {
    !text.contains('@') && text.parse::<Authority>().is_ok()
}
