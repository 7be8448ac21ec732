//! A token in a cookie, with protection against cross-site requests.

use countersign_core::error::Fault;
use http::{HeaderMap, HeaderValue, Method, Request, header};

use super::websocket::is_websocket;

/// Reads the token from a cookie, for a browser that stores it out of reach of scripts.
///
/// A browser also sends cookies with requests that other sites cause. So on every method but `GET`, `HEAD`, `OPTIONS` and
/// `TRACE`, and on WebSocket handshakes, the request must come from the service's own origin (`Sec-Fetch-Site`) or from one
/// of the [`origins`](Self::origins) (`Origin`). Any other is refused with 403. Handlers of `GET` must not change anything.
///
/// Set the cookie as `__Host-…; Secure; HttpOnly; SameSite=Lax; Path=/`, so that no other host can plant one.
///
/// A wrong name or origin is reported by [`build`](super::AuthenticateLayerBuilder::build).
///
/// ```
/// use countersign::authenticate::CookieToken;
/// use countersign::error::ConfigError;
/// use countersign::prelude::*;
///
/// fn layer(verifier: Verifier) -> Result<AuthenticateLayer, ConfigError> {
///     let cookie = CookieToken::new("__Host-token").origins(["https://shop.example.com"]);
///     AuthenticateLayer::builder(verifier).cookie(cookie).build()
/// }
/// # let _ = layer;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct CookieToken {
    name: String,
    origins: Vec<String>,
}

impl CookieToken {
    /// Reads the cookie of this name (RFC 6265 §4.1.1).
    pub fn new(name: impl Into<String>) -> Self {
        CookieToken { name: name.into(), origins: Vec::new() }
    }

    /// Allows pages of these origins too, written as a browser writes `Origin`: `https://host` or `https://host:port`.
    /// Default: none.
    ///
    /// It also allows them from browsers that send no `Sec-Fetch-Site`.
    pub fn origins(mut self, origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.origins = origins.into_iter().map(|origin| origin.into().to_ascii_lowercase()).collect();
        self
    }

    /// The faults in name and origins.
    pub(super) fn faults(&self) -> impl Iterator<Item = Fault> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let is_name = !self.name.is_empty() && self.name.bytes().all(allowed);
        let name = (!is_name).then(|| Fault::new("cookie", "not a cookie name; use letters, digits, - and _"));
        name.into_iter().chain(origin_faults(&self.origins))
    }

    /// The values of the cookie, in the order of the request; `None` for one that is not UTF-8, or whose name is escaped:
    /// some handlers decode names, and browsers guard the prefix `__Host-` only as it is.
    pub(super) fn values<'r>(&self, headers: &'r HeaderMap) -> impl Iterator<Item = Option<&'r str>> {
        let pairs = headers.get_all(header::COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
        pairs.filter_map(move |pair| {
            let end = pair.iter().position(|byte| *byte == b'=')?;
            let (name, value) = pair.split_at(end);
            // Handlers that parse cookies trim both too, so that they see the same ones.
            let name = name.trim_ascii();
            if name == self.name.as_bytes() {
                return Some(std::str::from_utf8(value[1..].trim_ascii()).ok()); // value starts with =
            }
            let is_escaped = name.contains(&b'%') && form_urlencoded::parse(name).any(|(name, _)| name == self.name);
            is_escaped.then_some(None)
        })
    }

    /// Returns whether the page that caused the request may use the cookie.
    pub(super) fn allows<B>(&self, request: &Request<B>) -> bool {
        let headers = request.headers();
        is_safe(request) || is_same_origin(headers) || is_listed_origin(headers, &self.origins)
    }
}

/// Returns whether the request changes nothing by its method, and is no handshake.
pub(super) fn is_safe<B>(request: &Request<B>) -> bool {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
    is_safe && !is_websocket(request)
}

/// Returns whether the browser says that a page of the service, or the user, caused the request.
pub(super) fn is_same_origin(headers: &HeaderMap) -> bool {
    matches!(single(headers, "sec-fetch-site").map(HeaderValue::as_bytes), Some(b"same-origin" | b"none"))
}

/// Returns whether a page of one of these origins caused the request.
pub(super) fn is_listed_origin(headers: &HeaderMap, origins: &[String]) -> bool {
    let origin = single(headers, header::ORIGIN.as_str()).and_then(|origin| origin.to_str().ok());
    origin.is_some_and(|origin| origins.iter().any(|allowed| origin.eq_ignore_ascii_case(allowed)))
}

/// The faults in origins.
pub(super) fn origin_faults(origins: &[String]) -> impl Iterator<Item = Fault> {
    let faulty = origins.iter().filter(|origin| !is_origin(origin));
    faulty.map(|_| Fault::new("origins", "not an origin; write scheme://host or scheme://host:port"))
}

fn is_origin(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '@', ' ', '*']))
}

/// The value of a header that occurs exactly once.
fn single<'r>(headers: &'r HeaderMap, name: &str) -> Option<&'r HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next()?;
    lines.next().is_none().then_some(line)
}
