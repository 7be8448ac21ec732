//! The client's request, as the edge tells it.

use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::octets::Octets;

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
    pub(crate) target: String,
    /// `Host` among them has the host. It is missing if the host is no value of a header.
    pub(crate) headers: HeaderMap,
}

impl ClientRequest {
    /// The request with this method, host, path with query, and headers. A header `Host` among them is not read.
    pub fn new(method: Method, host: impl Into<String>, target: impl Into<String>, headers: HeaderMap) -> Self {
        Self::of_host(method, HeaderValue::try_from(host.into()).ok(), target.into(), headers)
    }

    /// The request for this host, which is in the header `Host` from now on.
    pub(crate) fn of_host(method: Method, host: Option<HeaderValue>, target: String, mut headers: HeaderMap) -> Self {
        match host {
            Some(host) => headers.insert(header::HOST, host),
            None => headers.remove(header::HOST),
        };
        ClientRequest { method, target, headers }
    }

    /// Path and query, as the client sent them.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }
}

/// The bytes of host names.
static IN_NAMES: Octets = Octets::alphanumeric_and(b"-.");

/// Returns whether the value is host and port, without user information.
pub(crate) fn is_host(value: &HeaderValue) -> bool {
    let text = value.as_bytes();
    let is_name = |byte: &u8| IN_NAMES.contains(*byte);
    // Names without a port need no parser, which allocates.
    (!text.is_empty() && text.iter().all(is_name)) || (!text.contains(&b'@') && Authority::try_from(text).is_ok())
}
