//! Facts of an HTTP request for the evaluation of requirements.

use countersign_core::integration::RequestFacts;
use http::{Extensions, HeaderMap, Uri, header};

/// The facts of one request.
pub(crate) struct HttpFacts<'r> {
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) uri: &'r Uri,
}

impl RequestFacts for HttpFacts<'_> {
    fn path_parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.get_all(name).iter();
        let line = lines.next()?.to_str().ok()?;
        lines.next().is_none().then_some(line)
    }

    /// The `:authority` of HTTP/2 or the `Host` of HTTP/1.1. If the request has both, they must agree (RFC 9112 §3.2.2).
    fn host(&self) -> Option<&str> {
        let Some(authority) = self.uri.authority() else { return self.header(header::HOST.as_str()) };
        let agrees = match self.headers.contains_key(header::HOST) {
            true => {
                self.header(header::HOST.as_str()).is_some_and(|host| host.eq_ignore_ascii_case(authority.as_str()))
            }
            false => true,
        };
        agrees.then_some(authority.as_str())
    }
}

/// The path parameters that axum matched, decoded.
#[cfg(feature = "axum")]
pub(crate) fn path_parameters(extensions: &mut Extensions) -> Vec<(String, String)> {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use axum::extract::{FromRequestParts, RawPathParams};

    let (mut parts, ()) = http::Request::new(()).into_parts();
    std::mem::swap(&mut parts.extensions, extensions);
    let parameters = {
        let extraction = pin!(RawPathParams::from_request_parts(&mut parts, &()));
        // axum reads them from the extensions and is ready at once. If it were not, the guard would refuse.
        match extraction.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(parameters)) => parameters.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            _ => Vec::new(),
        }
    };
    std::mem::swap(&mut parts.extensions, extensions);
    parameters
}

/// Without axum there are no path parameters.
#[cfg(not(feature = "axum"))]
pub(crate) fn path_parameters(_: &mut Extensions) -> Vec<(String, String)> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn host(uri: &str, hosts: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_str(host).expect("a header value"));
        }
        let uri = uri.parse().expect("a uri");
        HttpFacts { parameters: Vec::new(), headers: &headers, uri: &uri }.host().map(str::to_owned)
    }

    #[test]
    fn the_host_is_the_one_that_all_agree_on() {
        assert_eq!(host("/", &["a.test"]).as_deref(), Some("a.test"));
        assert_eq!(host("https://a.test:1/", &[]).as_deref(), Some("a.test:1"));
        assert_eq!(host("https://a.test/", &["A.test"]).as_deref(), Some("a.test"));
        for (uri, hosts) in [("/", &[][..]), ("/", &["a.test", "b.test"]), ("https://a.test/", &["b.test"])] {
            assert_eq!(host(uri, hosts), None, "{uri} {hosts:?}");
        }
    }

    #[test]
    fn a_header_must_be_there_once() {
        let mut headers = HeaderMap::new();
        let name = || HeaderName::from_static("x-tenant");
        let uri = Uri::default();
        let read = |headers: &HeaderMap, name: &str| {
            HttpFacts { parameters: Vec::new(), headers, uri: &uri }.header(name).map(str::to_owned)
        };
        assert_eq!(read(&headers, "x-tenant"), None);
        headers.append(name(), HeaderValue::from_static("acme"));
        assert_eq!(read(&headers, "X-Tenant").as_deref(), Some("acme"));
        assert_eq!(read(&headers, "no header name"), None);
        headers.append(name(), HeaderValue::from_static("acme"));
        assert_eq!(read(&headers, "x-tenant"), None);
    }
}
