//! Origins that tokens are bound to: scheme, host and port, compared exactly.

use std::fmt;

use countersign_core::error::Fault;
use http::uri::Authority;
use http::{HeaderMap, Uri, header};
use reqwest::Url;

use crate::fetch::{Reach, checked_url_within};

/// An origin (RFC 6454): `https`, or plain `http` on loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// Reads an origin. `reach` may allow plain HTTP also beyond loopback.
    pub(super) fn parse_within(reach: Reach, origin: &str) -> Result<Self, Fault> {
        let url = checked_url_within(reach, origin, "origin")?;
        if url.path() != "/" || url.query().is_some() {
            return Err(Fault::new("origin", "has a path or a query; name only scheme, host and port"));
        }
        Self::of(&url).ok_or_else(|| Fault::new("origin", "has no host; name scheme, host and port"))
    }

    /// The origin of a URL.
    pub(super) fn of(url: &Url) -> Option<Self> {
        let port = url.port_or_known_default()?;
        Some(Origin { scheme: url.scheme().to_owned(), host: url.host_str()?.to_owned(), port })
    }

    /// The address with this path, without query and fragment; the default port is left out.
    pub(super) fn address(&self, path: &str) -> String {
        let Origin { scheme, host, port } = self;
        let path = if path.is_empty() { "/" } else { path };
        match (scheme.as_str(), port) {
            ("https", 443) | ("http", 80) => format!("{scheme}://{host}{path}"),
            _ => format!("{scheme}://{host}:{port}{path}"),
        }
    }

    /// Returns what makes this origin another one than `other`, if they are easily taken for the same.
    pub(super) fn near_miss(&self, other: &Self) -> Option<&'static str> {
        let is_loopback = |origin: &Self| matches!(origin.host.as_str(), "localhost" | "127.0.0.1" | "[::1]");
        let differs = (self.scheme != other.scheme, self.host != other.host, self.port != other.port);
        match differs {
            (false, true, false) if is_loopback(self) && is_loopback(other) => {
                Some("localhost and its addresses are different origins")
            }
            (true, false, _) => Some("the scheme differs"),
            (false, false, true) => Some("the port differs"),
            _ => None,
        }
    }

    /// Returns whether `url` is in this origin. A URL with user or password never is.
    pub(super) fn contains(&self, url: &Url) -> bool {
        url.scheme() == self.scheme
            && url.host_str() == Some(&self.host)
            && url.port_or_known_default() == Some(self.port)
            && url.username().is_empty()
            && url.password().is_none()
    }

    /// The same for the URI of a plain HTTP request.
    pub(super) fn contains_uri(&self, uri: &Uri) -> bool {
        let default_port = match uri.scheme_str() {
            Some("https") => 443,
            Some("http") => 80,
            _ => return false,
        };
        uri.scheme_str() == Some(&self.scheme)
            && uri.authority().is_some_and(|authority| self.matches_authority(authority, default_port))
    }

    /// Returns whether the request's `Host` is this origin's.
    ///
    /// With another `Host`, a shared ingress would deliver the token to another service at the same address.
    pub(super) fn matches_host(&self, headers: &HeaderMap) -> bool {
        let default_port = if self.scheme == "https" { 443 } else { 80 };
        headers.get_all(header::HOST).iter().all(|host| {
            Authority::try_from(host.as_bytes()).is_ok_and(|authority| self.matches_authority(&authority, default_port))
        })
    }

    fn matches_authority(&self, authority: &Authority, default_port: u16) -> bool {
        // `port_u16` is `None` for a port that does not parse too, so the text decides whether there is one.
        let port = match authority.as_str().rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') => {
                authority.port_u16().filter(|_| port.bytes().all(|byte| byte.is_ascii_digit())) // no `+443`
            }
            _ => Some(default_port),
        };
        authority.host().eq_ignore_ascii_case(&self.host)
            && port == Some(self.port)
            && !authority.as_str().contains('@')
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Origin {
        fn parse(origin: &str) -> Result<Self, Fault> {
            Self::parse_within(Reach::Anywhere, origin)
        }
    }

    #[test]
    fn s7_15_an_origin_is_scheme_host_and_port() {
        let origin = Origin::parse("https://billing.example").expect("an origin");
        let same = ["https://billing.example/a?b", "https://BILLING.example:443/", "https://billing.example"];
        let others = [
            "http://billing.example/",
            "https://billing.example:444/",
            "https://eu.billing.example/",
            "https://billing.example.evil.test/",
            "https://billing.example@evil.test/",
            "https://me:pw@billing.example/",
            "https://me@billing.example/",
            "https://:pw@billing.example/",
            "https://billing.example./",
            "https://evil.test/billing.example",
        ];
        for url in same {
            assert!(origin.contains(&Url::parse(url).expect(url)), "{url}");
            assert!(origin.contains_uri(&url.parse().expect(url)), "{url}");
        }
        for url in others {
            assert!(!origin.contains(&Url::parse(url).expect(url)), "{url}");
            assert!(!origin.contains_uri(&url.parse().expect(url)), "{url}");
        }
        assert!(!origin.contains(&Url::parse("https://b\u{456}lling.example/").expect("a similar name")));
        assert!(!origin.contains_uri(&"/relative".parse().expect("a path")));
        let loopback = Origin::parse("http://[::1]:8080").expect("an origin");
        assert!(loopback.contains_uri(&"http://[::1]:8080/x".parse().expect("a uri")));
        assert!(!loopback.contains_uri(&"http://[::1]/x".parse().expect("a uri")));
    }

    #[test]
    fn s7_21_an_address_has_no_default_port() {
        for (origin, expected) in [
            ("HTTPS://Billing.Example:443", "https://billing.example/a%2Fb"),
            ("https://billing.example:8443", "https://billing.example:8443/a%2Fb"),
            ("http://[::1]:80", "http://[::1]/a%2Fb"),
            ("http://127.1:8080", "http://127.0.0.1:8080/a%2Fb"),
        ] {
            assert_eq!(Origin::parse(origin).expect(origin).address("/a%2Fb"), expected);
        }
        assert_eq!(Origin::parse("https://a.example").expect("an origin").address(""), "https://a.example/");
    }

    #[test]
    fn s7_15_a_host_header_names_no_neighbour() {
        let origin = Origin::parse("https://billing.example").expect("an origin");
        let holds = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.append(header::HOST, host.parse().expect("a value"));
            origin.matches_host(&headers)
        };
        assert!(origin.matches_host(&HeaderMap::new()));
        assert!(holds("billing.example") && holds("Billing.Example:443"));
        for neighbour in ["stock.example", "billing.example:8443", "billing.example.", "x@billing.example", "", "a b"] {
            assert!(!holds(neighbour), "{neighbour}");
        }
        for unusual in ["billing.example:", "billing.example:+443", "billing.example:65979", "billing.example::443"] {
            assert!(!holds(unusual), "{unusual}");
        }
    }

    #[test]
    fn s7_15_what_is_no_safe_origin_is_refused() {
        for bad in ["http://billing.example", "https://a:b@c.example", "https://a.example/path", "ftp://a.example", "x"]
        {
            assert!(Origin::parse(bad).is_err(), "{bad}");
        }
    }
}
