//! Discovery of an issuer's endpoints from its metadata (OIDC Discovery 1.0 §4, RFC 8414 §3).

use std::net::IpAddr;

use countersign_core::error::Fault;
use countersign_core::integration::{discovery_document_fault, safe_text};
use http::{HeaderValue, Method, StatusCode, header};
use reqwest::{Request, Url};
use serde::Deserialize;

use super::failure::FetchFailure;
use super::form::unexpected_form;
use super::reach::{Reach, is_private_literal};
use super::settings::ConnectionSettings;
use super::span::url_text;
use super::{checked_url_within, is_loopback, send_within};

/// The largest metadata document, in bytes.
const MAX_METADATA_BYTES: usize = 64 * 1024;

/// The longest endpoint in a metadata document, in bytes.
const MAX_ENDPOINT_BYTES: usize = 2 * 1024;

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: Option<String>,
    token_endpoint: Option<String>,
    introspection_endpoint: Option<String>,
    mtls_endpoint_aliases: Option<serde_json::Value>,
}

/// The two locations of an issuer's metadata, in the order of the attempts. `reach` may allow plain HTTP also off loopback.
pub(crate) fn metadata_urls(reach: Reach, issuer: &str) -> Result<[Url; 2], Fault> {
    let base = checked_url_within(reach, issuer, "issuer")?;
    if let Some(problem) = discovery_document_fault(issuer) {
        return Err(Fault::new("issuer", problem));
    }
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
    /// The token endpoint for clients that authenticate with a certificate (RFC 8705 §5).
    TokenWithCertificate,
    #[cfg_attr(not(feature = "introspection"), allow(dead_code, reason = "only introspection asks it"))]
    Introspection,
    /// The introspection endpoint for clients that authenticate with a certificate.
    #[cfg_attr(not(feature = "introspection"), allow(dead_code, reason = "only introspection asks it"))]
    IntrospectionWithCertificate,
}

impl Endpoint {
    const fn name(self) -> &'static str {
        match self {
            Endpoint::Keys => "jwks_uri",
            Endpoint::Token | Endpoint::TokenWithCertificate => "token_endpoint",
            Endpoint::Introspection | Endpoint::IntrospectionWithCertificate => "introspection_endpoint",
        }
    }
}

/// Fetches the metadata and uses it only if it names exactly this issuer.
pub(crate) async fn discover(
    settings: &ConnectionSettings,
    issuer: &str,
    endpoint: Endpoint,
    reach: Reach,
) -> Result<Url, FetchFailure> {
    const BAD_ISSUER: FetchFailure = FetchFailure::Unusable("the issuer is not a usable URL");
    let [openid, oauth] = metadata_urls(reach, issuer).map_err(|_| BAD_ISSUER)?;
    let shown = url_text(&openid);
    let mut metadata = metadata_at(settings, openid, reach).await;
    if is_not_found(&metadata) {
        metadata = metadata_at(settings, oauth, reach).await;
        if is_not_found(&metadata) {
            return Err(FetchFailure::NoMetadata(shown));
        }
    }
    let metadata = metadata?;
    if metadata.issuer != issuer {
        let (found, expected) = (safe_text(&metadata.issuer), safe_text(issuer));
        return Err(FetchFailure::Content(format!(
            "the discovery document names another issuer: expected {expected}, found \"{found}\"; the names must be identical"
        )));
    }
    let address = match endpoint {
        Endpoint::Keys => metadata.jwks_uri,
        Endpoint::Token => metadata.token_endpoint,
        Endpoint::Introspection => metadata.introspection_endpoint,
        Endpoint::TokenWithCertificate | Endpoint::IntrospectionWithCertificate => {
            let aliases = metadata.mtls_endpoint_aliases.as_ref();
            let alias = aliases.and_then(|aliases| aliases.get(endpoint.name())?.as_str());
            let plain = match endpoint {
                Endpoint::TokenWithCertificate => metadata.token_endpoint,
                _ => metadata.introspection_endpoint,
            };
            alias.map(str::to_owned).or(plain)
        }
    };
    let address =
        address.ok_or_else(|| FetchFailure::Content(format!("the discovery document lacks {}", endpoint.name())))?;
    checked_endpoint(endpoint, issuer, &address, reach)
}

fn is_not_found(metadata: &Result<Metadata, FetchFailure>) -> bool {
    matches!(metadata, Err(FetchFailure::Status(StatusCode::NOT_FOUND, _)))
}

