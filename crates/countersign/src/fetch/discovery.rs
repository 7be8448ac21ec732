//! Discovery of an issuer's endpoints from its metadata (OIDC Discovery 1.0 §4, RFC 8414 §3).

use countersign_core::error::Fault;
use http::{HeaderValue, Method, StatusCode, header};
use reqwest::{Request, Url};
use serde::Deserialize;

use super::failure::FetchFailure;
use super::reach::Reach;
use super::{checked_url_within, send_within};

/// The largest metadata document, in bytes.
const MAX_METADATA_BYTES: usize = 64 * 1024;

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: Option<String>,
    token_endpoint: Option<String>,
}

/// The two locations of an issuer's metadata, in the order of the attempts.
#[cfg(any(feature = "outbound", test))]
pub(crate) fn metadata_urls(issuer: &str) -> Result<[Url; 2], Fault> {
    metadata_urls_within(Reach::Anywhere, issuer)
}

/// As [`metadata_urls`], if `reach` allows plain HTTP also off loopback.
pub(crate) fn metadata_urls_within(reach: Reach, issuer: &str) -> Result<[Url; 2], Fault> {
    let base = checked_url_within(reach, issuer, "issuer")?;
    if base.query().is_some() {
        return Err(Fault::new("issuer", "has a query; remove it"));
    }
    let path = base.path().strip_suffix('/').unwrap_or(base.path()).to_owned();
    let with_path = |path: String| {
        let mut url = base.clone();
        url.set_path(&path);
        url
    };
    Ok([
        with_path(format!("{path}/.well-known/openid-configuration")),
        with_path(format!("/.well-known/oauth-authorization-server{path}")),
    ])
}

/// An endpoint in the metadata.
#[derive(Clone, Copy)]
pub(crate) enum Endpoint {
    Keys,
    Token,
}

/// Fetches the metadata and uses it only if it names exactly this issuer.
pub(crate) async fn discover(issuer: &str, endpoint: Endpoint, reach: Reach) -> Result<Url, FetchFailure> {
    const BAD_ISSUER: FetchFailure = FetchFailure::Unusable("the issuer is not a usable URL");
    let [openid, oauth] = metadata_urls_within(reach, issuer).map_err(|_| BAD_ISSUER)?;
    let metadata = match metadata_at(openid, reach).await {
        Err(FetchFailure::Status(StatusCode::NOT_FOUND, _)) => metadata_at(oauth, reach).await?,
        other => other?,
    };
    if metadata.issuer != issuer {
        return Err(FetchFailure::Unusable("the discovery document names another issuer; the names must be identical"));
    }
    let address = match endpoint {
        Endpoint::Keys => metadata.jwks_uri,
        Endpoint::Token => metadata.token_endpoint,
    };
    let address = address.ok_or(FetchFailure::Unusable("the discovery document lacks the endpoint"))?;
    checked_url_within(reach, &address, "endpoint").map_err(|_| FetchFailure::Unusable("the endpoint is not https"))
}

async fn metadata_at(url: Url, reach: Reach) -> Result<Metadata, FetchFailure> {
    let mut request = Request::new(Method::GET, url);
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let response = send_within(reach, request, MAX_METADATA_BYTES).await?;
    if response.status != StatusCode::OK {
        return Err(response.unexpected_status());
    }
    serde_json::from_slice(&response.body)
        .map_err(|_| FetchFailure::Unusable("the discovery document is not a JSON object with an issuer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_01_the_two_locations_of_an_issuers_metadata() {
        let cases = [
            (
                "https://h",
                ["https://h/.well-known/openid-configuration", "https://h/.well-known/oauth-authorization-server"],
            ),
            (
                "https://h/",
                ["https://h/.well-known/openid-configuration", "https://h/.well-known/oauth-authorization-server"],
            ),
            (
                "https://h/t1",
                [
                    "https://h/t1/.well-known/openid-configuration",
                    "https://h/.well-known/oauth-authorization-server/t1",
                ],
            ),
            (
                "https://h:8443/a/b/",
                [
                    "https://h:8443/a/b/.well-known/openid-configuration",
                    "https://h:8443/.well-known/oauth-authorization-server/a/b",
                ],
            ),
        ];
        for (issuer, expected) in cases {
            assert_eq!(metadata_urls(issuer).expect("good").map(String::from), expected, "{issuer}");
        }
        for bad in ["https://h?x=1", "https://h#f", "https://u@h", "http://h", "ftp://h", "file:///etc", "h", ""] {
            assert!(metadata_urls(bad).is_err(), "{bad}");
        }
    }
}
