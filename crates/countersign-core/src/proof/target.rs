//! The address that a proof is for (`htu`, RFC 9449 §4.3), compared after the normalisation of RFC 3986 §6.2.

use std::fmt;
use std::net::Ipv6Addr;

use memchr::memchr2;

use crate::error::Fault;

/// An external address of a service, before the path of a request.
///
/// ```
/// use countersign_core::proof::ExternalUrl;
///
/// let url = ExternalUrl::new("https://api.example.com/orders")?;
/// assert!(url.has_target("https://API.example.com:443/orders/7?page=2", "/7"));
/// assert!(!url.has_target("https://api.example.com/7", "/7"));
/// # Ok::<(), countersign_core::error::Fault>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalUrl(Box<str>);

impl ExternalUrl {
    /// The address under which clients call the service: scheme, host, and port and path if there are any.
    ///
    /// # Errors
    /// A fault on field `external_url` unless it is an `http` or `https` address without user, query and fragment.
    pub fn new(url: &str) -> Result<Self, Fault> {
        let fault = || {
            let problem = "not an address such as https://api.example.com or https://example.com/api: scheme, host and path, \
                           without user, query and fragment";
            Fault::new("external_url", problem)
        };
        let normal = normal(url).filter(|_| !url.contains(['?', '#'])).ok_or_else(fault)?;
        Ok(ExternalUrl(normal.trim_end_matches('/').into()))
    }

    /// The address, normalised.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether `uri` is the address of the request with this path; query and fragment of `uri` do not count.
    #[must_use]
    pub fn has_target(&self, uri: &str, path: &str) -> bool {
        let end = memchr2(b'?', b'#', uri.as_bytes()).unwrap_or(uri.len());
        let is_plain = uri.get(..end).and_then(|uri| uri.strip_prefix(&*self.0)).is_some_and(|rest| rest == path);
        // The target of `OPTIONS *` and of `CONNECT` has no path.
        path.starts_with('/') && !has_dots(path) && (is_plain || self.has_normal_target(uri, path))
    }

    #[cold]
    fn has_normal_target(&self, uri: &str, path: &str) -> bool {
        let own = format!("{}{path}", self.0);
        match (normal(uri), normal(&own)) {
            // A gateway that removes the path of this service makes a root of nothing.
            (Some(uri), Some(own)) => uri == own || (path == "/" && uri == *self.0),
            _ => false,
        }
    }
}

/// Returns whether a path has a segment `.` or `..`: its normal form may be the address of another service.
fn has_dots(path: &str) -> bool {
    let after_dot = |text: &'_ str| {
        let encoded = || text.strip_prefix("%2e").or_else(|| text.strip_prefix("%2E"));
        text.strip_prefix('.').or_else(encoded).map(str::len)
    };
    path.split('/').any(|segment| match after_dot(segment) {
        None => false,
        Some(0) => true,
        Some(rest) => after_dot(&segment[segment.len() - rest..]) == Some(0), // a prefix of whole characters is gone
    })
}

/// An address without query and fragment, taken apart: its parts contain only characters that they may have.
struct Address<'u> {
    scheme: &'static str,
    host: &'u str,
    /// The port, unless it is empty or the default one.
    port: Option<&'u str>,
    path: &'u str,
}

impl<'u> Address<'u> {
    /// Reads an `http` or `https` address that names no user.
    fn read(uri: &'u str) -> Option<Self> {
        let uri = uri.get(..uri.find(['?', '#']).unwrap_or(uri.len()))?;
        let (scheme, rest) = uri.split_once("://")?;
        let (scheme, default_port) = match () {
            () if scheme.eq_ignore_ascii_case("https") => ("https", 443),
            () if scheme.eq_ignore_ascii_case("http") => ("http", 80),
            () => return None,
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let end = if authority.starts_with('[') {
            authority.find(']')? + 1
        } else {
            authority.find(':').unwrap_or(authority.len())
        };
        let (host, port) = authority.split_at(end);
        let port = match port {
            "" => "",
            port => port.strip_prefix(':')?,
        };
        let is_host = match host.strip_prefix('[') {
            Some(literal) => literal.strip_suffix(']')?.parse::<Ipv6Addr>().is_ok(),
            None => !host.is_empty() && has_only(host, b""),
        };
        let is_right = is_host && port.bytes().all(|byte| byte.is_ascii_digit()) && has_only(path, b"/:@");
        let port = Some(port).filter(|port| !port.is_empty() && port.parse::<u16>() != Ok(default_port));
        is_right.then_some(Address { scheme, host, port, path })
    }

    /// The normal form (RFC 3986 §6.2.2 and §6.2.3): lower case, the fewest percent-encodings, no dot segments, no default port. An
    /// empty path is the root.
    fn normal(&self) -> String {
        let host = unescape(self.host).to_ascii_lowercase();
        // Percent-encodings are written in upper case.
        let host = unescape(&host);
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{host}{port}{}", self.scheme, without_dots(&unescape(self.path)))
    }
}

/// Returns whether the text has only characters of a host or of a segment (RFC 3986 §3.2.2 and §3.3), complete
/// percent-encodings, and those of `others`.
fn has_only(text: &str, others: &[u8]) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(at, byte)| match byte {
        b'%' => bytes.get(at + 1..at + 3).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit)),
        byte => is_unreserved(*byte) || b"!$&'()*+,;=".contains(byte) || others.contains(byte),
    })
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// The text with percent-encodings only of characters that need them, in upper case.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, encoded)) = rest.split_once('%') {
        plain.push_str(before);
        // Complete, as was checked before.
        let (pair, after) = encoded.split_at_checked(2).unwrap_or((encoded, ""));
        match u8::from_str_radix(pair, 16) {
            Ok(byte) if is_unreserved(byte) => plain.push(char::from(byte)),
            _ => {
                plain.push('%');
                plain.push_str(&pair.to_ascii_uppercase());
            }
        }
        rest = after;
    }
    plain.push_str(rest);
    plain
}

