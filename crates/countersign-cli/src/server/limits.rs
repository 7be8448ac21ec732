//! The limits of a server.

use std::num::NonZero;
use std::time::Duration;

use tokio::sync::Semaphore;

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

/// The most requests in progress.
const MAX_REQUESTS: usize = 4096;

/// The largest head of a request, in bytes: with HTTP/2, its list of headers.
const MAX_HEAD_BYTES: u32 = 64 * 1024;

/// The smallest head that can be set, in bytes; hyper needs as many.
const MIN_HEAD_BYTES: u32 = 8 * 1024;

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
    pub(super) max_requests: usize,
    pub(super) max_head_bytes: u32,
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
            max_requests: MAX_REQUESTS,
            max_head_bytes: MAX_HEAD_BYTES,
            max_body_bytes,
            head_timeout: HEAD_TIMEOUT,
            body_timeout: BODY_TIMEOUT,
            write_timeout: WRITE_TIMEOUT,
            drain_timeout: DRAIN_TIMEOUT,
        }
    }

    /// The same limits, with those of these numbers that are set.
    pub(crate) fn with(
        self,
        max_connections: Option<NonZero<usize>>,
        max_requests: Option<NonZero<usize>>,
        max_head_bytes: Option<NonZero<u32>>,
    ) -> Self {
        Limits {
            max_connections: max_connections.map_or(self.max_connections, NonZero::get),
            max_requests: max_requests.map_or(self.max_requests, NonZero::get).min(Semaphore::MAX_PERMITS),
            max_head_bytes: max_head_bytes.map_or(self.max_head_bytes, NonZero::get).max(MIN_HEAD_BYTES),
            ..self
        }
    }

    /// The same limits for a server that speaks HTTP/2.
    pub(crate) const fn http2(self) -> Self {
        Limits { protocol: Protocol::Http2 { max_streams: MAX_STREAMS }, ..self }
    }
}
