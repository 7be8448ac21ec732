//! Protected-resource metadata (RFC 9728), which names the issuers of accepted tokens.

use std::net::IpAddr;

use bytes::Bytes;
use countersign_core::error::ConfigError;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Response, Uri, header};
use serde_json::{Map, Value, json};

use super::challenge::is_quotable;

/// Path prefix of the document (RFC 9728 §3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The time for which clients may cache the document.
const CACHE_CONTROL: &str = "public, max-age=300";

/// Protected-resource metadata (RFC 9728 §2). Members that are not set are absent.
///
/// A layer built with
/// [`resource_metadata`](crate::authenticate::AuthenticateLayerBuilder::resource_metadata) serves the document to anyone and
/// names its address in every challenge.
///
/// ```
/// use countersign::response::ResourceMetadata;
///
/// let metadata = ResourceMetadata::new("https://api.example.com/v1")?
///     .authorization_servers(["https://id.example.com"])
///     .scopes(["orders:read", "orders:write"]);
/// assert_eq!(metadata.url(), "https://api.example.com/.well-known/oauth-protected-resource/v1");
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct ResourceMetadata {
    members: Map<String, Value>,
    /// Path and query of the document, as a request has them.
    path: String,
    url: String,
}

impl ResourceMetadata {
    /// Creates metadata for the resource with this identifier: the address that clients call. It must be `https`, except
    /// on loopback.
    ///
    /// # Errors
    /// `ConfigError` on field `resource` for any other address, and for one with a fragment, a user or characters that a
    /// challenge cannot hold.
    pub fn new(resource: impl Into<String>) -> Result<Self, ConfigError> {
        let resource = resource.into();
        let fault = |problem: &'static str| ConfigError::new("resource", problem);
        let uri = resource.parse::<Uri>().map_err(|_| fault("not an absolute address; write https://host/path"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(fault("not an absolute address; write https://host/path"));
        };
        if resource.contains('#') || authority.as_str().contains('@') || !is_quotable(&resource) {
            return Err(fault("has a fragment, a user or a character that a challenge cannot hold; remove it"));
        }
        if !(scheme == "https" || scheme == "http" && is_loopback(authority.host())) {
            return Err(fault("not https; plain http is only for loopback"));
        }
        // A single slash is dropped; any other path follows the well-known path (RFC 9728 §3.1).
        let rest = uri.path_and_query().map(PathAndQuery::as_str).unwrap_or_default();
        let path = format!("{WELL_KNOWN}{}", if rest == "/" { "" } else { rest });
        let url = format!("{scheme}://{authority}{path}");
        let members = Map::from_iter([
            ("resource".to_owned(), Value::from(resource)),
            ("bearer_methods_supported".to_owned(), json!(["header"])),
        ]);
        Ok(ResourceMetadata { members, path, url })
    }

    /// Sets the issuers of accepted tokens. Default: the issuers that the layer's verifier trusts.
    pub fn authorization_servers(self, issuers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.list("authorization_servers", issuers)
    }

    /// Sets the scopes that a client may request.
    pub fn scopes(self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.list("scopes_supported", scopes)
    }

    /// Names the algorithms of proofs, unless the service did.
    pub(crate) fn offer_dpop(&mut self, algorithms: &str) {
        let listed = algorithms.split(' ').collect::<Vec<_>>();
        self.members.entry("dpop_signing_alg_values_supported".to_owned()).or_insert_with(|| listed.into());
    }

    /// Sets any other member of RFC 9728 §2, such as `resource_name` or `dpop_bound_access_tokens_required`.
    ///
    /// `null` or an empty list removes it. `resource` cannot be changed.
    pub fn member(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        let (name, value) = (name.into(), value.into());
        if name == "resource" {
            return self;
        }
        if value.is_null() || value.as_array().is_some_and(Vec::is_empty) {
            self.members.remove(&name);
        } else {
            self.members.insert(name, value);
        }
        self
    }

    /// The address of the document.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The path of the document, with the query of the resource if it has one.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The document as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        Value::Object(self.members.clone()).to_string()
    }

    pub(crate) fn names_servers(&self) -> bool {
        self.members.contains_key("authorization_servers")
    }

    /// The response to a request for the document; `None` for any other request.
    pub(crate) fn respond(&self, method: &Method, uri: &Uri) -> Option<Response<Bytes>> {
        let requested = uri.path_and_query().map(PathAndQuery::as_str);
        if requested != Some(&self.path) || !matches!(*method, Method::GET | Method::HEAD) {
            return None;
        }
        let mut response = Response::new(Bytes::from(self.to_json()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE_CONTROL));
        // The document is public: a page of any origin may read it.
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        Some(response)
    }

    fn list(self, name: &str, items: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let items: Vec<String> = items.into_iter().map(Into::into).collect();
        self.member(name, items)
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
