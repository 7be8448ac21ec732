//! Conditions on the tenant: the caller's own and the one that the request names.

use std::fmt;

use serde_json::Value;

use super::condition::{Condition, Escaped};
use super::facts::{Facts, RequestFacts, Unknown};
use super::found;
use super::rule::Requirement;
use super::verdict::Verdict;
use crate::authz::{Denial, Fact};
use crate::claims::TenantId;
use crate::redact::word;

/// The caller's tenant equals the path parameter of this name.
///
/// ```
/// let requirement = countersign_core::authz::tenant_in_path("tenant");
/// assert_eq!(requirement.to_string(), "tenant as in the path's {tenant}");
/// ```
pub fn tenant_in_path(parameter: impl Into<String>) -> Requirement {
    Requirement::from_condition(TenantLocation::Path(parameter.into()))
}

/// The caller's tenant equals the header of this name, which must be present exactly once.
///
/// ```
/// assert_eq!(countersign_core::authz::tenant_in_header("x-tenant").to_string(), "tenant as in the header x-tenant");
/// ```
pub fn tenant_in_header(name: impl Into<String>) -> Requirement {
    Requirement::from_condition(TenantLocation::Header(name.into()))
}

/// The caller's tenant equals the label before `domain` in the host of the request: `acme` of `acme.example.com` for
/// `example.com`.
///
/// Host names are case-insensitive, so a tenant with capitals never meets it. Proxy headers (`X-Forwarded-Host`) are not
/// read.
///
/// ```
/// let requirement = countersign_core::authz::tenant_in_host("example.com");
/// assert_eq!(requirement.to_string(), "tenant as in the host under example.com");
/// ```
pub fn tenant_in_host(domain: impl Into<String>) -> Requirement {
    Requirement::from_condition(TenantLocation::HostUnder(domain.into()))
}

enum TenantLocation {
    /// A parameter of the path.
    Path(String),
    /// A header.
    Header(String),
    /// The label before this domain in the host name.
    HostUnder(String),
}

impl TenantLocation {
    /// Returns whether the request names exactly this tenant; `None` if this location names none.
    fn names(&self, tenant: &TenantId, request: &dyn RequestFacts) -> Option<bool> {
        let named = self.named(request)?;
        Some(match self {
            TenantLocation::Path(_) | TenantLocation::Header(_) => named == tenant.as_str(),
            TenantLocation::HostUnder(_) => is_label_of(tenant.as_str(), named),
        })
    }

    /// The text in which the request names a tenant.
    fn named<'r>(&self, request: &'r dyn RequestFacts) -> Option<&'r str> {
        match self {
            TenantLocation::Path(parameter) => request.path_parameter(parameter),
            TenantLocation::Header(name) => request.header(name),
            TenantLocation::HostUnder(domain) => label_before(request.host()?, domain),
        }
    }
}

impl Condition for TenantLocation {
    fn kind(&self) -> &'static str {
        match self {
            TenantLocation::Path(_) => "tenant_in_path",
            TenantLocation::Header(_) => "tenant_in_header",
            TenantLocation::HostUnder(_) => "tenant_in_host",
        }
    }

    fn argument(&self) -> Value {
        let (TenantLocation::Path(name) | TenantLocation::Header(name) | TenantLocation::HostUnder(name)) = self;
        name.as_str().into()
    }

    /// A location or a token without a tenant leaves the question open, and an open question refuses.
    fn evaluate(&self, facts: &Facts<'_>) -> Verdict {
        if facts.grants.unknown.contains(Fact::Tenant) {
            return Verdict::Unknown(Denial::Forbidden, Unknown::Distributed);
        }
        let Some(tenant) = &facts.grants.tenant else {
            let reason = if facts.maps_tenant { Unknown::NotInToken } else { Unknown::TenantNotMapped };
            return Verdict::Unknown(Denial::Forbidden, reason);
        };
        match self.names(tenant, facts.context.request) {
            Some(is_same) => Verdict::met_if(is_same, || Denial::Forbidden),
            None => Verdict::Unknown(Denial::Forbidden, Unknown::NotInRequest),
        }
    }

    fn found(&self, facts: &Facts<'_>) -> Vec<String> {
        let tenant = facts.grants.tenant.as_ref().map(TenantId::as_str);
        let named = self.named(facts.context.request);
        let mut found = vec![match tenant {
            Some(tenant) => format!("the caller has tenant {}", word(tenant)),
            None if !facts.maps_tenant => Unknown::TenantNotMapped.to_string(),
            None => "the caller has no tenant; tenant_at of the policy names the claim that it is read from".to_owned(),
        }];
        found.extend(named.map(|named| format!("the request names {}", word(named))));
        found.extend(named.and_then(|named| found::near_miss(named, tenant.into_iter())));
        found
    }

    fn path_parameter(&self) -> Option<&str> {
        match self {
            TenantLocation::Path(parameter) => Some(parameter),
            _ => None,
        }
    }

    fn needs_request(&self) -> bool {
        true
    }
}

impl fmt::Display for TenantLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TenantLocation::Path(parameter) => write!(f, "tenant as in the path's {{{}}}", Escaped(parameter)),
            TenantLocation::Header(name) => write!(f, "tenant as in the header {}", Escaped(name)),
            TenantLocation::HostUnder(domain) => write!(f, "tenant as in the host under {}", Escaped(domain)),
        }
    }
}

/// `acme` of `acme.example.com:8443` for `example.com`; `None` for `a.b.example.com` and `example.com`.
fn label_before<'h>(host: &'h str, domain: &str) -> Option<&'h str> {
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let (label, rest) = host.split_once('.')?;
    (!label.is_empty() && rest.eq_ignore_ascii_case(domain)).then_some(label)
}

/// Host names are case-insensitive, tenants are not: a host never names a tenant with capitals.
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
