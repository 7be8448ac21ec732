//! The only code that opens a connection for ourselves: HTTPS, no redirects, bounded in time and size.

mod answer;
mod client;
mod discovery;
mod reach;

use countersign_core::error::Fault;
use reqwest::{Client, Request, Url};

pub(crate) use answer::{Answer, FetchFailure};
pub(crate) use client::bounded;
#[cfg(feature = "outbound")]
pub(crate) use discovery::metadata_urls;
#[cfg(feature = "remote-keys")]
pub(crate) use discovery::metadata_urls_within;
pub(crate) use discovery::{Endpoint, discover};
pub(crate) use reach::Reach;

/// Reads an address as the client will.
#[cfg(feature = "remote-keys")]
pub(crate) fn parse_url(url: &str) -> Option<Url> {
    Url::parse(url).ok()
}

/// Checks an address that an operator or a discovery document names: `https`, or `http` on a literal loopback host; no
/// user part, no fragment (S4.01, S4.03).
pub(crate) fn checked_url(url: &str, field: &'static str) -> Result<Url, Fault> {
    checked_url_within(Reach::Anywhere, url, field)
}

/// The same, where plain HTTP may have been allowed.
pub(crate) fn checked_url_within(reach: Reach, url: &str, field: &'static str) -> Result<Url, Fault> {
    let parsed = Url::parse(url).map_err(|_| Fault::new(field, "not a URL; name it with https:// at its front"))?;
    let safe_scheme = match parsed.scheme() {
        "https" => true,
        "http" => reach == Reach::AnywhereInPlainHttp || is_loopback(&parsed),
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

/// Sends `request` to an address within `reach` and reads at most `max_bytes` of the answer.
pub(crate) async fn send_within(reach: Reach, request: Request, max_bytes: usize) -> Result<Answer, FetchFailure> {
    let client = match reach {
        Reach::Anywhere | Reach::AnywhereInPlainHttp => client::of_process(is_loopback(request.url()))?,
        Reach::PublicOnly => {
            reach::refuse_private_literal(request.url())?;
            client::to_public_addresses()?
        }
    };
    let response = client.execute(request).await.map_err(|error| FetchFailure::from_reqwest(&error))?;
    if reach == Reach::PublicOnly {
        reach::refuse_private_peer(&response)?;
    }
    Answer::read(response, max_bytes).await
}

/// Sends `request` wherever the operator points, as [`send_within`].
#[cfg(feature = "outbound")]
pub(crate) async fn send(request: Request, max_bytes: usize) -> Result<Answer, FetchFailure> {
    send_within(Reach::Anywhere, request, max_bytes).await
}

/// Sends `request` by a client made for one purpose.
pub(crate) async fn send_by(client: &Client, request: Request, max_bytes: usize) -> Result<Answer, FetchFailure> {
    let response = client.execute(request).await.map_err(|error| FetchFailure::from_reqwest(&error))?;
    Answer::read(response, max_bytes).await
}
