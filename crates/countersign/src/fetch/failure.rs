//! The reasons why a fetch yields no usable response.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use http::StatusCode;

use super::causes::causes;
use super::connection::ConnectionFailure;

/// A failed fetch. Its text of the other side, the host that a redirect leads to, is escaped and short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FetchFailure {
    /// The TLS client could not be set up on this machine.
    NoClient,
    /// The connection failed, and why.
    Connection(ConnectionFailure),
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
    /// The status 404 of an issuer's discovery document, whose address is safe to print.
    NoMetadata(String),
    /// A redirect, which is not followed, and the scheme and host that it leads to. The text is safe to print.
    Redirect(StatusCode, Option<String>),
    /// The issuer states that it has no keys.
    #[cfg(feature = "remote-keys")]
    NoKeys,
    /// The response has unusable content, and why.
    Unusable(&'static str),
    /// The same, with escaped and short text of the other side.
    Content(String),
}

/// The error of a host name that resolves to a private address.
#[derive(Debug)]
pub(super) struct NotPublic;

impl FetchFailure {
    /// Returns whether the other side responded with content that must not be used.
    #[cfg(any(feature = "remote-keys", feature = "status-list"))]
    pub(crate) const fn is_about_content(&self) -> bool {
        matches!(self, FetchFailure::Unusable(_) | FetchFailure::Content(_) | FetchFailure::TooLarge)
    }

    /// The failure as the `error.type` of a span: of a closed set, or the status.
    pub(crate) fn error_type(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            FetchFailure::NoClient => "no_tls_client",
            FetchFailure::Connection(failure) => failure.error_type(),
            FetchFailure::NotPublic => "private_address",
            FetchFailure::Timeout => "timeout",
            FetchFailure::Broken => "connection_broken",
            FetchFailure::TooLarge => "response_too_large",
            FetchFailure::Status(status, _) | FetchFailure::Redirect(status, _) => {
                return Cow::Owned(status.as_str().to_owned());
            }
            FetchFailure::NoMetadata(_) => "404",
            #[cfg(feature = "remote-keys")]
            FetchFailure::NoKeys => "no_keys",
            FetchFailure::Unusable(_) | FetchFailure::Content(_) => "unusable_content",
        })
    }

    pub(super) fn from_reqwest(error: &reqwest::Error) -> Self {
        if causes(error).any(<dyn std::error::Error>::is::<NotPublic>) {
            return FetchFailure::NotPublic;
        }
        match ConnectionFailure::of(error) {
            None | Some(ConnectionFailure::TimedOut) if error.is_timeout() && !error.is_connect() => {
                FetchFailure::Timeout
            }
            Some(failure) => FetchFailure::Connection(failure),
            None => FetchFailure::Broken,
        }
    }
}

impl fmt::Display for FetchFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchFailure::NoClient => f.write_str("the TLS client could not be set up; are there root certificates?"),
            FetchFailure::Connection(failure) => failure.fmt(f),
            FetchFailure::NotPublic => f.write_str("the address is in a private network, which is not allowed"),
            FetchFailure::Timeout => f.write_str("no response in time"),
            FetchFailure::Broken => f.write_str("the connection broke"),
            FetchFailure::TooLarge => f.write_str("the response is larger than allowed"),
            FetchFailure::Status(status, _) => write!(f, "status {}", status.as_u16()),
            FetchFailure::NoMetadata(address) => write!(
                f,
                "no discovery document at {address} (status 404); compare the issuer's path, such as the realm"
            ),
            FetchFailure::Redirect(status, target) => {
                let (status, target) = (status.as_u16(), target.as_deref().unwrap_or("an unreadable address"));
                write!(f, "status {status}, a redirect to {target}, which is not followed; configure the final address")
            }
            #[cfg(feature = "remote-keys")]
            FetchFailure::NoKeys => f.write_str("the issuer states that it has no keys"),
            FetchFailure::Unusable(why) => f.write_str(why),
            FetchFailure::Content(why) => f.write_str(why),
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
