//! The repetition of requests whose proof needs a nonce, around the client service that attaches tokens.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::challenge::demands_nonce;
use super::service::is_unauthenticated;
use crate::response::DPOP_NONCE;

/// Sends a request once more if the service refuses it because its proof has no nonce, or an old one (RFC 9449 §9).
///
/// Put it around an [`AttachTokenLayer`](super::AttachTokenLayer), which learns the nonce of the refusal and makes another proof.
/// A body of any type cannot be read twice, so [`new`](Self::new) takes a function that copies a request, and
/// [`for_cloneable_bodies`](Self::for_cloneable_bodies) clones it. A request without a copy is sent once.
///
/// ```
/// use countersign::outbound::{AttachTokenLayer, RepeatOnNonceLayer, StaticToken};
/// use countersign::secret::Secret;
/// use tower_layer::Layer;
///
/// # #[derive(Clone)] struct HttpClient;
/// # impl tower_service::Service<http::Request<String>> for HttpClient {
/// #     type Response = http::Response<String>;
/// #     type Error = std::convert::Infallible;
/// #     type Future = std::future::Ready<Result<Self::Response, Self::Error>>;
/// #     fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> { std::task::Poll::Ready(Ok(())) }
/// #     fn call(&mut self, _: http::Request<String>) -> Self::Future { std::future::ready(Ok(http::Response::default())) }
/// # }
/// # fn client(http: HttpClient) -> Result<impl tower_service::Service<http::Request<String>>, countersign::error::ConfigError> {
/// let token = StaticToken::new(Secret::from("a-token"));
/// let attach = AttachTokenLayer::builder().bind("https://billing.internal", token).build()?;
/// Ok(RepeatOnNonceLayer::for_cloneable_bodies().layer(attach.layer(http)))
/// # }
/// # let _ = client;
/// ```
pub struct RepeatOnNonceLayer<B> {
    copy: fn(&Request<B>) -> Option<Request<B>>,
}

/// A client service behind [`RepeatOnNonceLayer`], which has the example.
pub struct RepeatOnNonce<S, B> {
    inner: S,
    copy: fn(&Request<B>) -> Option<Request<B>>,
}

impl<B> RepeatOnNonceLayer<B> {
    /// Repeats requests that `copy` copies. Their headers and extensions belong to the copy too.
    #[must_use]
    pub fn new(copy: fn(&Request<B>) -> Option<Request<B>>) -> Self {
        RepeatOnNonceLayer { copy }
    }
}

impl<B: Clone> RepeatOnNonceLayer<B> {
    /// Repeats all requests, whose bodies can be cloned, such as `Full<Bytes>`.
    #[must_use]
    pub fn for_cloneable_bodies() -> Self {
        RepeatOnNonceLayer { copy: |request| Some(request.clone()) }
    }
}

impl<S, B> Layer<S> for RepeatOnNonceLayer<B> {
    type Service = RepeatOnNonce<S, B>;

    fn layer(&self, inner: S) -> RepeatOnNonce<S, B> {
        RepeatOnNonce { inner, copy: self.copy }
    }
}

impl<S, B, R> Service<Request<B>> for RepeatOnNonce<S, B>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send + 'static,
    R: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that was polled ready is called; its clone replaces it.
        let clone = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, clone);
        let copy = (self.copy)(&request);
        Box::pin(async move {
            let response = ready.call(request).await?;
            let headers = response.headers();
            let has_nonce = is_unauthenticated(&response) && demands_nonce(headers) && headers.contains_key(DPOP_NONCE);
            match copy.filter(|_| has_nonce) {
                Some(copy) => {
                    drop(response);
                    std::future::poll_fn(|context| ready.poll_ready(context)).await?;
                    ready.call(copy).await
                }
                None => Ok(response),
            }
        })
    }
}

impl<B> Clone for RepeatOnNonceLayer<B> {
    fn clone(&self) -> Self {
        RepeatOnNonceLayer { copy: self.copy }
    }
}

impl<S: Clone, B> Clone for RepeatOnNonce<S, B> {
    fn clone(&self) -> Self {
        RepeatOnNonce { inner: self.inner.clone(), copy: self.copy }
    }
}

impl<B> fmt::Debug for RepeatOnNonceLayer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepeatOnNonceLayer").finish_non_exhaustive()
    }
}

impl<S, B> fmt::Debug for RepeatOnNonce<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepeatOnNonce").finish_non_exhaustive()
    }
}
