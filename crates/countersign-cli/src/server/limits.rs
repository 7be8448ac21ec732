//! The limits of a server.

use std::time::Duration;

/// The most open connections.
const MAX_CONNECTIONS: usize = 512;

/// The longest time for a whole request head, and the longest idle time of a connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time for a whole request body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time in which a client takes no byte of a response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time from the shutdown signal to the end; container runtimes kill after ten seconds.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);

/// The most requests in progress on one connection of HTTP/2.
const MAX_STREAMS: u32 = 1024;

/// The protocol of all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    /// Without an upgrade, as gRPC speaks it.
    Http2 {
        max_streams: u32,
    },
}

/// The limits of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(super) protocol: Protocol,
    pub(super) max_connections: usize,
    pub(super) max_body_bytes: usize,
    pub(super) head_timeout: Duration,
    pub(super) body_timeout: Duration,
    pub(super) write_timeout: Duration,
    pub(super) drain_timeout: Duration,
}

impl Limits {
    /// The default limits, with this maximum size of a request body.
    pub(crate) const fn new(max_body_bytes: usize) -> Self {
        Limits {
            protocol: Protocol::Http1,
            max_connections: MAX_CONNECTIONS,
            max_body_bytes,
            head_timeout: HEAD_TIMEOUT,
            body_timeout: BODY_TIMEOUT,
            write_timeout: WRITE_TIMEOUT,
            drain_timeout: DRAIN_TIMEOUT,
        }
    }

    /// The same limits for a server that speaks HTTP/2.
    pub(crate) const fn http2(self) -> Self {
        Limits { protocol: Protocol::Http2 { max_streams: MAX_STREAMS }, ..self }
    }
}
