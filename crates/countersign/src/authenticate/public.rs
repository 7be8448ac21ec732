//! Paths that need no token.

use http::{Method, Request, header};

/// The public paths of a layer: raw, exact, undecoded, so that a router and the layer cannot disagree (S5.23).
#[derive(Clone, Debug)]
pub(super) enum PublicPaths {
    /// These and no others.
    These(Vec<String>),
    /// All, where a router's own match chose the layer.
    #[cfg_attr(not(feature = "axum"), allow(dead_code, reason = "only apps of axum choose a layer by route"))]
    Every,
}

impl PublicPaths {
    pub(super) fn add(&mut self, paths: impl IntoIterator<Item = impl Into<String>>) {
        if let PublicPaths::These(known) = self {
            known.extend(paths.into_iter().map(Into::into));
        }
    }

    pub(super) fn holds(&self, path: &str) -> bool {
        match self {
            PublicPaths::These(known) => known.iter().any(|public| public == path),
            PublicPaths::Every => true,
        }
    }
}

impl Default for PublicPaths {
    fn default() -> Self {
        PublicPaths::These(Vec::new())
    }
}

/// Whether the request is a CORS preflight (Fetch standard §3.2.2), which browsers send without credentials.
pub(super) fn is_preflight<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}
