//! The kinds of edges, and the places in which each tells the client's request.

use http::header::Entry;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::{Deserialize, Serialize};

use crate::problem::{self, Problem};
use crate::request::ClientRequest;
use crate::rules::ForeignHeaders;

/// Path before the method and the address of the client's request.
const PREFIX: &str = "/check";

/// The address of the client's request once more, byte for byte: the address of the check itself is parsed on the way.
const URI: HeaderName = HeaderName::from_static("x-countersign-uri");

/// The headers that each WebSocket handshake has, and no other request.
const HANDSHAKE: [HeaderName; 2] = [header::SEC_WEBSOCKET_KEY, header::SEC_WEBSOCKET_VERSION];

const FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The program that asks, which determines where method, host and address of the client's request are read.
///
/// Only the configuration chooses it: nothing in a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Edge {
    /// nginx with `auth_request`: `/check/METHOD/path?query`, and the address again in `X-Countersign-Uri`.
    Nginx,
    /// Caddy with `forward_auth`: `/check/METHOD/path?query`, and the address again in `X-Forwarded-Uri`, which Caddy sets.
    Caddy,
    /// Traefik with ForwardAuth: `/check`, and `X-Forwarded-Method`, `-Host` and `-Uri`, which Traefik sets.
    Traefik,
    /// HAProxy with a Lua script: as nginx.
    Haproxy,
    /// Envoy with ext_authz over gRPC (feature `grpc`).
    Envoy,
    /// Envoy with ext_authz over HTTP: the client's own request, with `/check` before its path.
    EnvoyHttp,
}

impl Edge {
    /// Its name in configurations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Edge::Nginx => "nginx",
            Edge::Caddy => "caddy",
            Edge::Traefik => "traefik",
            Edge::Haproxy => "haproxy",
            Edge::Envoy => "envoy",
            Edge::EnvoyHttp => "envoy_http",
        }
    }

    /// The treatment of headers that belong to the gateway.
    #[must_use]
    pub const fn foreign_headers(self) -> ForeignHeaders {
        match self {
            Edge::Haproxy | Edge::Envoy | Edge::EnvoyHttp => ForeignHeaders::Remove,
            Edge::Nginx | Edge::Caddy | Edge::Traefik => ForeignHeaders::Refuse,
        }
    }

    /// The header of an answer that names the headers to remove, if the edge reads one.
    pub(super) const fn removal_header(self) -> Option<HeaderName> {
        match self {
            Edge::Haproxy => Some(HeaderName::from_static("x-countersign-remove")),
            Edge::Envoy | Edge::EnvoyHttp => Some(HeaderName::from_static("x-envoy-auth-headers-to-remove")),
            Edge::Nginx | Edge::Caddy | Edge::Traefik => None,
        }
    }

    /// The client's request, of which this check asks.
    pub(super) fn client_request(self, check: Parts) -> Result<ClientRequest, Problem> {
        let Parts { method: asked, uri, mut headers, .. } = check;
        let after = uri.path_and_query().and_then(|uri| uri.as_str().strip_prefix(PREFIX));
        let after = after.ok_or(problem::EDGE_MISCONFIGURED)?;
        let (method, target) = match self {
            Edge::Envoy => return Err(problem::EDGE_MISCONFIGURED), // it asks over gRPC
            Edge::EnvoyHttp => (asked, after.to_owned()),
            Edge::Traefik => {
                let method = text_of(&taken(&mut headers, FORWARDED_METHOD)?)?.to_owned();
                (method_of(&method)?, text_of(&taken(&mut headers, FORWARDED_URI)?)?.to_owned())
            }
            Edge::Nginx | Edge::Caddy | Edge::Haproxy => {
                let told = taken(&mut headers, if self == Edge::Caddy { FORWARDED_URI } else { URI })?;
                let end = |after: &str| after.bytes().position(|byte| byte == b'/');
                let named = after.strip_prefix('/').and_then(|after| after.split_at_checked(end(after)?));
                let (method, target) = named.ok_or(problem::EDGE_MISCONFIGURED)?;
                if told != target {
                    text_of(&told)?;
                    return Err(problem::CONTRADICTION);
                }
                (method_of(method)?, target.to_owned())
            }
        };
        if self == Edge::Traefik {
            let host = taken(&mut headers, FORWARDED_HOST)?;
            headers.insert(header::HOST, host);
        }
        text_of(only(&headers, &header::HOST)?)?;
        // Traefik does not tell the upgrade of a handshake, of which the layer expects more than of other requests.
        if HANDSHAKE.iter().any(|name| headers.contains_key(name)) && !headers.contains_key(header::UPGRADE) {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        }
        Ok(ClientRequest { method, target, headers })
    }
}

fn method_of(text: &str) -> Result<Method, Problem> {
    Method::from_bytes(text.as_bytes()).map_err(|_| problem::CONTRADICTION)
}

/// The only value of a header that the edge sets.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h HeaderValue, Problem> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(problem::EDGE_MISCONFIGURED)?;
    if values.next().is_some() { Err(problem::CONTRADICTION) } else { Ok(value) }
}

/// Takes the only value of a header that the edge sets.
fn taken(headers: &mut HeaderMap, name: HeaderName) -> Result<HeaderValue, Problem> {
    match headers.entry(name) {
        Entry::Vacant(_) => Err(problem::EDGE_MISCONFIGURED),
        Entry::Occupied(values) if values.iter().nth(1).is_some() => Err(problem::CONTRADICTION),
        Entry::Occupied(value) => Ok(value.remove()),
    }
}

fn text_of(value: &HeaderValue) -> Result<&str, Problem> {
    value.to_str().map_err(|_| problem::AMBIGUOUS)
}