/// The path without dot segments (RFC 3986 §5.2.4); it is empty or begins with a slash.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => {
                kept.push(other);
                continue;
            }
        }
        if is_last {
            kept.push(""); // `/a/.` is `/a/`
        }
    }
    format!("/{}", kept.join("/"))
}

/// The address in its normal form, without query and fragment; `None` if it is none, or names a user.
fn normal(uri: &str) -> Option<String> {
    Address::read(uri).map(|address| address.normal())
}

impl fmt::Debug for ExternalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use fluent_uri::Uri;
    use proptest::prelude::*;

    use super::*;

    /// The normal form by a library, whose empty path is not a root.
    fn by_library(uri: &str) -> Option<String> {
        let parsed = Uri::parse(uri.split(['?', '#']).next()?).ok()?;
        let authority =
            parsed.authority().filter(|authority| !authority.has_userinfo() && !authority.host().is_empty())?;
        let is_web = ["http", "https"].iter().any(|scheme| parsed.scheme().as_str().eq_ignore_ascii_case(scheme));
        // It writes IPv6 addresses in a form of its own.
        if !is_web || authority.host().starts_with('[') {
            return None;
        }
        let mut normal = parsed.normalize().into_string();
        if parsed.path().is_empty() {
            normal.push('/');
        }
        Some(normal)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn s6_08_addresses_have_the_normal_form_of_a_library(
            uri in "(https?|HTTPS|ftp|x)?(://|:/|//)?[a-zA-Z.%2eE_@:-]{0,8}(:(443|80|8080|0443)?)?((/|/\\.|/\\.\\.|%2[eEfF]|%4[1aAg]|[a-z~@:!é ]|%){0,6})(\\?[a-z/]{0,3})?(#[a-z]{0,2})?",
        ) {
            prop_assert_eq!(normal(&uri), by_library(&uri), "{}", uri);
        }
    }

    #[test]
    fn s6_08_the_address_counts_after_normalisation_without_query_and_fragment() {
        let api = ExternalUrl::new("https://api.test").expect("an address");
        for same in [
            "https://api.test/r",
            "HTTPS://API.TEST:443/r",
            "https://api.test:/r",
            "https://api.test/./r",
            "https://api.test/x/../r",
            "https://api.test/%72",
            "https://api.test/r?q=2",
            "https://api.test/r#f",
        ] {
            assert!(api.has_target(same, "/r"), "{same}");
        }
        for other in [
            "http://api.test/r",
            "https://api.test:444/r",
            "https://evil.test/r",
            "https://api.test.evil.test/r",
            "https://api.test/R",
            "https://api.test/r/",
            "https://api.test/r%2Fx",
            "https://user@api.test/r",
            "https://@api.test/r",
            "/r",
            "//api.test/r",
            "",
            "https://api.test",
            "https:/r",
            "https://api.test/r x",
        ] {
            assert!(!api.has_target(other, "/r"), "{other}");
        }
        assert!(!api.has_target("https://api.test/r%2Fx", "/r/x") && api.has_target("https://api.test/r/x", "/r/x"));
        assert!(api.has_target("https://api.test/r%2fx", "/r%2Fx"));
        assert!(api.has_target("https://api.test", "/") && api.has_target("https://api.test/", "/"));
        assert!(!api.has_target("https://api.test*", "*"), "only a path has an address");
    }

    #[test]
    fn s6_08_an_ipv6_address_is_an_address() {
        let api = ExternalUrl::new("https://[::1]:8443").expect("an address");
        assert!(api.has_target("https://[::1]:8443/r", "/r") && !api.has_target("https://[::1]/r", "/r"));
        for wrong in ["https://[::1/r", "https://[::1]x/r", "https://[x]/r", "https://::1/r", "https://[::1]:x/r"] {
            assert!(normal(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn s6_09_an_external_address_has_scheme_and_host_and_may_have_a_path() {
        let nested = ExternalUrl::new("HTTPS://Example.com:443/api/").expect("an address");
        assert_eq!(nested.as_str(), "https://example.com/api");
        assert!(
            nested.has_target("https://example.com/api/r", "/r") && !nested.has_target("https://example.com/r", "/r")
        );
        assert!(!nested.has_target("https://example.com/apir", "r"));
        assert!(
            nested.has_target("https://example.com/api", "/") && nested.has_target("https://example.com/api/", "/")
        );
        assert!(
            !nested.has_target("https://example.com/api", "/r") && !nested.has_target("https://example.com/apis", "/")
        );
        for path in ["/../billing/x", "/%2e%2E/billing/x", "/.%2e/billing/x", "/x/../../billing/x"] {
            assert!(!nested.has_target("https://example.com/billing/x", path), "{path}");
            assert!(!nested.has_target(&format!("https://example.com/api{path}"), path), "{path}");
        }
        assert!(nested.has_target("https://example.com/api/.x/a..b/...", "/.x/a..b/..."));
        for wrong in [
            "",
            "api.test",
            "https://",
            "ftp://a.test",
            "https://a@b.test",
            "https://a.test?x",
            "https://a.test#x",
            "/api",
        ] {
            assert!(ExternalUrl::new(wrong).is_err(), "{wrong}");
        }
    }
}
