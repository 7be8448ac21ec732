//! The retries after a 401: with another token in place of the refused one, and with the nonce that the service demands.

use std::future::Future;
use std::sync::Arc;

use http::HeaderMap;
use reqwest::{Request, Response, StatusCode};

use super::attach::{attach, refuse_unsafe_headers};
use super::binding::{Binding, Bindings};
use super::challenge::Challenge;
use super::error::OutboundError;
use super::request_copy::{RequestCopy, try_clone_request};
use super::source::OutboundToken;
use super::transaction::{CallTransaction, forward};
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

/// The repetitions that are left, of each kind one.
struct Budget {
    renewal: bool,
    nonce: bool,
}

/// Sends `request` with its token. After a 401 that another token may fix, sends it once more, and so after one that demands
/// a nonce.
///
/// The last response stands if no other token is available or the body was streamed.
pub(super) async fn send_with_retry<T: Transport>(
    bindings: &Bindings,
    (subject, transaction): (Option<&CallerToken>, &CallTransaction),
    mut transport: T,
    mut request: Request,
) -> Result<Response, T::Error> {
    let failed = T::error;
    let binding = bindings.for_url(request.url()).map_err(failed)?;
    refuse_unsafe_headers(request.headers(), &binding.origin).map_err(failed)?;
    forward(binding, transaction, request.headers_mut()).map_err(failed)?;
    let mut token = binding.tokens.token(subject).await.map_err(failed)?;
    let copy = try_clone_request(&mut request);
    let mut budget = Budget { renewal: true, nonce: true };
    loop {
        let nonce = attach_to(&mut request, binding, &token).map_err(failed)?;
        let response = transport.send(request).await?;
        // A response of another origin, after a redirect, says nothing about a token that was not sent there.
        if !binding.origin.contains(response.url()) {
            return if binding.is_bound_to_origin(&token) {
                Err(failed(OutboundError::redirects()))
            } else {
                Ok(response)
            };
        }
        let has_new_nonce = binding.learn_nonce(&token, response.headers(), nonce.as_deref());
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let challenge = Challenge::from_headers(response.headers(), token.signer().is_some());
        let again = after_refusal(binding, subject, (&token, challenge), has_new_nonce, &mut budget, copy.as_ref());
        let Some((next, newer)) = again.await.map_err(failed)? else { return Ok(response) };
        (request, token) = (next, newer);
    }
}

/// The request to send after a 401, with its token; `None` if the response stands.
///
/// # Errors
/// `step_up_required` if only the user can help.
async fn after_refusal(
    binding: &Binding,
    subject: Option<&CallerToken>,
    (token, challenge): (&Arc<OutboundToken>, Challenge),
    has_new_nonce: bool,
    budget: &mut Budget,
    copy: Option<&RequestCopy>,
) -> Result<Option<(Request, Arc<OutboundToken>)>, OutboundError> {
    let with = |token| Ok(copy.map(|copy| (copy.request(), token)));
    match challenge {
        Challenge::StepUp(step_up) => Err(OutboundError::step_up(step_up, subject.is_some())),
        Challenge::NonceRequired if has_new_nonce && std::mem::take(&mut budget.nonce) => with(Arc::clone(token)),
        Challenge::InvalidToken if std::mem::take(&mut budget.renewal) => {
            binding.tokens.reject(subject, token);
            if copy.is_none() {
                return Ok(None);
            }
            match binding.tokens.token(subject).await {
                Ok(newer) if newer.header() != token.header() => with(newer),
                _ => Ok(None),
            }
        }
        Challenge::NonceRequired | Challenge::InvalidToken | Challenge::Other => Ok(None),
    }
}

fn attach_to(
    request: &mut Request,
    binding: &Binding,
    token: &OutboundToken,
) -> Result<Option<Arc<str>>, OutboundError> {
    let mut headers = std::mem::take(request.headers_mut());
    let nonce = attach(binding, token, (request.method(), request.url().path()), &mut headers);
    *request.headers_mut() = headers;
    nonce
}

/// Drops the token that the service refused, if another one may be accepted.
///
/// # Errors
/// `step_up_required` if only the user can help.
pub(super) fn drop_refused_token(
    binding: &Binding,
    subject: Option<&CallerToken>,
    sent: &Arc<OutboundToken>,
    headers: &HeaderMap,
) -> Result<(), OutboundError> {
    match Challenge::from_headers(headers, sent.signer().is_some()) {
        Challenge::NonceRequired | Challenge::Other => Ok(()),
        Challenge::StepUp(step_up) => Err(OutboundError::step_up(step_up, subject.is_some())),
        Challenge::InvalidToken => {
            binding.tokens.reject(subject, sent);
            Ok(())
        }
    }
}
