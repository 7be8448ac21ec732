//! Paths that need no token, and CORS preflights.

use http::{Method, Request, Uri, header};

/// The public paths of a layer: raw, exact and undecoded, so that router and layer cannot disagree.
#[derive(Clone, Debug)]
pub(super) enum PublicPaths {
    /// Only these.
    Listed(Vec<String>),
    /// All, if a router's own match chose the layer.
    #[cfg_attr(not(feature = "axum"), allow(dead_code, reason = "only apps of axum choose a layer by route"))]
    All,
}

impl PublicPaths {
    pub(super) fn add(&mut self, paths: impl IntoIterator<Item = impl Into<String>>) {
        if let PublicPaths::Listed(listed) = self {
            listed.extend(paths.into_iter().map(Into::into));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, PublicPaths::Listed(listed) if listed.is_empty())
    }

    pub(super) fn contains(&self, path: Option<&str>) -> bool {
        match self {
            PublicPaths::Listed(listed) => path.is_some_and(|path| listed.iter().any(|public| public == path)),
            PublicPaths::All => true,
        }
    }

    /// The listed paths, in their order.
    #[cfg(feature = "axum")]
    pub(super) fn listed(&self) -> impl Iterator<Item = &str> {
        match self {
            PublicPaths::Listed(listed) => listed.as_slice(),
            PublicPaths::All => &[],
        }
        .iter()
        .map(String::as_str)
    }
}

impl Default for PublicPaths {
    fn default() -> Self {
        PublicPaths::Listed(Vec::new())
    }
}

/// The address that the client requested: nested routers of axum remove their prefixes from the address of the request.
///
/// `None` if something between the routers rewrote it, so that the two do not belong together.
#[cfg(feature = "axum")]
pub(super) fn requested_uri<B>(request: &Request<B>) -> Option<&Uri> {
    use axum::extract::{NestedPath, OriginalUri};

    let left = request.uri();
    if request.extensions().get::<NestedPath>().is_none() {
        return Some(left);
    }
    let OriginalUri(original) = request.extensions().get()?;
    (left.path() == "/" || original.path().ends_with(left.path())).then_some(original)
}

/// Without axum there are no nested routers.
#[cfg(not(feature = "axum"))]
pub(super) fn requested_uri<B>(request: &Request<B>) -> Option<&Uri> {
    Some(request.uri())
}

/// Returns whether the request is a CORS preflight (Fetch standard §3.2.2), which browsers send without credentials.
pub(super) fn is_preflight<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}
