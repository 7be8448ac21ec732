//! The parts of Envoy's check that are read (`envoy.service.auth.v3.CheckRequest`). All others are skipped and not decoded.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use prost::Message;

use crate::problem::{self, Problem};
use crate::request::ClientRequest;

/// The headers of most requests. A map for fewer would grow as they are added.
const HEADERS: usize = 24;

#[derive(Clone, PartialEq, Message)]
pub(super) struct CheckMessage {
    #[prost(message, optional, tag = "1")]
    attributes: Option<Attributes>,
}

#[derive(Clone, PartialEq, Message)]
struct Attributes {
    #[prost(message, optional, tag = "4")]
    request: Option<AttributesOfRequest>,
}

#[derive(Clone, PartialEq, Message)]
struct AttributesOfRequest {
    #[prost(message, optional, tag = "2")]
    http: Option<HttpMessage>,
}

/// The client's request.
#[derive(Clone, PartialEq, Message)]
pub(super) struct HttpMessage {
    #[prost(bytes = "bytes", tag = "2")]
    method: Bytes,
    /// A map of protobuf, which is transmitted as entries of key and value.
    #[prost(message, repeated, tag = "3")]
    joined: Vec<HeaderMessage>,
    #[prost(string, tag = "4")]
    path: String,
    #[prost(bytes = "bytes", tag = "5")]
    host: Bytes,
    #[prost(bytes = "bytes", tag = "7")]
    query: Bytes,
    #[prost(bytes = "bytes", tag = "8")]
    fragment: Bytes,
    #[prost(message, optional, tag = "13")]
    raw: Option<HeadersMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct HeadersMessage {
    #[prost(message, repeated, tag = "1")]
    headers: Vec<HeaderMessage>,
}

/// One header. Its parts share the memory of the message.
#[derive(Clone, PartialEq, Message)]
struct HeaderMessage {
    #[prost(bytes = "bytes", tag = "1")]
    name: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    raw_value: Bytes,
}

impl CheckMessage {
    /// The client's request; `None` if the check has none.
    pub(super) fn http(self) -> Option<HttpMessage> {
        self.attributes?.request?.http
    }
}

impl HttpMessage {
    /// The request to decide about. Pseudo-headers among its headers are not read: Envoy tells their values elsewhere.
    pub(super) fn client_request(self) -> Result<ClientRequest, Problem> {
        let method = Method::from_bytes(&self.method).map_err(|_| problem::CONTRADICTION)?;
        if !(self.query.is_empty() && self.fragment.is_empty()) {
            return Err(problem::AMBIGUOUS);
        }
        let raw = self.raw.map(|raw| raw.headers).unwrap_or_default();
        let mut headers = HeaderMap::with_capacity(HEADERS);
        for HeaderMessage { name, value, raw_value } in self.joined.into_iter().chain(raw) {
            if name.starts_with(b":") {
                continue;
            }
            let name = HeaderName::from_bytes(&name).map_err(|_| problem::CONTRADICTION)?;
            let value = if raw_value.is_empty() { value } else { raw_value };
            let value = HeaderValue::from_maybe_shared(value).map_err(|_| problem::CONTRADICTION)?;
            if name != header::HOST {
                headers.append(name, value);
            }
        }
        let host = HeaderValue::from_maybe_shared(self.host).ok();
        Ok(ClientRequest::of_host(method, host, self.path, headers))
    }
}
