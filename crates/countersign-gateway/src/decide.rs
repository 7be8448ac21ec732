//! Decisions in the process of a proxy that is written in Rust.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use tower_layer::Layer;
use tower_service::Service;

use crate::decision::{EdgeDecision, RequestChanges};
use crate::gateway::Gateway;
use crate::problem::{self, Problem};
use crate::request::ClientRequest;
use crate::rules::ForeignHeaders;

/// The options of a connection that a client may state. Every other one names a header that the next proxy removes (RFC 9110
/// §7.6.1), such as one that the gateway sets.
const CONNECTION_OPTIONS: [&str; 4] = ["close", "keep-alive", "te", "upgrade"];

/// Decides about the requests of a proxy in the same process, before its service gets them.
///
/// A refused request is answered; the service gets nothing. One that may pass gets the changes of the decision: the headers of the
/// gateway in place of the client's, and with a [`Swap`](crate::Swap) the token of the next service in place of the client's
/// credential. Its address is what the gateway decided about, byte for byte, so the proxy sends it as it is. The options that a client
/// states in `Connection` beside `close`, `keep-alive`, `te` and `upgrade` are dropped: they would name headers for the next proxy to
/// remove.
///
/// Wrap the whole service of the proxy. Trailers come after the decision: do not forward those of the client as headers.
///
/// ```
/// use axum::Router;
/// use axum::http::{HeaderMap, Uri};
/// use countersign::app::RouteTable;
/// use countersign::prelude::*;
/// use countersign_gateway::{DecideLayer, Gateway, IdentityValue, ReservedHeaders, Rules};
///
/// fn proxy(verifier: Verifier) -> Result<Router, countersign::error::ConfigError> {
///     let table = RouteTable::from_json(r#"[{ "method": "GET", "path": "/orders", "access": "authenticated" }]"#)?;
///     let headers = ReservedHeaders::new().set("x-caller", IdentityValue::Subject).build()?;
///     let gateway = Gateway::new(Rules::new(&table, AuthenticateLayer::new(verifier), headers)?);
///     let forward = async |uri: Uri, headers: HeaderMap| format!("{uri} for {:?}", headers["x-caller"]);
///     Ok(Router::new().fallback(forward).layer(DecideLayer::new(gateway)))
/// }
/// # let _ = proxy;
/// ```
#[derive(Clone, Debug)]
pub struct DecideLayer {
    gateway: Gateway,
}

impl DecideLayer {
    /// Decides by the rules of this gateway, also if they are replaced.
    #[must_use]
    pub fn new(gateway: Gateway) -> Self {
        DecideLayer { gateway }
    }
}

impl<S> Layer<S> for DecideLayer {
    type Service = Decide<S>;

    fn layer(&self, inner: S) -> Decide<S> {
        Decide { inner, gateway: self.gateway.clone() }
    }
}

/// A service behind [`DecideLayer`], which has the example.
#[derive(Clone, Debug)]
pub struct Decide<S> {
    inner: S,
    gateway: Gateway,
}

impl<S, B, R> Service<Request<B>> for Decide<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<Bytes>,
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
        let gateway = self.gateway.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let asked = match asked(&parts) {
                Ok(asked) => asked,
                Err(problem) => return Ok(problem.response().map(R::from)),
            };
            let changes = match gateway.decide(asked, ForeignHeaders::Remove).await {
                EdgeDecision::Allowed(changes) => changes,
                EdgeDecision::Refused(response) => return Ok(response.map(R::from)),
            };
            let RequestChanges { set, remove, answer } = changes;
            for name in &remove {
                parts.headers.remove(name);
            }
            replace(&mut parts.headers, &set);
            keep_known_options(&mut parts.headers);
            let mut response = ready.call(Request::from_parts(parts, body)).await?;
            replace(response.headers_mut(), &answer);
            Ok(response)
        })
    }
}

/// The request of the client. `Host` and address must tell one host.
fn asked(parts: &Parts) -> Result<ClientRequest, Problem> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let named = hosts.next().map(|host| host.to_str().map_err(|_| problem::CONTRADICTION)).transpose()?;
    let host = match (named, parts.uri.authority().map(http::uri::Authority::as_str)) {
        _ if hosts.next().is_some() => return Err(problem::CONTRADICTION),
        (Some(named), Some(authority)) if !named.eq_ignore_ascii_case(authority) => return Err(problem::CONTRADICTION),
        (Some(host), _) | (None, Some(host)) => HeaderValue::from_str(host).map_err(|_| problem::CONTRADICTION)?,
        (None, None) => return Err(problem::CONTRADICTION),
    };
    let target = parts.uri.path_and_query().ok_or(problem::AMBIGUOUS)?.as_str().to_owned();
    Ok(ClientRequest::of_host(parts.method.clone(), Some(host), target, parts.headers.clone()))
}

/// Puts these headers in place of those by the same names.
fn replace(headers: &mut HeaderMap, new: &HeaderMap) {
    for name in new.keys() {
        headers.remove(name);
    }
    for (name, value) in new {
        headers.append(name, value.clone());
    }
}

fn keep_known_options(headers: &mut HeaderMap) {
    let options = headers.get_all(header::CONNECTION).iter().filter_map(|line| line.to_str().ok());
    let options = options.flat_map(|line| line.split(',')).map(str::trim);
    let known = options.filter(|option| CONNECTION_OPTIONS.iter().any(|known| known.eq_ignore_ascii_case(option)));
    let kept = known.collect::<Vec<_>>().join(", ");
    headers.remove(header::CONNECTION);
    if let Ok(kept) = HeaderValue::from_str(&kept)
        && !kept.is_empty()
    {
        headers.insert(header::CONNECTION, kept);
    }
}
