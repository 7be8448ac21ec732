//! HTTP clients without redirects, cookies and long waits.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, redirect};

use super::failure::FetchFailure;
use super::reach::PublicNames;
use super::settings::Kind;

/// The time limit for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The time limit for a whole request; callers' policies restrict it further.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);

/// The most idle connections to one host that are kept for an endpoint that is asked often.
#[cfg(feature = "introspection")]
const MAX_IDLE: usize = 16;

/// The longest time for which such a connection is kept, shorter than that of most servers.
#[cfg(feature = "introspection")]
const MAX_IDLE_TIME: Duration = Duration::from_secs(20);

/// A builder with the rules of all clients, whose connections are kept for the next request.
#[cfg(feature = "introspection")]
pub(crate) fn keeping_connections() -> ClientBuilder {
    bounded(Client::builder()).pool_max_idle_per_host(MAX_IDLE).pool_idle_timeout(MAX_IDLE_TIME)
}

/// The client of the process for connections without settings. Only the one for proxies uses one, so that plain HTTP to
/// loopback does not leave the machine, and addresses that others choose can be checked.
pub(super) fn shared(kind: Kind) -> Result<&'static Client, FetchFailure> {
    static CLIENT: OnceLock<Option<Client>> = OnceLock::new();
    static LOOPBACK: OnceLock<Option<Client>> = OnceLock::new();
    static PUBLIC: OnceLock<Option<Client>> = OnceLock::new();
    let names = || std::sync::Arc::new(PublicNames::from_system());
    let client = match kind {
        Kind::Proxied => CLIENT.get_or_init(|| builder().build().ok()),
        Kind::Direct => LOOPBACK.get_or_init(|| builder().no_proxy().build().ok()),
        Kind::PublicOnly => PUBLIC.get_or_init(|| builder().no_proxy().dns_resolver(names()).build().ok()),
    };
    client.as_ref().ok_or(FetchFailure::NoClient)
}

/// Keeps no idle connections: fetches are minutes apart, and a connection would outlive the runtime that drives it.
fn builder() -> ClientBuilder {
    bounded(Client::builder())
}

/// Applies the rules of all clients to a builder with additional settings, such as a certificate.
///
/// HTTP/2 would save little, and its errors hide the reason of a server that refuses the client's certificate: with TLS 1.3 it
/// comes after the handshake.
pub(super) fn bounded(builder: ClientBuilder) -> ClientBuilder {
    builder
        .http1_only()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
}
