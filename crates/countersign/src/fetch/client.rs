//! HTTP clients without redirects, cookies and long waits.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, redirect};

use super::failure::FetchFailure;
use super::reach::PublicNames;

/// The time limit for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The time limit for a whole request; callers' policies restrict it further.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);

/// The client of the process. The one for loopback uses no proxy, so that plain HTTP does not leave the machine.
pub(super) fn shared(for_loopback: bool) -> Result<&'static Client, FetchFailure> {
    static CLIENT: OnceLock<Option<Client>> = OnceLock::new();
    static LOOPBACK: OnceLock<Option<Client>> = OnceLock::new();
    let client = if for_loopback {
        LOOPBACK.get_or_init(|| builder().no_proxy().build().ok())
    } else {
        CLIENT.get_or_init(|| builder().build().ok())
    };
    client.as_ref().ok_or(FetchFailure::NoClient)
}

/// The client of the process for addresses that others choose. It uses no proxy, whose connections could not be checked.
pub(super) fn public_only() -> Result<&'static Client, FetchFailure> {
    static CLIENT: OnceLock<Option<Client>> = OnceLock::new();
    let names = || std::sync::Arc::new(PublicNames::from_system());
    let client = CLIENT.get_or_init(|| builder().no_proxy().dns_resolver(names()).build().ok());
    client.as_ref().ok_or(FetchFailure::NoClient)
}

/// Keeps no idle connections: fetches are minutes apart, and a connection would outlive the runtime that drives it.
fn builder() -> ClientBuilder {
    bounded(Client::builder())
}

/// Applies the rules of all clients to a builder with additional settings, such as a certificate.
pub(crate) fn bounded(builder: ClientBuilder) -> ClientBuilder {
    builder
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
}
