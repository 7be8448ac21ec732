//! Paths that need no token.

use http::{Method, Request, header};

/// The public paths of a layer: raw, exact, undecoded, so that a router and the layer cannot disagree (S5.23).
#[derive(Clone, Debug, Default)]
pub(super) struct PublicPaths(Vec<String>);

impl PublicPaths {
    pub(super) fn add(&mut self, paths: impl IntoIterator<Item = impl Into<String>>) {
        self.0.extend(paths.into_iter().map(Into::into));
    }

    pub(super) fn holds(&self, path: &str) -> bool {
        self.0.iter().any(|public| public == path)
    }
}

/// Whether the request is a CORS preflight (Fetch standard §3.2.2), which browsers send without credentials.
pub(super) fn is_preflight<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}
