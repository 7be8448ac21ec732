//! A token in a form body (RFC 6750 §2.2), moved to the `Authorization` header.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use tower_layer::Layer;
use tower_service::Service;

use super::query::{query_tokens, without_tokens};
use crate::rt;

/// The longest form that is searched for a token.
const MAX_FORM_BYTES: usize = 64 * 1024;

/// The header of a refusal.
const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// The longest wait for such a form; a client must not hold a request open before its token is known.
const FORM_TIMEOUT: Duration = Duration::from_secs(10);

/// Moves a form's token into the `Authorization` header; made by [`danger::token_in_form`](super::danger::token_in_form),
/// which has an example.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FormTokenLayer;

/// A service behind a [`FormTokenLayer`]; [`danger::token_in_form`](super::danger::token_in_form) has an example.
#[derive(Clone, Debug)]
pub struct FormToken<S>(S);

impl<S> Layer<S> for FormTokenLayer {
    type Service = FormToken<S>;

    fn layer(&self, inner: S) -> FormToken<S> {
        FormToken(inner)
    }
}

impl<S> Service<Request<Body>> for FormToken<S>
where
    S: Service<Request<Body>, Response = Response> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The service that was polled ready is the one that is called; its clone stays here.
        let clone = self.0.clone();
        let mut ready = std::mem::replace(&mut self.0, clone);
        if !is_form(&request) {
            return Box::pin(ready.call(request));
        }
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let form = match rt::within(FORM_TIMEOUT, to_bytes(body, MAX_FORM_BYTES)).await {
                Some(Ok(form)) => form,
                Some(Err(_)) => return Ok((StatusCode::PAYLOAD_TOO_LARGE, NO_STORE).into_response()),
                None => return Ok((StatusCode::REQUEST_TIMEOUT, NO_STORE).into_response()),
            };
            let length = form.len();
            let form = move_tokens(&mut parts.headers, form);
            if form.len() != length {
                parts.extensions.insert(TokenFromForm);
            }
            ready.call(Request::from_parts(parts, Body::from(form))).await
        })
    }
}

/// Marks a request whose token was in a form, so that a layer that denies dangers refuses it.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenFromForm;

/// Moves each token of the form into an `Authorization` header of its own; the layer refuses several with 400.
fn move_tokens(headers: &mut HeaderMap, form: Bytes) -> Bytes {
    let Ok(text) = std::str::from_utf8(&form) else { return form };
    let tokens: Vec<Option<&str>> = query_tokens(text).collect();
    if tokens.is_empty() {
        return form;
    }
    for token in tokens {
        let value = token.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
        headers.append(header::AUTHORIZATION, value.unwrap_or(HeaderValue::from_static("Bearer")));
    }
    let rest = Bytes::from(without_tokens(text).unwrap_or_default());
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(rest.len()));
    headers.remove(header::TRANSFER_ENCODING);
    rest
}

/// Returns whether RFC 6750 §2.2 allows a token in the body: a form, and not with `GET`.
fn is_form<B>(request: &Request<B>) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    *request.method() != Method::GET && media_type.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}
