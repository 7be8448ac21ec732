//! A token in a header of a proxy.

use countersign_core::error::Fault;
use http::{HeaderMap, HeaderName, Request, header};

use super::cookie::{is_listed_origin, is_safe, is_same_origin, origin_faults};
use super::scheme::after_scheme;

/// Reads the token from a header of this name too, with or without `Bearer` before it: for a proxy that authenticates users
/// and passes their token on.
///
/// Such a proxy may know users by a cookie, which browsers also send with requests that other sites cause. So a browser's request
/// on every method but `GET`, `HEAD`, `OPTIONS` and `TRACE`, and its WebSocket handshake, must come from the service's own
/// origin (`Sec-Fetch-Site`) or from one of the [`origins`](Self::origins). Any other is refused with 403. Requests with neither
/// `Sec-Fetch-Site` nor `Origin` are not a browser's.
///
/// A wrong name or origin is reported by [`build`](super::AuthenticateLayerBuilder::build).
///
/// ```
/// use countersign::authenticate::HeaderToken;
/// use countersign::error::ConfigError;
/// use countersign::prelude::*;
///
/// fn layer(verifier: Verifier) -> Result<AuthenticateLayer, ConfigError> {
///     let header = HeaderToken::new("cf-access-jwt-assertion").origins(["https://shop.example.com"]);
///     AuthenticateLayer::builder(verifier).header(header).build()
/// }
/// # let _ = layer;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct HeaderToken {
    /// `None` if it is no name for this.
    name: Option<HeaderName>,
    origins: Vec<String>,
}

/// Headers with a meaning of their own.
pub(super) static RESERVED: [HeaderName; 9] = [
    header::AUTHORIZATION,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::HOST,
    header::ORIGIN,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::UPGRADE,
];

impl HeaderToken {
    /// Reads the header of this name, such as `cf-access-jwt-assertion` or `x-goog-iap-jwt-assertion`.
    pub fn new(name: impl AsRef<str>) -> Self {
        let name = HeaderName::from_bytes(name.as_ref().as_bytes()).ok();
        HeaderToken { name: name.filter(|name| !RESERVED.contains(name)), origins: Vec::new() }
    }

    /// Allows pages of these origins too, written as a browser writes `Origin`: `https://host` or `https://host:port`.
    /// Default: none.
    pub fn origins(mut self, origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.origins = origins.into_iter().map(|origin| origin.into().to_ascii_lowercase()).collect();
        self
    }

    /// Returns whether this is the header.
    pub(super) fn is_named(&self, name: &HeaderName) -> bool {
        self.name.as_ref() == Some(name)
    }

    /// The faults in name and origins.
    pub(super) fn faults(&self) -> impl Iterator<Item = Fault> {
        let problem = "not a header for a token; write its name, such as cf-access-jwt-assertion";
        let name = self.name.is_none().then(|| Fault::new("header", problem));
        name.into_iter().chain(origin_faults(&self.origins))
    }

    /// The tokens in the header, one for each line that is not empty; `None` for one that is not UTF-8.
    pub(super) fn values<'r>(&self, headers: &'r HeaderMap) -> impl Iterator<Item = Option<&'r str>> {
        let lines = self.name.iter().flat_map(|name| headers.get_all(name)).filter(|line| !line.is_empty());
        lines.map(|line| {
            simdutf8::basic::from_utf8(line.as_bytes()).ok().map(|line| after_scheme(line, "bearer").unwrap_or(line))
        })
    }

    /// Marks the token sensitive: `Debug` of headers does not show it then.
    pub(super) fn hide(&self, headers: &mut HeaderMap) {
        if let Some(name) = &self.name
            && let header::Entry::Occupied(mut lines) = headers.entry(name)
        {
            lines.iter_mut().for_each(|line| line.set_sensitive(true));
        }
    }

    /// Returns whether the page that caused the request, if one did, may use the header.
    pub(super) fn allows<B>(&self, request: &Request<B>) -> bool {
        let headers = request.headers();
        let is_browsers = headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN);
        is_safe(request) || !is_browsers || is_same_origin(headers) || is_listed_origin(headers, &self.origins)
    }
}

/// A header that allows no pages of other origins.
impl From<&str> for HeaderToken {
    fn from(name: &str) -> Self {
        HeaderToken::new(name)
    }
}
