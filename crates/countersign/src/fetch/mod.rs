//! All HTTP requests of this crate itself: HTTPS, without redirects, bounded in time and size.

mod built;
#[cfg(feature = "_client")]
mod calls;
mod causes;
mod client;
#[cfg(feature = "bundle")]
mod conditional;
mod config;
mod connection;
mod discovery;
mod failure;
mod form;
mod freshness;
#[cfg(feature = "fleet")]
mod json;
mod pem;
mod proxy;
mod reach;
mod response;
mod settings;
mod span;
mod tls;

use countersign_core::error::Fault;
use countersign_core::integration::safe_text;
use reqwest::{Client, Request, Url};

use settings::Kind;

#[cfg(feature = "remote-keys")]
pub(crate) use built::proxy_hides_address;
pub use built::with_connection;
#[cfg(feature = "_client")]
pub(crate) use calls::CallClients;
#[cfg(feature = "outbound")]
pub(crate) use causes::causes;
#[cfg(feature = "introspection")]
pub(crate) use client::keeping_connections;
#[cfg(feature = "bundle")]
pub(crate) use conditional::get_if_changed;
pub(crate) use config::settings;
pub use connection::ConnectionFailure;
pub(crate) use discovery::{Endpoint, discover, metadata_urls};
pub(crate) use failure::FetchFailure;
pub use form::unexpected_form;
pub use freshness::{fresh_for, retry_after};
#[cfg(feature = "fleet")]
pub(crate) use json::post_json;
pub(crate) use reach::Reach;
pub(crate) use response::FetchedResponse;
pub use response::redirect_target;
pub use settings::ConnectionSettings;
pub(crate) use span::in_span;

/// Parses a URL as the client does.
#[cfg(feature = "remote-keys")]
pub(crate) fn parse_url(url: &str) -> Option<Url> {
    Url::parse(url).ok()
}

/// Checks a URL from an operator or a discovery document: `https`, or `http` on a literal loopback host; without user
/// information and fragment.
pub(crate) fn checked_url(url: &str, field: &'static str) -> Result<Url, Fault> {
    checked_url_within(Reach::Anywhere, url, field)
}

/// As [`checked_url`], if `reach` allows plain HTTP also on other hosts.
pub(crate) fn checked_url_within(reach: Reach, url: &str, field: &'static str) -> Result<Url, Fault> {
    let parsed = Url::parse(url).map_err(|_| Fault::new(field, "not a URL; it must start with https://"))?;
    let safe_scheme = match parsed.scheme() {
        "https" => true,
        "http" => reach == Reach::AnywhereInPlainHttp || is_loopback(&parsed),
        _ => false,
    };
    if !safe_scheme {
        // Without path and query, which may hold a secret.
        let origin = parsed.origin();
        let shown = if origin.is_tuple() { safe_text(&origin.ascii_serialization()) } else { "the address".to_owned() };
        let way_out = "danger_allow_plain_http (danger_plain_http in a policy file)";
        let problem = format!("not https ({shown}); plain http is allowed on loopback only, or with {way_out}");
        return Err(Fault::new(field, problem));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() || parsed.fragment().is_some() {
        return Err(Fault::new(field, "has user information or a fragment; remove it"));
    }
    Ok(parsed)
}

/// Returns whether the host is a literal loopback address or `localhost`.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Sends `request` to an address within `reach` and reads a response of at most `max_bytes`.
pub(crate) async fn send_within(
    settings: &ConnectionSettings,
    reach: Reach,
    request: Request,
    max_bytes: usize,
) -> Result<FetchedResponse, FetchFailure> {
    let kind = match reach {
        Reach::PublicOnly => {
            reach::refuse_private_literal(request.url())?;
            Kind::PublicOnly
        }
        Reach::Anywhere | Reach::AnywhereInPlainHttp if is_loopback(request.url()) => Kind::Direct,
        Reach::Anywhere | Reach::AnywhereInPlainHttp => Kind::Proxied,
    };
    let client = match settings.is_default() {
        true => client::shared(kind)?.clone(),
        false => settings.client(kind).await?,
    };
    execute(&client, reach, request, max_bytes).await
}

async fn execute(
    client: &Client,
    reach: Reach,
    request: Request,
    max_bytes: usize,
) -> Result<FetchedResponse, FetchFailure> {
    let send = |request| async move {
        let response = client.execute(request).await.map_err(|error| FetchFailure::from_reqwest(&error))?;
        if reach == Reach::PublicOnly {
            reach::refuse_private_peer(&response)?;
        }
        FetchedResponse::read(response, max_bytes).await
    };
    span::request_in_span(request, send).await
}
