//! The reasons why a proxy does not connect.

use std::error::Error;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use tower_service::Service;

/// The error of an HTTP proxy.
type TunnelError = <Tunnel<HttpConnector> as Service<Uri>>::Error;

/// The error of a SOCKS proxy.
type SocksError = <SocksV5<HttpConnector> as Service<Uri>>::Error;

/// The reason, if `error` is one of a proxy; `beneath` names the cause if the proxy itself is not reached.
pub(super) fn problem(
    error: &(dyn Error + 'static),
    beneath: impl Fn(&(dyn Error + 'static)) -> &'static str,
) -> Option<&'static str> {
    if let Some(error) = error.downcast_ref::<TunnelError>() {
        return Some(match error {
            TunnelError::ConnectFailed(cause) => beneath(&**cause),
            TunnelError::Io(cause) => beneath(cause),
            TunnelError::ProxyAuthRequired => "it requires a user and a password",
            TunnelError::TunnelUnexpectedEof => "it closed the connection",
            TunnelError::TunnelUnsuccessful => "it refused to connect",
            TunnelError::MissingHost | TunnelError::ProxyHeadersTooLong => "its response is not usable",
        });
    }
    Some(match error.downcast_ref::<SocksError>()? {
        SocksError::Inner(cause) => beneath(cause),
        SocksError::Io(cause) => beneath(cause),
        SocksError::V4(_) | SocksError::V5(_) => "it refused to connect, or the user and password",
        SocksError::DnsFailure => "it cannot resolve the host name",
        _ => "it does not speak SOCKS",
    })
}
