//! Where a request names the tenant that it is about.

use super::facts::RequestFacts;
use crate::claims::TenantId;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TenantPlace {
    /// A parameter of the path.
    Path(String),
    /// A header.
    Header(String),
    /// The label before this domain in the host name.
    HostUnder(String),
}

impl TenantPlace {
    /// Whether the request names exactly this tenant; `None` where it names none in this place.
    pub(super) fn names(&self, tenant: &TenantId, request: &dyn RequestFacts) -> Option<bool> {
        match self {
            TenantPlace::Path(parameter) => Some(request.path_parameter(parameter)? == tenant.as_str()),
            TenantPlace::Header(name) => Some(request.header(name)? == tenant.as_str()),
            TenantPlace::HostUnder(domain) => {
                Some(is_label_of(tenant.as_str(), label_before(request.host()?, domain)?))
            }
        }
    }
}

/// `acme` of `acme.example.com:8443` for `example.com`; nothing of `a.b.example.com` or `example.com`.
fn label_before<'h>(host: &'h str, domain: &str) -> Option<&'h str> {
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let (label, rest) = host.split_once('.')?;
    (!label.is_empty() && rest.eq_ignore_ascii_case(domain)).then_some(label)
}

/// Host names have no case, tenants do: a tenant that is not in lower case is never named by a host.
fn is_label_of(tenant: &str, label: &str) -> bool {
    tenant.eq_ignore_ascii_case(label) && !tenant.bytes().any(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_label_before_the_domain_is_the_tenant() {
        for (host, label) in [
            ("acme.example.com", Some("acme")),
            ("acme.example.com:8443", Some("acme")),
            ("ACME.Example.com", Some("ACME")),
            ("example.com", None),
            (".example.com", None),
            ("a.b.example.com", None),
            ("acme.example.com.", None),
            ("acme.example.com.evil.test", None),
            ("acmeexample.com", None),
            ("acme.example.com:", Some("acme")),
            ("acme.example.com:80x", None),
            ("[::1]:80", None),
            ("", None),
        ] {
            assert_eq!(label_before(host, "example.com"), label, "{host}");
        }
    }

    #[test]
    fn a_tenant_with_capitals_is_never_named_by_a_host() {
        assert!(is_label_of("acme", "ACME") && is_label_of("acme", "acme"));
        assert!(!is_label_of("Acme", "Acme") && !is_label_of("Acme", "acme") && !is_label_of("acme", "acm"));
    }
}
