//! The retry after a 401: drops the refused token and sends the request once more with another.

use std::future::Future;
use std::sync::Arc;

use http::HeaderMap;
use reqwest::{Request, Response, StatusCode};

use super::attach::{attach, refuse_unsafe_headers};
use super::binding::{Binding, Bindings};
use super::challenge::Challenge;
use super::error::OutboundError;
use super::request_copy::try_clone_request;
use super::source::OutboundToken;
use crate::authenticate::CallerToken;

/// Sends requests: the plain client, or the rest of a middleware stack.
pub(super) trait Transport {
    /// The error of a call.
    type Error;

    /// Sends a request once.
    fn send(&mut self, request: Request) -> impl Future<Output = Result<Response, Self::Error>> + Send;

    /// Converts an error of this module.
    fn error(error: OutboundError) -> Self::Error;
}

/// Sends `request` with its token. After a 401 that another token may fix, sends it once more.
///
/// The first response stands if no other token is available or the body was streamed.
pub(super) async fn send_with_retry<T: Transport>(
    bindings: &Bindings,
    subject: Option<&CallerToken>,
    mut transport: T,
    mut request: Request,
) -> Result<Response, T::Error> {
    let failed = T::error;
    let binding = bindings.for_url(request.url()).map_err(failed)?;
    refuse_unsafe_headers(request.headers(), &binding.origin).map_err(failed)?;
    let token = binding.tokens.token(subject).await.map_err(failed)?;
    let copy = try_clone_request(&mut request);
    attach(request.headers_mut(), &token);

    let first = transport.send(request).await?;
    // A 401 of another origin, after a redirect, says nothing about a token that was not sent there.
    if first.status() != StatusCode::UNAUTHORIZED || !binding.origin.contains(first.url()) {
        return Ok(first);
    }
    let may_retry = drop_refused_token(binding, subject, &token, first.headers()).map_err(failed)?;
    let Some(copy) = copy.filter(|_| may_retry) else { return Ok(first) };
    let Ok(newer) = binding.tokens.token(subject).await else { return Ok(first) };
    if newer.header() == token.header() {
        return Ok(first);
    }
    let mut retry = copy.into_request();
    attach(retry.headers_mut(), &newer);

    let second = transport.send(retry).await?;
    if second.status() == StatusCode::UNAUTHORIZED
        && let Challenge::StepUp(step_up) = Challenge::from_headers(second.headers())
    {
        return Err(failed(OutboundError::step_up(step_up, subject.is_some())));
    }
    Ok(second)
}

/// Drops the token that the service refused, if another one may be accepted; returns whether one may.
///
/// # Errors
/// `step_up_required` if only the user can help.
pub(super) fn drop_refused_token(
    binding: &Binding,
    subject: Option<&CallerToken>,
    sent: &Arc<OutboundToken>,
    headers: &HeaderMap,
) -> Result<bool, OutboundError> {
    match Challenge::from_headers(headers) {
        Challenge::Other => Ok(false),
        Challenge::StepUp(step_up) => Err(OutboundError::step_up(step_up, subject.is_some())),
        Challenge::InvalidToken => {
            binding.tokens.reject(subject, sent);
            Ok(true)
        }
    }
}
