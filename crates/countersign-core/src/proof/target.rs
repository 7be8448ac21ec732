//! The address that a proof is for (`htu`, RFC 9449 §4.3), compared after the normalisation of RFC 3986 §6.2.

use std::fmt;

use fluent_uri::Uri;

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
        let parsed = Uri::parse(url).map_err(|_| fault())?;
        let authority = parsed.authority().ok_or_else(fault)?;
        let is_web = matches!(parsed.scheme().as_str().to_ascii_lowercase().as_str(), "http" | "https");
        if !is_web
            || parsed.has_query()
            || parsed.has_fragment()
            || authority.has_userinfo()
            || authority.host().is_empty()
        {
            return Err(fault());
        }
        let normal = parsed.normalize();
        Ok(ExternalUrl(normal.as_str().trim_end_matches('/').into()))
    }

    /// The address, normalised.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether `uri` is the address of the request with this path; query and fragment of `uri` do not count.
    #[must_use]
    pub fn has_target(&self, uri: &str, path: &str) -> bool {
        let end = uri.find(['?', '#']).unwrap_or(uri.len());
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
    path.split('/')
        .any(|segment| segment.len() <= 6 && matches!(&*segment.to_ascii_lowercase().replace("%2e", "."), "." | ".."))
}

/// The address in its normal form, without query and fragment; `None` if it is none, or names a user.
fn normal(uri: &str) -> Option<String> {
    let end = uri.find(['?', '#']).unwrap_or(uri.len());
    let parsed = Uri::parse(uri.get(..end)?).ok()?;
    if parsed.authority()?.has_userinfo() {
        return None;
    }
    let mut normal = parsed.normalize().into_string();
    // An empty path is the root (RFC 3986 §6.2.3).
    if parsed.path().is_empty() {
        normal.push('/');
    }
    Some(normal)
}

impl fmt::Debug for ExternalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
