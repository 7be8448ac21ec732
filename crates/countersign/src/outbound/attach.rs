//! Attaches a token to a request that has no `Authorization` of its own.

use http::{HeaderMap, header};

use super::error::{OutboundError, OutboundErrorKind};
use super::origin::Origin;
use super::source::OutboundToken;

/// Refuses a request that has its own `Authorization`, or a `Host` that is not its origin's.
///
/// Called before a token is fetched.
pub(super) fn refuse_unsafe_headers(headers: &HeaderMap, origin: &Origin) -> Result<(), OutboundError> {
    if headers.contains_key(header::AUTHORIZATION) {
        return Err(OutboundError::new(
            OutboundErrorKind::AuthorizationAlreadySet,
            "the request already has an Authorization header; leave it out, or use the plain client",
        ));
    }
    match origin.matches_host(headers) {
        true => Ok(()),
        false => Err(OutboundError::new(
            OutboundErrorKind::OriginNotBound,
            "the request's Host header names another origin; leave it out",
        )),
    }
}

/// Attaches the token. Its value is marked sensitive, so `Debug` of the headers hides it.
pub(super) fn attach(headers: &mut HeaderMap, token: &OutboundToken) {
    headers.insert(header::AUTHORIZATION, token.header().clone());
}
