//! The pattern of the route of a request.

use std::borrow::Cow;

use http::Extensions;

/// Request extension: the pattern of the route, for services without axum's router. Events have it in place of the path.
///
/// A service inserts it before the layer, or between layer and guard. axum's router needs none.
///
/// ```
/// use countersign::audit::RoutePattern;
///
/// let mut request = http::Request::get("/orders/17").body(()).unwrap();
/// request.extensions_mut().insert(RoutePattern::new("/orders/{id}"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePattern(Cow<'static, str>);

impl RoutePattern {
    /// A pattern, which must hold nothing of the request's own path.
    pub fn new(pattern: impl Into<Cow<'static, str>>) -> Self {
        RoutePattern(pattern.into())
    }
}

/// The pattern of the route that was matched so far.
pub(super) fn pattern(extensions: &Extensions) -> Option<&str> {
    match extensions.get::<RoutePattern>() {
        Some(RoutePattern(pattern)) => Some(pattern),
        None => matched(extensions),
    }
}

#[cfg(feature = "axum")]
fn matched(extensions: &Extensions) -> Option<&str> {
    extensions.get::<axum::extract::MatchedPath>().map(axum::extract::MatchedPath::as_str)
}

#[cfg(not(feature = "axum"))]
fn matched(_: &Extensions) -> Option<&str> {
    None
}