/// The address that the metadata names, if it may be used.
fn checked_endpoint(endpoint: Endpoint, issuer: &str, address: &str, reach: Reach) -> Result<Url, FetchFailure> {
    let name = endpoint.name();
    let url = checked_url_within(reach, address, "endpoint").map_err(|fault| {
        let found = safe_text(address);
        let problem = match address.contains("://") {
            true => &*fault.problem,
            false => "relative; it must be a whole URL that begins with https://",
        };
        FetchFailure::Content(format!("{name} of the discovery document: \"{found}\" is {problem}"))
    })?;
    if url.as_str().len() > MAX_ENDPOINT_BYTES {
        return Err(FetchFailure::Content(format!("{name} of the discovery document is longer than 2 KiB")));
    }
    if !may_name(issuer, &url) {
        return Err(FetchFailure::Unusable(
            "the discovery document of an issuer elsewhere names an endpoint in a private network",
        ));
    }
    Ok(url)
}

/// Returns whether the document of `issuer` may name this endpoint: one on the same host, one on loopback only if the issuer
/// is there too, and a literal private address only if the issuer's is one.
fn may_name(issuer: &str, endpoint: &Url) -> bool {
    let Ok(issuer) = Url::parse(issuer) else { return false };
    let is_reachable = || {
        let is_local = is_loopback(&issuer);
        (is_local || !leads_to_loopback(endpoint))
            && (is_local || is_private_literal(&issuer) || !is_private_literal(endpoint))
    };
    issuer.host_str() == endpoint.host_str() || is_reachable()
}

/// Returns whether the host is loopback in any notation that a resolver may accept.
fn leads_to_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let embeds_loopback = match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => address.to_ipv4().is_some_and(|address| address.is_loopback()),
        Ok(IpAddr::V4(address)) => address.is_unspecified(),
        Err(_) => false,
    };
    is_loopback(url) || embeds_loopback || host == "localhost" || host.ends_with(".localhost")
}

async fn metadata_at(settings: &ConnectionSettings, url: Url, reach: Reach) -> Result<Metadata, FetchFailure> {
    let mut request = Request::new(Method::GET, url);
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let response = send_within(settings, reach, request, MAX_METADATA_BYTES).await?;
    if response.status != StatusCode::OK {
        return Err(response.unexpected_status());
    }
    serde_json::from_slice(&response.body).map_err(|_| match unexpected_form(&response.headers, &response.body) {
        Some(form) => FetchFailure::Content(format!("the discovery document is {form}")),
        None => FetchFailure::Unusable("the discovery document is not a JSON object with an issuer"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_03_an_issuer_elsewhere_names_no_endpoint_on_loopback_or_a_private_address() {
        let (public, local, private) = ("https://id.example", "http://127.0.0.1:5000", "https://10.0.0.1");
        for endpoint in [
            "http://127.0.0.1:8080/keys",
            "http://localhost/keys",
            "http://[::1]/keys",
            "https://127.0.0.1/keys",
            "https://localhost./keys",
            "https://id.localhost/keys",
            "https://[::ffff:127.0.0.1]/keys",
            "https://0.0.0.0/keys",
        ] {
            let url = Url::parse(endpoint).expect("a URL");
            assert!(!may_name(public, &url) && !may_name(private, &url), "{endpoint}");
            assert!(may_name(local, &url), "{endpoint}");
        }
        for endpoint in ["https://10.0.0.2/keys", "https://169.254.169.254/keys", "https://[fd00::1]/keys"] {
            let url = Url::parse(endpoint).expect("a URL");
            assert!(!may_name(public, &url), "{endpoint}");
            assert!(may_name(private, &url) && may_name(local, &url), "{endpoint}");
        }
        let elsewhere = Url::parse("https://keys.example/keys").expect("a URL");
        assert!([public, local, private].iter().all(|issuer| may_name(issuer, &elsewhere)));
    }

    #[test]
    fn s15_07_an_endpoint_has_a_bounded_length() {
        let read = |length: usize| {
            let address = format!("https://id.example/{}", "é".repeat(length));
            checked_endpoint(Endpoint::Keys, "https://id.example", &address, Reach::Anywhere)
        };
        assert!(read(300).is_ok());
        let failure = read(400).expect_err("longer than 2 KiB when it is escaped").to_string();
        assert!(failure.contains("jwks_uri of the discovery document is longer than 2 KiB"), "{failure}");
    }

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
            assert_eq!(metadata_urls(Reach::Anywhere, issuer).expect("good").map(String::from), expected, "{issuer}");
        }
        for bad in ["https://h?x=1", "https://h#f", "https://u@h", "http://h", "ftp://h", "file:///etc", "h", ""] {
            assert!(metadata_urls(Reach::Anywhere, bad).is_err(), "{bad}");
        }
    }
}
