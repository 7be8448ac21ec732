//! Protected-resource metadata (RFC 9728): where callers learn whose tokens are taken.

use std::net::IpAddr;

use bytes::Bytes;
use countersign_core::error::ConfigError;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Response, Uri, header};
use serde_json::{Map, Value, json};

use super::challenge::is_quotable;

/// Where metadata stands (RFC 9728 §3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// How long clients may keep the document.
const CACHE_CONTROL: &str = "public, max-age=300";

/// What a resource says about itself (RFC 9728 §2). Members that are not set are absent.
///
/// Given to [`AuthenticateLayer::resource`](crate::authenticate::AuthenticateLayer::resource_metadata), the layer answers the
/// document to anyone and names its address in every challenge.
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
    /// Path and query of the document, as they come in a request.
    path: String,
    url: String,
}

impl ResourceMetadata {
    /// For the resource of this identifier: the address that clients call, `https` but for loopback.
    ///
    /// # Errors
    /// `ConfigError` on field `resource` where it is no such address, or has a fragment, a user or characters that a
    /// challenge cannot hold.
    pub fn new(resource: &str) -> Result<Self, ConfigError> {
        let fault = |problem: &'static str| ConfigError::new("resource", problem);
        let uri: Uri = resource.parse().map_err(|_| fault("not an absolute address"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(fault("not an absolute address; write https://host/path"));
        };
        if resource.contains('#') || authority.as_str().contains('@') || !is_quotable(resource) {
            return Err(fault("a fragment, a user or a character that a challenge cannot hold"));
        }
        if !(scheme == "https" || scheme == "http" && is_loopback(authority.host())) {
            return Err(fault("not https; plain http is for loopback alone"));
        }
        // The slash behind the host goes, the rest moves behind the well-known path (RFC 9728 §3.1).
        let rest = uri.path_and_query().map(PathAndQuery::as_str).unwrap_or_default();
        let path = format!("{WELL_KNOWN}{}", if rest == "/" { "" } else { rest });
        let url = format!("{scheme}://{authority}{path}");
        let members = Map::from_iter([
            ("resource".to_owned(), Value::from(resource)),
            ("bearer_methods_supported".to_owned(), json!(["header"])),
        ]);
        Ok(ResourceMetadata { members, path, url })
    }

    /// Whose tokens are taken. Default: the issuers that the layer's verifier trusts.
    pub fn authorization_servers(self, issuers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.list("authorization_servers", issuers)
    }

    /// Scopes that a client may want to ask for.
    pub fn scopes(self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.list("scopes_supported", scopes)
    }

    /// Sets any other member of RFC 9728 §2, such as `resource_name` or `dpop_bound_access_tokens_required`; `null`, and an
    /// empty list, take it away. `resource` stays what it is.
    pub fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        if name == "resource" {
            return self;
        }
        if value.is_null() || value.as_array().is_some_and(Vec::is_empty) {
            self.members.remove(name);
        } else {
            self.members.insert(name.to_owned(), value);
        }
        self
    }

    /// The address of the document.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The path of the document, with its query where the resource has one.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The document.
    #[must_use]
    pub fn to_json(&self) -> String {
        Value::Object(self.members.clone()).to_string()
    }

    pub(crate) fn names_servers(&self) -> bool {
        self.members.contains_key("authorization_servers")
    }

    /// The answer to a request for the document; what else is asked for is not answered here.
    pub(crate) fn answer(&self, method: &Method, uri: &Uri) -> Option<Response<Bytes>> {
        let asked = uri.path_and_query().map(PathAndQuery::as_str);
        if asked != Some(&self.path) || !matches!(*method, Method::GET | Method::HEAD) {
            return None;
        }
        let mut response = Response::new(Bytes::from(self.to_json()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE_CONTROL));
        // It is public: a page of any origin may read it, and learn where to get a token.
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
