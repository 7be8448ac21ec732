//! The reasons why a connection fails, found by the types of an error's causes.

use std::error::Error;
use std::{fmt, io};

use super::causes::causes;
use super::tls::TlsFailure;
use super::{proxy, tls};

/// The reason why a connection failed. The set of texts is closed, and none has text of the other side.
///
/// ```
/// use std::io::{Error, ErrorKind};
/// use countersign::integration::ConnectionFailure;
///
/// let refused = Error::from(ErrorKind::ConnectionRefused);
/// assert_eq!(ConnectionFailure::of(&refused), Some(ConnectionFailure::Refused));
/// assert_eq!(ConnectionFailure::Refused.to_string(), "connection refused");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionFailure {
    /// The host name has no address, or no name server answers.
    NameNotFound,
    /// Nothing listens on the port.
    Refused,
    /// There is no route to the network or host.
    Unreachable,
    /// There was no connection in time.
    TimedOut,
    /// The other side closed or reset the connection.
    Closed,
    /// The server's certificate is not trusted, and why.
    NotTrusted(&'static str),
    /// TLS failed for another reason, and which.
    Handshake(&'static str),
    /// The proxy failed, and why.
    Proxy(&'static str),
    /// Another reason.
    Other,
}

impl ConnectionFailure {
    /// The reason among the causes of `error`, which may be one of `reqwest`.
    ///
    /// ```
    /// use countersign::integration::ConnectionFailure;
    ///
    /// assert_eq!(ConnectionFailure::of(&std::fmt::Error), None);
    /// ```
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(problem) = causes(error).find_map(|cause| proxy::problem(cause, proxy_problem)) {
            return Some(ConnectionFailure::Proxy(problem));
        }
        let request = error.downcast_ref::<reqwest::Error>();
        if request.is_some_and(reqwest::Error::is_dns) {
            return Some(ConnectionFailure::NameNotFound);
        }
        if let Some(failure) = causes(error).find_map(<dyn Error>::downcast_ref).map(of_tls) {
            return Some(failure);
        }
        if request.is_some_and(|error| error.is_connect() && error.is_timeout()) {
            return Some(ConnectionFailure::TimedOut);
        }
        let of_io = |cause: &(dyn Error + 'static)| of_kind(cause.downcast_ref::<io::Error>()?.kind());
        let unknown = || request.filter(|error| error.is_connect()).map(|_| ConnectionFailure::Other);
        causes(error).find_map(of_io).or_else(unknown)
    }

    /// The failure as the `error.type` of a span.
    pub(super) const fn error_type(self) -> &'static str {
        match self {
            ConnectionFailure::NameNotFound => "name_not_found",
            ConnectionFailure::Refused => "connection_refused",
            ConnectionFailure::Unreachable => "host_unreachable",
            ConnectionFailure::TimedOut => "timeout",
            ConnectionFailure::Closed => "connection_closed",
            ConnectionFailure::NotTrusted(_) => "certificate_not_trusted",
            ConnectionFailure::Handshake(_) => "tls_handshake_failed",
            ConnectionFailure::Proxy(_) => "proxy_failed",
            ConnectionFailure::Other => "no_connection",
        }
    }

    /// Returns whether the same connection may succeed a moment later.
    #[cfg(feature = "_client")]
    pub(crate) const fn may_pass(self) -> bool {
        !matches!(self, ConnectionFailure::NotTrusted(_) | ConnectionFailure::Handshake(_))
    }
}

/// The reason why the proxy itself is not reached.
fn proxy_problem(cause: &(dyn Error + 'static)) -> &'static str {
    match ConnectionFailure::of(cause) {
        Some(ConnectionFailure::Refused) => "it refused the connection",
        Some(ConnectionFailure::Unreachable) => "it is unreachable",
        Some(ConnectionFailure::TimedOut) => "it does not answer in time",
        Some(ConnectionFailure::Closed) => "it closed the connection",
        Some(ConnectionFailure::NotTrusted(_)) => "its certificate is not trusted",
        Some(ConnectionFailure::Handshake(_)) => "the TLS handshake failed",
        _ => "its host name was not found, or it is unreachable",
    }
}

fn of_tls(error: &rustls::Error) -> ConnectionFailure {
    match tls::failure(error) {
        TlsFailure::NotTrusted(why) => ConnectionFailure::NotTrusted(why),
        TlsFailure::Handshake(why) => ConnectionFailure::Handshake(why),
    }
}

fn of_kind(kind: io::ErrorKind) -> Option<ConnectionFailure> {
    Some(match kind {
        io::ErrorKind::ConnectionRefused => ConnectionFailure::Refused,
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable
        | io::ErrorKind::NotConnected => ConnectionFailure::Unreachable,
        io::ErrorKind::TimedOut => ConnectionFailure::TimedOut,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => ConnectionFailure::Closed,
        _ => return None,
    })
}

impl fmt::Display for ConnectionFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectionFailure::NameNotFound => f.write_str("host name not found"),
            ConnectionFailure::Refused => f.write_str("connection refused"),
            ConnectionFailure::Unreachable => f.write_str("host unreachable"),
            ConnectionFailure::TimedOut => f.write_str("connection timed out"),
            ConnectionFailure::Closed => f.write_str("connection closed by the server"),
            ConnectionFailure::NotTrusted(why) => write!(f, "certificate not trusted: {why}"),
            ConnectionFailure::Handshake(why) => write!(f, "TLS handshake failed: {why}"),
            ConnectionFailure::Proxy(why) => write!(f, "proxy failed: {why}"),
            ConnectionFailure::Other => f.write_str("no connection"),
        }
    }
}
