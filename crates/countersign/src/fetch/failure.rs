//! The reasons why a fetch yields no usable response.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

/// A failed fetch. Holds no address and no text of the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FetchFailure {
    /// The TLS client could not be set up on this machine.
    NoClient,
    /// The connection failed.
    Connect,
    /// The address is in a private network, and the operator did not configure it.
    NotPublic,
    /// The time limit passed.
    Timeout,
    /// The connection broke, or the peer does not speak HTTP.
    Broken,
    /// The response was longer than allowed.
    TooLarge,
    /// An unexpected status, with its `Retry-After`.
    Status(StatusCode, Option<Duration>),
    /// The issuer states that it has no keys.
    #[cfg(feature = "remote-keys")]
    NoKeys,
    /// The response has unusable content, and why.
    Unusable(&'static str),
}

/// The error of a host name that resolves to a private address.
#[derive(Debug)]
pub(super) struct NotPublic;

impl FetchFailure {
    /// Returns whether the other side responded with content that must not be used.
    #[cfg(feature = "remote-keys")]
    pub(crate) const fn is_about_content(&self) -> bool {
        matches!(self, FetchFailure::Unusable(_) | FetchFailure::TooLarge)
    }

    pub(super) fn from_reqwest(error: &reqwest::Error) -> Self {
        let mut causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
        if causes.any(<dyn std::error::Error>::is::<NotPublic>) {
            FetchFailure::NotPublic
        } else if error.is_timeout() {
            FetchFailure::Timeout
        } else if error.is_connect() {
            FetchFailure::Connect
        } else {
            FetchFailure::Broken
        }
    }
}

impl fmt::Display for FetchFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchFailure::NoClient => f.write_str("the TLS client could not be set up; are there root certificates?"),
            FetchFailure::Connect => f.write_str("no connection"),
            FetchFailure::NotPublic => f.write_str("the address is in a private network, which is not allowed"),
            FetchFailure::Timeout => f.write_str("no response in time"),
            FetchFailure::Broken => f.write_str("the connection broke"),
            FetchFailure::TooLarge => f.write_str("the response is larger than allowed"),
            FetchFailure::Status(status, _) => write!(f, "status {}", status.as_u16()),
            #[cfg(feature = "remote-keys")]
            FetchFailure::NoKeys => f.write_str("the issuer states that it has no keys"),
            FetchFailure::Unusable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for FetchFailure {}

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host name resolves to a private address")
    }
}

impl std::error::Error for NotPublic {}
