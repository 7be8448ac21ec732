//! Bounded HTTP requests of the command itself. Services fetch with the library's code.

mod connection;
mod loopback;

use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use countersign::integration::{ConnectionFailure, redirect_target};
use countersign::key::MAX_JWKS_BYTES;
use countersign::secret::Secret;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, Method, Url, redirect};

use crate::exit::Failure;
use crate::output;
pub(crate) use connection::ConnectionOptions;
pub(crate) use loopback::{is_loopback, literal_ip};

/// Timeout for a response, equal to that of services.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Timeout for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// A response.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// The address that responded.
    url: String,
    /// Set if the body exceeded the size that services read.
    pub(crate) is_cut: bool,
    /// The local time of receipt, in seconds since 1970.
    pub(crate) at: i64,
}

impl Fetched {
    /// The status, and the target of a redirect.
    pub(crate) fn status_text(&self) -> String {
        match redirect_target(&self.url, &self.headers) {
            Some(target) => {
                format!("status {}, a redirect to {target}, which services do not follow", self.status)
            }
            None => format!("status {}", self.status),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Parses an allowed URL: https, or http on loopback.
pub(crate) fn address(text: &str) -> Result<Url, Failure> {
    address_within(text, false)
}

/// As [`address`]; with `allows_plain_http`, http on any host too.
pub(crate) fn address_within(text: &str, allows_plain_http: bool) -> Result<Url, Failure> {
    let url = Url::parse(text)
        .map_err(|_| Failure::usage(format!("{}: not a URL; begin with https://", output::safe(text))))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if allows_plain_http || is_loopback(url.host_str().unwrap_or_default()) => Ok(url),
        _ => Err(Failure::usage(format!("{}: not https; plain http is for loopback only", output::safe(text)))),
    }
}

/// Sends a GET request to `url`; `Err` is the reason for a missing response.
pub(crate) async fn get(connection: &ConnectionOptions, url: &Url) -> Result<Fetched, String> {
    send(connection, Method::GET, url, HeaderMap::new(), Vec::new()).await
}

/// Sends a request without following redirects; `Err` is the reason for a missing response.
pub(crate) async fn send(
    connection: &ConnectionOptions,
    method: Method,
    url: &Url,
    headers: HeaderMap,
    body: Vec<u8>,
) -> Result<Fetched, String> {
    send_within(ANSWER_WITHIN, connection, method, url, headers, body).await
}

/// As [`send`], with this timeout.
pub(crate) async fn send_within(
    limit: Duration,
    connection: &ConnectionOptions,
    method: Method,
    url: &Url,
    headers: HeaderMap,
    body: Vec<u8>,
) -> Result<Fetched, String> {
    send_bounded((limit, MAX_JWKS_BYTES), connection, method, url, headers, body).await
}

/// As [`send`], with this timeout and this largest response.
pub(crate) async fn send_bounded(
    (limit, max_bytes): (Duration, usize),
    connection: &ConnectionOptions,
    method: Method,
    url: &Url,
    headers: HeaderMap,
    body: Vec<u8>,
) -> Result<Fetched, String> {
    let builder = Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_WITHIN)
        .timeout(limit)
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")));
    let client = connection.client(url.host_str().unwrap_or_default(), builder).map_err(|fault| fault.to_string())?;
    let sent = client.request(method, url.clone()).headers(headers).body(body).send().await;
    let mut response = sent.map_err(|error| failure_reason(&error, limit))?;
    let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
    let mut body = Vec::new();
    let mut is_cut = false;
    while let Some(chunk) = response.chunk().await.map_err(|error| failure_reason(&error, limit))? {
        body.extend_from_slice(&chunk);
        if body.len() > max_bytes {
            body.truncate(max_bytes);
            is_cut = true;
            break;
        }
    }
    let at = i64::try_from(SystemClock.now().as_secs()).unwrap_or(i64::MAX);
    Ok(Fetched { status, headers, body, url: url.to_string(), is_cut, at })
}

/// The reason for a failed request whose time limit was `limit`, without the URL.
pub(crate) fn failure_reason(error: &reqwest::Error, limit: Duration) -> String {
    match ConnectionFailure::of(error) {
        Some(failure) => failure.to_string(),
        None if error.is_timeout() => format!("no answer within {} s", limit.as_secs()),
        None => "the connection broke".to_owned(),
    }
}

/// The `Authorization` header with a token, which no log shows; `None` if the token has characters that no header can have.
pub(crate) fn bearer(token: &str) -> Option<HeaderValue> {
    let line = Secret::from(format!("Bearer {token}"));
    let mut value = HeaderValue::from_str(line.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}
