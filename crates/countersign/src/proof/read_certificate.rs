//! A layer that hands the certificate of the client to services that decide about it themselves.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::ConnectInfo;
use bytes::Bytes;
use countersign_core::error::ConfigError;
use countersign_core::proof::{PeerCertificate, VerifiedCertificate};
use http::{HeaderValue, Request, Response, StatusCode, header};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::mutual_tls::MutualTls;
use super::peer::TlsPeer;
use crate::response::{InnerOrOwn, ResponseBody};

/// Puts the certificate of the client into the extensions of a request ([`PeerCertificate`]), for the router of an issuer; also as a
/// [`VerifiedCertificate`] if its chain was verified up to a configured authority.
///
/// It takes the certificate as [`MutualTls`] says, and removes the headers in which others than the named proxies sent one. The
/// address of a [`TlsPeer`] is inserted as `ConnectInfo<SocketAddr>` too, by which an issuer counts failed authentications. A
/// request whose header of a proxy cannot be read gets 400, with an error as at a token endpoint (RFC 6749 §5.2).
///
/// Services that only accept tokens need no such layer:
/// [`mutual_tls`](crate::authenticate::AuthenticateLayerBuilder::mutual_tls) does the same.
///
/// ```
/// use countersign::error::ConfigError;
/// use countersign::proof::{MutualTls, ReadCertificateLayer};
///
/// /// `endpoints` is the router of an issuer (`Issuer::router`).
/// fn app(endpoints: axum::Router) -> Result<axum::Router, ConfigError> {
///     Ok(endpoints.layer(ReadCertificateLayer::new(MutualTls::of_connection())?))
/// }
/// # let _ = app;
/// ```
#[derive(Clone, Debug)]
pub struct ReadCertificateLayer(Arc<MutualTls>);

impl ReadCertificateLayer {
    /// A layer that takes the certificate of the connection, or of these proxies.
    ///
    /// # Errors
    /// `ConfigError` on the field `trusted_proxies`, if no proxy is named, or one that clients could be.
    pub fn new(mutual_tls: MutualTls) -> Result<Self, ConfigError> {
        ConfigError::check(mutual_tls.faults())?;
        Ok(ReadCertificateLayer(Arc::new(mutual_tls)))
    }
}

impl<S> Layer<S> for ReadCertificateLayer {
    type Service = ReadCertificate<S>;

    fn layer(&self, inner: S) -> ReadCertificate<S> {
        ReadCertificate { inner, mutual_tls: Arc::clone(&self.0) }
    }
}

/// A service behind a [`ReadCertificateLayer`], which has an example.
#[derive(Clone, Debug)]
pub struct ReadCertificate<S> {
    inner: S,
    mutual_tls: Arc<MutualTls>, // axum clones the service for each request
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for ReadCertificate<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ReadCertificateFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let verified = self.mutual_tls.verified(&request);
        let certificate = match self.mutual_tls.take(&mut request) {
            Ok(certificate) => certificate,
            Err(problem) => {
                return ReadCertificateFuture { response: InnerOrOwn::own(refuse(problem)) };
            }
        };
        let extensions = request.extensions_mut();
        // One that an acceptor inserted is that of a proxy, if proxies are named.
        extensions.remove::<PeerCertificate>();
        extensions.remove::<VerifiedCertificate>();
        if let Some(thumbprint) = certificate {
            extensions.insert(PeerCertificate::from_thumbprint(thumbprint));
            if let Some(verified) = verified.filter(|verified| verified.thumbprint() == thumbprint) {
                extensions.insert(verified);
            }
        }
        if let Some(ConnectInfo(peer)) = extensions.get::<ConnectInfo<TlsPeer>>() {
            let address: SocketAddr = peer.address();
            extensions.insert(ConnectInfo(address));
        }
        ReadCertificateFuture { response: InnerOrOwn::inner(self.inner.call(request)) }
    }
}

pin_project! {
    /// The future of [`ReadCertificate`]; [`ReadCertificateLayer`] has an example.
    #[derive(Debug)]
    pub struct ReadCertificateFuture<F> {
        #[pin]
        response: InnerOrOwn<F>,
    }
}

impl<F, ResBody, E> Future for ReadCertificateFuture<F>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
{
    type Output = Result<Response<ResponseBody<ResBody>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().response.poll(context)
    }
}

fn refuse(problem: &'static str) -> Response<Bytes> {
    let body = serde_json::json!({ "error": "invalid_request", "error_description": problem });
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
