//! The accept loop, and the service of one connection.

use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::{Json, Router};
use countersign_gateway::UnixPeer;
use http_body_util::LengthLimitError;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::connections::{Connections, Place};
use super::limits::Protocol;
use super::listener::{Accepted, Listener, Peer};
use super::stream::TimedStream;
use super::{Limits, open_files};

/// The pause after the system refuses to accept a connection, unless another one gives way.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The longest wait for the end of requests that the drain timeout has aborted.
const ABORT_TIMEOUT: Duration = Duration::from_millis(250);

/// The refusal of a request by its head, if it is refused.
type Guard = dyn Fn(&Parts) -> Option<Response<Body>> + Send + Sync;

/// The parts of a server that each connection uses.
#[derive(Clone)]
struct Service {
    guard: Arc<Guard>,
    router: Router,
    limits: Limits,
    requests: Arc<Semaphore>,
}

/// Serves `router` until `shutdown`, then answers the requests in progress within the drain timeout.
///
/// The router gets each request with its whole body, and with the peer as `ConnectInfo<SocketAddr>`, or `ConnectInfo<UnixPeer>`.
pub(crate) async fn serve(
    listener: impl Into<Listener>,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    serve_guarded(listener, |_| None, router, limits, shutdown).await;
}

/// As [`serve`], for a router whose requests `guard` can refuse by their heads. Their bodies are not read.
pub(crate) async fn serve_guarded(
    listener: impl Into<Listener>,
    guard: impl Fn(&Parts) -> Option<Response<Body>> + Send + Sync + 'static,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let listener = listener.into();
    let requests = Arc::new(Semaphore::new(limits.max_requests));
    let service = Service { guard: Arc::new(guard), router, limits, requests };
    // Half of the files are for everything else.
    let files = open_files::limit().map_or(usize::MAX, |limit| (limit / 2).max(1));
    let connections = Connections::new(limits.max_connections.min(files));
    let (drain, drains) = watch::channel(());
    let mut tasks = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let accept = async || loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (connections.place(peer.network()).await, stream, peer),
            Err(error) if open_files::is_none_left(&error) && connections.give_way(ACCEPT_PAUSE).await => {}
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    };
    loop {
        let (place, stream, peer) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept() => accepted,
        };
        while tasks.try_join_next().is_some() {}
        let id = place.id();
        let (service, drains) = (service.clone(), drains.clone());
        let task = match stream {
            Accepted::Tcp(stream) => {
                let _ = stream.set_nodelay(true); // responses are small
                tasks.spawn(connection(stream, peer, place, service, drains))
            }
            #[cfg(unix)]
            Accepted::Unix(stream) => tasks.spawn(connection(stream, peer, place, service, drains)),
        };
        Place::served_by(id, &connections, task);
    }
    drop((listener, drain)); // ends each connection after its current request
    let _ = tokio::time::timeout(limits.drain_timeout, async { while tasks.join_next().await.is_some() {} }).await;
    // A task ends at its next await. One that does not come to it is left behind.
    let _ = tokio::time::timeout(ABORT_TIMEOUT, tasks.shutdown()).await;
}

/// Serves one connection until it ends, or until its current request is answered after `drain`.
async fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: Peer,
    place: Place,
    service: Service,
    drain: watch::Receiver<()>,
) {
    let (place, limits) = (Arc::new(place), service.limits);
    let respond = |request| {
        let (place, service) = (Arc::clone(&place), service.clone());
        async move { Ok::<_, Infallible>(respond(request, peer, &place, service).await) }
    };
    let stream = TokioIo::new(TimedStream::new(stream, limits.write_timeout));
    match limits.protocol {
        Protocol::Http1 => {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.head_timeout)
                .max_buf_size(usize::try_from(limits.max_head_bytes).unwrap_or(usize::MAX))
                .serve_connection(stream, service_fn(respond));
            until_drained(connection, drain).await;
        }
        Protocol::Http2 { max_streams } => {
            let connection = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .keep_alive_interval(limits.head_timeout)
                .keep_alive_timeout(limits.head_timeout)
                .max_concurrent_streams(max_streams)
                .max_header_list_size(limits.max_head_bytes)
                .serve_connection(stream, service_fn(respond));
            until_drained(connection, drain).await;
        }
    }
}

/// Serves until the connection ends, or until what is in progress is answered after `drain`.
async fn until_drained(connection: impl GracefulConnection, mut drain: watch::Receiver<()>) {
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = drain.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await; // a broken connection concerns only its client
}

/// Asks the guard, reads the body, then calls the router.
async fn respond(request: Request<Incoming>, peer: Peer, place: &Place, service: Service) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    if let Some(mut refusal) = (service.guard)(&parts) {
        refusal.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return refusal;
    }
    let body = match read(body, service.limits).await {
        Ok(body) => body,
        Err((status, problem)) => {
            let headers = [(header::CONNECTION, "close"), (header::CACHE_CONTROL, "no-store")];
            // The form of OAuth errors (RFC 6749 §5.2), which clients of the token service read.
            let body = json!({ "error": "invalid_request", "error_description": problem });
            return (status, headers, Json(body)).into_response();
        }
    };
    let Ok(_permit) = service.requests.try_acquire() else {
        let headers = [(header::RETRY_AFTER, "1"), (header::CACHE_CONTROL, "no-store")];
        return (StatusCode::SERVICE_UNAVAILABLE, headers).into_response();
    };
    match peer {
        Peer::Address(address) => drop(parts.extensions.insert(ConnectInfo(address))),
        Peer::Socket => drop(parts.extensions.insert(ConnectInfo(UnixPeer))),
    }
    let _in_progress = place.begin_request();
    let Ok(response) = service.router.oneshot(Request::from_parts(parts, body)).await;
    response
}

async fn read(body: Incoming, limits: Limits) -> Result<Body, (StatusCode, &'static str)> {
    const TOO_LARGE: (StatusCode, &str) = (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large");
    const TOO_SLOW: (StatusCode, &str) = (StatusCode::REQUEST_TIMEOUT, "the body took too long");
    const INCOMPLETE: (StatusCode, &str) = (StatusCode::BAD_REQUEST, "the body is incomplete");
    if usize::try_from(body.size_hint().lower()).map_or(true, |length| length > limits.max_body_bytes) {
        return Err(TOO_LARGE);
    }
    let read = to_bytes(Body::new(body), limits.max_body_bytes);
    let read = tokio::time::timeout(limits.body_timeout, read).await.map_err(|_| TOO_SLOW)?;
    read.map(Body::from).map_err(|error| match error.source().is_some_and(<dyn Error>::is::<LengthLimitError>) {
        true => TOO_LARGE,
        false => INCOMPLETE,
    })
}
