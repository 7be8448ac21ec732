//! The reasons why a command has no answer. The set of texts is closed, and none has text of the server.

use std::error::Error;
use std::io;
use std::sync::Arc;

use redis::{ErrorKind, RedisError};
use tokio_rustls::rustls;

/// The reason why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There is no connection now, and why.
    Connection(&'static str),
    /// The answer did not come in time.
    TimedOut,
    /// Too many commands wait already.
    Busy,
    /// The server refuses, and why.
    Refused(&'static str),
    /// The server forgot proofs a moment ago.
    Recovering,
    /// The clocks of this service and of the server differ.
    Clocks,
}

impl Failure {
    /// The server answered something else than the script does.
    pub(crate) const NOT_OF_SCRIPT: Failure = Failure::Refused("the server's answer is not one of the script");

    /// The server answered something else than entries of a stream.
    pub(crate) const NOT_OF_STREAM: Failure = Failure::Refused("the server's answer is not that of a stream");

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Failure::Connection(reason) | Failure::Refused(reason) => reason,
            Failure::TimedOut => "the server does not answer in time",
            Failure::Busy => "too many commands wait for the server; see max_in_flight",
            Failure::Recovering => {
                "the server remembers proofs only since a moment ago, so those of this moment may have been used before"
            }
            Failure::Clocks => "the clock of this service and that of the server differ; synchronise both",
        }
    }

    /// The failure that an error of the server or of the connection stands for.
    pub(super) fn of(error: &RedisError) -> Self {
        if error.is_timeout() {
            return Failure::TimedOut;
        }
        if error.is_connection_refusal() {
            return Failure::Connection("connection refused");
        }
        if error.kind() == ErrorKind::AuthenticationFailed {
            return Failure::Refused("user or password is wrong");
        }
        if let Some(error) = error.source().and_then(of_io) {
            return Failure::of_socket(error);
        }
        if error.is_connection_dropped() || error.is_io_error() {
            return Failure::Connection("the server closed the connection");
        }
        // Errors of commands within a script have their code in the text on older servers.
        let text = error.detail().unwrap_or_default();
        let is = |code: &str| error.code() == Some(code) || text.contains(code);
        let known = REFUSALS.iter().find(|(code, _)| is(code));
        Failure::Refused(known.map_or("the server answered with an error", |(_, reason)| reason))
    }

    /// The failure of a socket or of TLS.
    pub(super) fn of_socket(error: &io::Error) -> Self {
        let tls = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
        Failure::Connection(match (tls, error.kind()) {
            (Some(rustls::Error::InvalidCertificate(_)), _) => "the server's certificate is not trusted",
            (Some(rustls::Error::AlertReceived(_)), _) => "the server refused the TLS handshake",
            (Some(_), _) => "the TLS handshake failed",
            (None, io::ErrorKind::ConnectionRefused) => "connection refused",
            (None, io::ErrorKind::NotFound) => "there is no such socket",
            (None, io::ErrorKind::PermissionDenied) => "this process may not use the socket",
            (
                None,
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe,
            ) => "the server closed the connection",
            (None, _) => "the server is not reached: unknown host name, or no route",
        })
    }
}

/// The error of a socket, which the crate `redis` shares among those that wait.
fn of_io<'e>(cause: &'e (dyn Error + 'static)) -> Option<&'e io::Error> {
    cause.downcast_ref().or_else(|| cause.downcast_ref::<Arc<dyn Error + Send + Sync>>()?.downcast_ref())
}

/// Codes of the server, and what they mean here.
const REFUSALS: [(&str, &str); 13] = [
    ("WRONGPASS", "user or password is wrong"),
    ("NOAUTH", "the server requires a password"),
    (
        "NOPERM",
        "the user may not run a command or use a key that is needed; see the documentation of RedisReplays, RevocationStream or RedisBundles",
    ),
    ("READONLY", "the server is a read-only replica"),
    ("OOM", "the memory of the server is full (maxmemory)"),
    ("WRONGTYPE", "a key with this prefix belongs to something else; choose another prefix"),
    ("LOADING", "the server loads its data"),
    ("MASTERDOWN", "the primary of the server is not reached"),
    ("CLUSTERDOWN", "a part of the cluster is down"),
    ("MISCONF", "the server does not write because it cannot save its data"),
    ("NOREPLICAS", "the server does not write because it has too few replicas"),
    ("BUSY", "the server runs another script"),
    ("TRYAGAIN", "the keys move to another node"),
];
