//! Where a token may come from besides the `Authorization` header; each place is asked for, none is a default.

use countersign_core::error::ConfigError;
use http::{HeaderMap, HeaderValue, Method, Request, header};

/// The token in a cookie, for a browser that holds it where scripts cannot read it.
///
/// A browser sends cookies with requests that other sites cause. So on every method but `GET`, `HEAD`, `OPTIONS` and `TRACE`,
/// and on WebSocket handshakes, the request must come from the service's own origin by `Sec-Fetch-Site`, or from one that is
/// named here by `Origin`; else it is refused with 403. Handlers of `GET` must not change anything.
///
/// Set the cookie as `__Host-…; Secure; HttpOnly; SameSite=Lax; Path=/`, so that no other host can plant one.
///
/// ```
/// use countersign::authenticate::CookieToken;
/// use countersign::prelude::*;
///
/// # fn layer(verifier: Verifier) -> Result<AuthenticateLayer, countersign::error::ConfigError> {
/// let cookie = CookieToken::new("__Host-token")?.origins(["https://shop.example.com"])?;
/// Ok(AuthenticateLayer::new(verifier).cookie(cookie))
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct CookieToken {
    name: String,
    origins: Vec<String>,
}

impl CookieToken {
    /// In the cookie of this name.
    ///
    /// # Errors
    /// `ConfigError` on field `cookie` where it is no cookie's name (RFC 6265 §4.1.1).
    pub fn new(name: &str) -> Result<Self, ConfigError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(allowed) {
            return Err(ConfigError::new("cookie", "not the name of a cookie"));
        }
        Ok(CookieToken { name: name.to_owned(), origins: Vec::new() })
    }

    /// Takes it from pages of these origins too (`https://host`, as a browser writes `Origin`), and from browsers that send
    /// no `Sec-Fetch-Site`.
    ///
    /// # Errors
    /// `ConfigError` on field `origins` where one is not of the form `scheme://host[:port]`.
    pub fn origins(mut self, origins: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, ConfigError> {
        for origin in origins.into_iter().map(Into::into) {
            let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            if rest.is_none_or(|rest| rest.is_empty() || rest.contains(['/', '@', ' ', '*'])) {
                return Err(ConfigError::new("origins", "not of the form scheme://host or scheme://host:port"));
            }
            self.origins.push(origin.to_ascii_lowercase());
        }
        Ok(self)
    }

    /// The values of the cookie, in the order they came.
    pub(super) fn values<'r>(&self, headers: &'r HeaderMap) -> impl Iterator<Item = Option<&'r str>> {
        let pairs = headers.get_all(header::COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
        pairs.filter_map(move |pair| {
            let pair = pair.trim_ascii_start();
            let value = pair.strip_prefix(self.name.as_bytes())?.strip_prefix(b"=")?;
            Some(std::str::from_utf8(value.trim_ascii_end()).ok())
        })
    }

    /// Whether a request that brings the cookie was caused by a page that may cause it (S5.11).
    pub(super) fn may_cause<B>(&self, request: &Request<B>) -> bool {
        let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
        if is_safe && !is_websocket(request) {
            return true;
        }
        let headers = request.headers();
        let named = || {
            let origin = single(headers, header::ORIGIN.as_str()).and_then(|origin| origin.to_str().ok());
            origin.is_some_and(|origin| self.origins.iter().any(|known| origin.eq_ignore_ascii_case(known)))
        };
        match single(headers, "sec-fetch-site").map(HeaderValue::as_bytes) {
            Some(b"same-origin" | b"none") => true,
            _ => named(),
        }
    }
}

/// The places of a layer.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    pub(super) cookie: Option<CookieToken>,
    pub(super) websocket_protocol: bool,
    pub(super) query: bool,
}

impl Places {
    /// Whether any place but the header is looked into.
    pub(super) fn are_any(&self) -> bool {
        self.cookie.is_some() || self.websocket_protocol || self.query
    }
}

/// What a WebSocket subprotocol begins with that is a token.
const BEARER_PROTOCOL: &str = "bearer.";

/// The tokens among the subprotocols that a WebSocket handshake offers.
pub(super) fn protocol_tokens<B>(request: &Request<B>) -> impl Iterator<Item = &str> {
    let lines = is_websocket(request).then(|| request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL).iter());
    let offers = lines.into_iter().flatten().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    offers.filter_map(|offer| offer.trim().strip_prefix(BEARER_PROTOCOL))
}

/// Takes the tokens out of the subprotocols, so that no handler can choose one and send it back (S5.21).
pub(super) fn strip_protocol_tokens(headers: &mut HeaderMap) {
    let offers = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|line| line.to_str().ok());
    let kept: Vec<&str> = offers
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|offer| !offer.is_empty() && !offer.starts_with(BEARER_PROTOCOL))
        .collect();
    match HeaderValue::from_str(&kept.join(", ")) {
        Ok(value) if !kept.is_empty() => headers.insert(header::SEC_WEBSOCKET_PROTOCOL, value),
        _ => headers.remove(header::SEC_WEBSOCKET_PROTOCOL),
    };
}

/// The tokens in the query (RFC 6750 §2.3).
pub(super) fn query_tokens(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter_map(|pair| match pair.split_once('=') {
        Some(("access_token", value)) => Some(value),
        None if pair == "access_token" => Some(""),
        _ => None,
    })
}

/// The query without its tokens; `None` where nothing is left.
pub(super) fn without_tokens(query: &str) -> Option<String> {
    let kept: Vec<&str> = query.split('&').filter(|pair| pair.split('=').next() != Some("access_token")).collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}

fn is_websocket<B>(request: &Request<B>) -> bool {
    let upgrade = request.headers().get(header::UPGRADE);
    *request.method() == Method::CONNECT
        || upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// The one value of a header; none where there are several.
fn single<'r>(headers: &'r HeaderMap, name: &str) -> Option<&'r HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next()?;
    lines.next().is_none().then_some(line)
}
