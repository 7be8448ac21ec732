//! The token onto a request: hidden from `Debug`, never over one that is there.

use http::{HeaderMap, header};

use super::error::{OutboundError, OutboundErrorKind};
use super::origin::Origin;
use super::source::OutboundToken;

/// Refuses a request that brought its own `Authorization` (S7.17), or a `Host` that is not its origin's (S7.15); it is
/// asked before a token is fetched.
pub(super) fn refuse_if_set(headers: &HeaderMap, origin: &Origin) -> Result<(), OutboundError> {
    if headers.contains_key(header::AUTHORIZATION) {
        return Err(OutboundError::new(
            OutboundErrorKind::AuthorizationAlreadySet,
            "the request has an Authorization header already; leave it out, or use the plain client",
        ));
    }
    match origin.holds_host(headers) {
        true => Ok(()),
        false => Err(OutboundError::new(
            OutboundErrorKind::OriginNotBound,
            "the request's Host header names another origin; leave it out",
        )),
    }
}

/// Puts the token on; its value is marked sensitive since it was read.
pub(super) fn attach(headers: &mut HeaderMap, token: &OutboundToken) {
    headers.insert(header::AUTHORIZATION, token.header().clone());
}
