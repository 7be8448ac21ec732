//! The token onto a request: hidden from `Debug`, never over one that is there.

use http::{HeaderMap, header};

use super::error::{OutboundError, OutboundErrorKind};
use super::source::OutboundToken;

/// Refuses a request that brought its own `Authorization` (S7.17); it is asked before a token is fetched.
pub(super) fn refuse_if_set(headers: &HeaderMap) -> Result<(), OutboundError> {
    match headers.contains_key(header::AUTHORIZATION) {
        false => Ok(()),
        true => Err(OutboundError::new(
            OutboundErrorKind::AuthorizationAlreadySet,
            "the request has an Authorization header already; leave it out, or use the plain client",
        )),
    }
}

/// Puts the token on; its value is marked sensitive since it was read.
pub(super) fn attach(headers: &mut HeaderMap, token: &OutboundToken) {
    headers.insert(header::AUTHORIZATION, token.header().clone());
}
