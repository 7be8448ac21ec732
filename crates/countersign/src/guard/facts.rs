//! Facts of the request that a requirement may name.

use http::Request;

/// The path parameters that axum matched, decoded; none without axum.
#[cfg(feature = "axum")]
pub(super) fn path_parameters<B>(request: &mut Request<B>) -> Vec<(String, String)> {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use axum::extract::{FromRequestParts, RawPathParams};

    let (mut parts, ()) = Request::new(()).into_parts();
    std::mem::swap(&mut parts.extensions, request.extensions_mut());
    let parameters = {
        let extraction = pin!(RawPathParams::from_request_parts(&mut parts, &()));
        // axum reads them from the extensions and is ready at once; were it ever not, the guard would refuse.
        match extraction.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(parameters)) => parameters.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            _ => Vec::new(),
        }
    };
    std::mem::swap(&mut parts.extensions, request.extensions_mut());
    parameters
}

/// The path parameters that axum matched, decoded; none without axum.
#[cfg(not(feature = "axum"))]
pub(super) fn path_parameters<B>(_: &mut Request<B>) -> Vec<(String, String)> {
    Vec::new()
}
