//! The only code that opens a connection for ourselves: HTTPS, no redirects, bounded in time and size.

mod answer;
mod discovery;

use std::sync::OnceLock;
use std::time::Duration;

use countersign_core::error::Fault;
use reqwest::{Client, Request, Url, redirect};

pub(crate) use answer::{Answer, FetchFailure};
pub(crate) use discovery::{Endpoint, discover, metadata_urls};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a whole exchange may take; callers' policies bound it further.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Checks an address that an operator or a discovery document names: `https`, or `http` on a literal loopback host; no
/// user part, no fragment (S4.01, S4.03).
pub(crate) fn checked_url(url: &str, field: &'static str) -> Result<Url, Fault> {
    let parsed = Url::parse(url).map_err(|_| Fault::new(field, "not a URL; name it with https:// at its front"))?;
    let safe_scheme = match parsed.scheme() {
        "https" => true,
        "http" => is_loopback(&parsed),
        _ => false,
    };
    if !safe_scheme {
        return Err(Fault::new(field, "not https; plain http is for loopback only"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() || parsed.fragment().is_some() {
        return Err(Fault::new(field, "has a user part or a fragment; leave it out"));
    }
    Ok(parsed)
}

/// Whether the host is a literal loopback address or `localhost`.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Sends `request` and reads at most `max_bytes` of the answer.
pub(crate) async fn send(request: Request, max_bytes: usize) -> Result<Answer, FetchFailure> {
    let client = client(is_loopback(request.url()))?;
    let response = client.execute(request).await.map_err(|error| FetchFailure::from_reqwest(&error))?;
    Answer::read(response, max_bytes).await
}

/// One client for the process. It keeps no idle connections: fetches are minutes apart, and a connection would outlive
/// the runtime that drives it. Loopback has one of its own, for what goes there in the clear must not go by way of a
/// proxy that the environment names.
fn client(is_loopback: bool) -> Result<&'static Client, FetchFailure> {
    static CLIENT: OnceLock<Option<Client>> = OnceLock::new();
    static DIRECT: OnceLock<Option<Client>> = OnceLock::new();
    let builder = || if is_loopback { Client::builder().no_proxy() } else { Client::builder() };
    let build = || {
        builder()
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .build()
            .ok()
    };
    let client = if is_loopback { &DIRECT } else { &CLIENT };
    client.get_or_init(build).as_ref().ok_or(FetchFailure::NoClient)
}
