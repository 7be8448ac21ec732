//! The HTTP clients, all alike in what they never do: follow redirects, keep cookies, wait for long.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, redirect};

use super::FetchFailure;
use super::reach::PublicNames;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a whole exchange may take; callers' policies bound it further.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);

/// The process's client; for loopback one that asks no proxy, lest plain HTTP leave the machine.
pub(super) fn of_process(for_loopback: bool) -> Result<&'static Client, FetchFailure> {
    static CLIENT: OnceLock<Option<Client>> = OnceLock::new();
    static LOOPBACK: OnceLock<Option<Client>> = OnceLock::new();
    let client = if for_loopback {
        LOOPBACK.get_or_init(|| builder().no_proxy().build().ok())
    } else {
        CLIENT.get_or_init(|| builder().build().ok())
    };
    client.as_ref().ok_or(FetchFailure::NoClient)
}

/// The process's client for addresses that others choose. It asks no proxy: one would do the connecting, unchecked.
pub(super) fn to_public_addresses() -> Result<&'static Client, FetchFailure> {
    static CLIENT: OnceLock<Option<Client>> = OnceLock::new();
    let names = || std::sync::Arc::new(PublicNames::of_system());
    let client = CLIENT.get_or_init(|| builder().no_proxy().dns_resolver(names()).build().ok());
    client.as_ref().ok_or(FetchFailure::NoClient)
}

/// It keeps no idle connections: fetches are minutes apart, and a connection would outlive the runtime that drives it.
fn builder() -> ClientBuilder {
    bounded(Client::builder())
}

/// The same rules for a client that was given more, such as a certificate.
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
