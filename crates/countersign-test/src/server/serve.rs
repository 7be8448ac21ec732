//! The accept loop, and the service of one connection.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody, to_bytes};
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceExt;

use super::connections::{Connections, Place};

/// The most open connections.
pub(super) const MAX_CONNECTIONS: usize = 256;

/// The largest request head, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// The largest request body, in bytes.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// The longest time for a request head, for a request body, and between two requests of a connection.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest time for which a connection is open: a client that takes no response keeps it no longer.
const MAX_CONNECTION_TIME: Duration = Duration::from_secs(3600);

/// The longest time that [`Server::stop`] waits for responses in progress.
const CLOSING: Duration = Duration::from_secs(1);

/// The pause after the system refuses to accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A running server. Port and connections close when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves the routes. They get a receiver that becomes true when the server stops.
    pub(crate) fn start(listener: TcpListener, routes: impl FnOnce(watch::Receiver<bool>) -> Router) -> Self {
        let (stop, stopped) = watch::channel(false);
        let routes = routes(stopped.clone());
        Server { stop, task: tokio::spawn(serve(listener, routes, stopped)) }
    }

    /// Closes the port, and each connection after its current response.
    pub(crate) async fn stop(mut self) {
        let _ = self.stop.send(true);
        let _ = tokio::time::timeout(CLOSING, &mut self.task).await; // the rest closes as this is dropped
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort(); // and with it the tasks of its connections
    }
}

/// Waits for the end of the server.
pub(crate) async fn until_stopped(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await; // a dropped sender is a stop too
}

async fn serve(listener: TcpListener, routes: Router, stopped: watch::Receiver<bool>) {
    let connections = Connections::new(MAX_CONNECTIONS);
    let mut tasks = JoinSet::new();
    let accept = async || loop {
        match listener.accept().await {
            Ok((stream, _)) => return (connections.place().await, stream),
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    };
    loop {
        let (place, stream) = tokio::select! {
            () = until_stopped(stopped.clone()) => break,
            accepted = accept() => accepted,
        };
        while tasks.try_join_next().is_some() {}
        let id = place.id();
        let served = connection(stream, place, routes.clone(), stopped.clone());
        let task = tasks.spawn(async move { drop(tokio::time::timeout(MAX_CONNECTION_TIME, served).await) });
        connections.serve(id, task);
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

/// Serves one connection until it ends, or until its current request is answered after the stop.
async fn connection(stream: TcpStream, place: Place, routes: Router, stopped: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true); // responses are small
    let place = Arc::new(place);
    let respond = |request| {
        let (place, routes) = (Arc::clone(&place), routes.clone());
        async move { Ok::<_, Infallible>(respond(request, &place, routes).await) }
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service_fn(respond));
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = until_stopped(stopped) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await; // a broken connection concerns only its client
}

/// Reads the body, then calls the routes.
async fn respond(request: Request<Incoming>, place: &Place, routes: Router) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if usize::try_from(body.size_hint().lower()).map_or(true, |length| length > MAX_BODY_BYTES) {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    let body = match tokio::time::timeout(READ_TIMEOUT, to_bytes(Body::new(body), MAX_BODY_BYTES)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    place.set_in_progress(true);
    let Ok(response) = routes.oneshot(Request::from_parts(parts, Body::from(body))).await;
    place.set_in_progress(false);
    response
}
