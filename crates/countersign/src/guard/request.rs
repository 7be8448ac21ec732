//! Facts of an HTTP request for the evaluation of requirements.

use countersign_core::integration::RequestFacts;
use http::{Extensions, HeaderMap, Uri, header};

use crate::authenticate::Authenticated;

/// The facts of one request.
pub(crate) struct HttpFacts<'r> {
    pub(crate) parameters: &'r [(String, String)],
    pub(crate) headers: &'r HeaderMap,
    pub(crate) uri: &'r Uri,
}

impl RequestFacts for HttpFacts<'_> {
    /// A parameter that nested routers both have is none: handlers take the last one, or all of them.
    fn path_parameter(&self, name: &str) -> Option<&str> {
        let mut values = self.parameters.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.get_all(name).iter();
        let line = lines.next()?.to_str().ok()?;
        lines.next().is_none().then_some(line)
    }

    /// The `:authority` of HTTP/2 or the `Host` of HTTP/1.1. If the request has both, they must agree (RFC 9112 §3.2.2).
    ///
    /// What a proxy says of the host must agree too: a handler or a router may read that instead.
    fn host(&self) -> Option<&str> {
        let host = match self.uri.authority() {
            None => self.header(header::HOST.as_str())?,
            Some(authority) if self.headers.contains_key(header::HOST) => {
                let host = self.header(header::HOST.as_str())?;
                Some(authority.as_str()).filter(|authority| authority.eq_ignore_ascii_case(host))?
            }
            Some(authority) => authority.as_str(),
        };
        forwarded_hosts(self.headers).all(|forwarded| is_same_host(forwarded, host)).then_some(host)
    }
}

impl HttpFacts<'_> {
    /// The first of `names` that nested routers both match.
    pub(crate) fn repeated<'n>(&self, mut names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
        names.find(|name| self.parameters.iter().filter(|(known, _)| known == name).count() > 1)
    }
}

/// In place of a line that readers may split in different ways: names a host in either header, and no request's.
const UNREADABLE: &str = "host=";

/// The hosts that proxies name, by either header.
fn forwarded_hosts(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = |name: &'static str| {
        let texts = headers.get_all(name).iter().map(|line| line.to_str().ok().filter(|line| has_plain_quotes(line)));
        texts.flat_map(|line| line.unwrap_or(UNREADABLE).split(',')).map(str::trim)
    };
    lines("x-forwarded-host").chain(lines("forwarded").flat_map(hosts_of))
}

/// Returns whether no quoted text has a separator or an escape in it, or does not end.
fn has_plain_quotes(line: &str) -> bool {
    let mut parts = line.split('"');
    let is_plain = parts.by_ref().skip(1).step_by(2).all(|quoted| !quoted.contains([',', ';', '\\']));
    is_plain && line.bytes().filter(|byte| *byte == b'"').count().is_multiple_of(2)
}

/// Every `host` of one element of a `Forwarded` header (RFC 7239 §4), which may have one.
fn hosts_of(element: &str) -> impl Iterator<Item = &str> {
    element.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("host").then(|| value.trim().trim_matches('"'))
    })
}

/// Compares without ports, which proxies may leave out.
fn is_same_host(one: &str, other: &str) -> bool {
    fn name(host: &str) -> &str {
        match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        }
    }
    name(one).eq_ignore_ascii_case(name(other))
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

/// The name of a path parameter that had another value, or fewer values, when a guard compared it.
///
/// A router inside the guarded service adds its own parameters, and handlers read those.
#[cold]
pub(crate) fn changed_parameter(extensions: &mut Extensions) -> Option<String> {
    let compared = extensions.get::<Authenticated>()?.compared.clone();
    let current = path_parameters(extensions);
    let is_same = |(name, value): &(String, String)| {
        let mut values = current.iter().filter(|(known, _)| known == name).map(|(_, value)| value);
        values.next() == Some(value) && values.next().is_none()
    };
    compared.into_iter().find(|parameter| !is_same(parameter)).map(|(name, _)| name)
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
        HttpFacts { parameters: &[], headers: &headers, uri: &uri }.host().map(str::to_owned)
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
    fn s15_09_a_proxy_that_names_another_host_leaves_none() {
        let host = |name: &str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("acme.example.com:8443"));
            headers.append(HeaderName::from_bytes(name.as_bytes()).expect("a name"), value.parse().expect("a value"));
            let uri = Uri::default();
            HttpFacts { parameters: &[], headers: &headers, uri: &uri }.host().map(str::to_owned)
        };
        for (name, value) in [
            ("x-forwarded-host", "acme.example.com"),
            ("x-forwarded-host", "ACME.example.com:443, acme.example.com"),
            ("forwarded", "for=192.0.2.1;proto=https;Host=\"acme.example.com:443\", for=192.0.2.2"),
            ("forwarded", "for=192.0.2.1"),
            ("forwarded", "for=\"[2001:db8::1]:4711\";host=acme.example.com"),
        ] {
            assert_eq!(host(name, value).as_deref(), Some("acme.example.com:8443"), "{name}: {value}");
        }
        for (name, value) in [
            ("x-forwarded-host", "globex.example.com"),
            ("x-forwarded-host", "acme.example.com, globex.example.com"),
            ("x-forwarded-host", ""),
            ("forwarded", "host=globex.example.com"),
            ("forwarded", "for=x, host = globex.example.com"),
            ("forwarded", "host=acme.example.com;host=globex.example.com"),
            ("forwarded", "for=\"x;host=acme.example.com\";host=globex.example.com"),
            ("forwarded", "for=\"x;host=acme.example.com\""),
            ("forwarded", "for=\"x, y\""),
            ("forwarded", "for=\"x\\\"y\""),
            ("forwarded", "for=\"x"),
        ] {
            assert_eq!(host(name, value), None, "{name}: {value}");
        }
    }

    #[test]
    fn s15_09_a_path_parameter_must_be_there_once() {
        let (headers, uri) = (HeaderMap::new(), Uri::default());
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let parameters = vec![pair("tenant", "acme"), pair("order", "7"), pair("tenant", "globex")];
        let facts = HttpFacts { parameters: &parameters, headers: &headers, uri: &uri };
        assert_eq!((facts.path_parameter("tenant"), facts.path_parameter("order")), (None, Some("7")));
        assert_eq!(facts.repeated(["order", "tenant"].into_iter()), Some("tenant"));
        assert_eq!(facts.repeated(["order", "other"].into_iter()), None);
    }

    #[test]
    fn a_header_must_be_there_once() {
        let mut headers = HeaderMap::new();
        let name = || HeaderName::from_static("x-tenant");
        let uri = Uri::default();
        let read = |headers: &HeaderMap, name: &str| {
            HttpFacts { parameters: &[], headers, uri: &uri }.header(name).map(str::to_owned)
        };
        assert_eq!(read(&headers, "x-tenant"), None);
        headers.append(name(), HeaderValue::from_static("acme"));
        assert_eq!(read(&headers, "X-Tenant").as_deref(), Some("acme"));
        assert_eq!(read(&headers, "no header name"), None);
        headers.append(name(), HeaderValue::from_static("acme"));
        assert_eq!(read(&headers, "x-tenant"), None);
    }
}
