//! The repetition of requests whose proof needs a nonce, around the client service that attaches tokens.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::challenge::demands_nonce;
use super::replay_body::{Replay, ReplayBody};
use super::service::is_unauthenticated;
use crate::response::DPOP_NONCE;

/// Sends a request once more if the service refuses it because its proof has no nonce, or an old one (RFC 9449 §9).
///
/// Put it around an [`AttachTokenLayer`](super::AttachTokenLayer), which learns the nonce of the refusal and makes another proof.
/// A body of any type cannot be read twice. [`for_cloneable_bodies`](Self::for_cloneable_bodies) clones it,
/// [`replaying`](Self::replaying) keeps what was sent of it, as for tonic, and [`new`](Self::new) takes a function that copies a
/// request. A request that cannot be sent again is sent once.
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
    way: Way<B>,
}

/// The way to a second request.
enum Way<B> {
    Copy(fn(&Request<B>) -> Option<Request<B>>),
    Replay { max_bytes: usize, wrap: fn(ReplayBody<B>) -> B },
}

/// The parts of a second request.
enum Second<B> {
    Copy(Option<Request<B>>),
    Replay(Box<Parts>, Replay<B>, fn(ReplayBody<B>) -> B),
}

/// A client service behind [`RepeatOnNonceLayer`], which has the example.
pub struct RepeatOnNonce<S, B> {
    inner: S,
    way: Way<B>,
}

impl<B> RepeatOnNonceLayer<B> {
    /// Repeats requests that `copy` copies. Their headers and extensions belong to the copy too.
    #[must_use]
    pub fn new(copy: fn(&Request<B>) -> Option<Request<B>>) -> Self {
        RepeatOnNonceLayer { way: Way::Copy(copy) }
    }
}

impl<B> RepeatOnNonceLayer<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// Repeats requests whose service refuses them before it has got more than `max_bytes` of the body, which are kept until the
    /// response begins. The second request has them again, followed by what the first one has not sent. `wrap` makes a body of the
    /// client's type.
    ///
    /// For tonic, this covers unary calls and streams. A message with its five bytes of framing has to fit into `max_bytes`, or the
    /// refusal is passed on.
    ///
    /// ```
    /// # #[cfg(feature = "grpc")] {
    /// use countersign::outbound::RepeatOnNonceLayer;
    ///
    /// let repeat = RepeatOnNonceLayer::replaying(64 * 1024, tonic::body::Body::new);
    /// // let channel = ServiceBuilder::new().layer(repeat).layer(attach).service(channel);
    /// # let _ = repeat;
    /// # }
    /// ```
    #[must_use]
    pub fn replaying(max_bytes: usize, wrap: fn(ReplayBody<B>) -> B) -> Self {
        RepeatOnNonceLayer { way: Way::Replay { max_bytes, wrap } }
    }
}

impl<B> Way<B> {
    /// The first request, and what is needed for a second one.
    fn prepare(&self, request: Request<B>) -> (Request<B>, Second<B>) {
        match self {
            Way::Copy(copy) => {
                let second = copy(&request);
                (request, Second::Copy(second))
            }
            Way::Replay { max_bytes, wrap } => {
                let (parts, body) = request.into_parts();
                let (first, replay) = ReplayBody::new(body, *max_bytes);
                let second = Second::Replay(Box::new(parts.clone()), replay, *wrap);
                (Request::from_parts(parts, wrap(first)), second)
            }
        }
    }
}

impl<B> Second<B> {
    fn request(self) -> Option<Request<B>> {
        match self {
            Second::Copy(copy) => copy,
            Second::Replay(parts, replay, wrap) => Some(Request::from_parts(*parts, wrap(replay.again()?))),
        }
    }

    /// The response is not to be followed by a second request.
    fn stop(self) {
        if let Second::Replay(_, replay, _) = self {
            replay.stop();
        }
    }
}

impl<B: Clone> RepeatOnNonceLayer<B> {
    /// Repeats all requests, whose bodies can be cloned, such as `Full<Bytes>`.
    #[must_use]
    pub fn for_cloneable_bodies() -> Self {
        RepeatOnNonceLayer { way: Way::Copy(|request| Some(request.clone())) }
    }
}

impl<S, B> Layer<S> for RepeatOnNonceLayer<B> {
    type Service = RepeatOnNonce<S, B>;

    fn layer(&self, inner: S) -> RepeatOnNonce<S, B> {
        RepeatOnNonce { inner, way: self.way.clone() }
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
        let (request, second) = self.way.prepare(request);
        Box::pin(async move {
            let response = ready.call(request).await?;
            let headers = response.headers();
            let has_nonce = is_unauthenticated(&response) && demands_nonce(headers) && headers.contains_key(DPOP_NONCE);
            if !has_nonce {
                second.stop();
                return Ok(response);
            }
            match second.request() {
                Some(request) => {
                    drop(response);
                    std::future::poll_fn(|context| ready.poll_ready(context)).await?;
                    ready.call(request).await
                }
                None => Ok(response),
            }
        })
    }
}

impl<B> Clone for Way<B> {
    fn clone(&self) -> Self {
        match self {
            Way::Copy(copy) => Way::Copy(*copy),
            Way::Replay { max_bytes, wrap } => Way::Replay { max_bytes: *max_bytes, wrap: *wrap },
        }
    }
}

impl<B> Clone for RepeatOnNonceLayer<B> {
    fn clone(&self) -> Self {
        RepeatOnNonceLayer { way: self.way.clone() }
    }
}

impl<S: Clone, B> Clone for RepeatOnNonce<S, B> {
    fn clone(&self) -> Self {
        RepeatOnNonce { inner: self.inner.clone(), way: self.way.clone() }
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
