//! Attaches a token to a request that has no `Authorization` of its own, with a proof if the token is bound to a key.

use std::sync::Arc;

use countersign_core::mint::ProofDraft;
use http::{HeaderMap, Method, header};

use super::binding::Binding;
use super::error::{OutboundError, OutboundErrorKind};
use super::origin::Origin;
use super::proof::{DPOP, signed};
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

/// Attaches the token, and a new proof if it is bound to a key. Returns the nonce in the proof.
///
/// Their values are marked sensitive, so `Debug` of the headers hides them. `path` is that of the request's address.
pub(super) fn attach(
    binding: &Binding,
    token: &OutboundToken,
    (method, path): (&Method, &str),
    headers: &mut HeaderMap,
) -> Result<Option<Arc<str>>, OutboundError> {
    let mut nonce = None;
    if let Some(signer) = token.signer() {
        if headers.contains_key(DPOP) {
            let problem = "the request already has a DPoP header; leave it out, or use the plain client";
            return Err(OutboundError::new(OutboundErrorKind::AuthorizationAlreadySet, problem));
        }
        if binding.may_follow_redirects {
            return Err(OutboundError::redirects());
        }
        nonce = binding.nonce.for_origin(&binding.origin);
        let address = binding.origin.address(path);
        let proof = ProofDraft::new(method.as_str(), &address, binding.clock.now()).access_token(token.expose());
        let proof = nonce.iter().fold(proof, |proof, nonce| proof.nonce(nonce));
        headers.insert(DPOP, signed(&proof, signer)?);
    }
    headers.insert(header::AUTHORIZATION, token.header().clone());
    Ok(nonce)
}
