//! Names of several issuers: which of them owns a name, if each could say it.

use crate::error::Fault;
use crate::policy::TrustedIssuer;
use crate::redact::safe_text;

/// The faults of tenants that several issuers could name, so that one could name the tenant of another.
pub(super) fn faults(issuers: &[TrustedIssuer]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut owner: Option<&str> = None;
    for issuer in issuers {
        let Some((pointer, prefix, tenants_of)) = issuer.authorities.tenant_claim() else { continue };
        let mut fault = |problem: &str| {
            let name = safe_text(issuer.issuer());
            faults.push(Fault::new("tenant", format!("{problem} (issuer \"{name}\")")));
        };
        match (prefix, tenants_of) {
            ("", None) if issuer.pins(pointer) => {}
            ("", None) => fault(
                "several issuers are trusted, and each could name the tenants of another; set tenant_prefix, or state with \
                 tenants_of whose tenants these are",
            ),
            ("", Some(issuer)) => {
                if owner.is_some_and(|owner| owner != issuer) {
                    fault("tenants without a prefix are already those of another issuer; set tenant_prefix");
                }
                owner = owner.or(Some(issuer));
            }
            (prefix, _) => {
                let is_other = |other: &&TrustedIssuer| !std::ptr::eq(*other, issuer);
                let others = issuers.iter().filter(is_other);
                let overlaps =
                    |other: &str| !other.is_empty() && (other.starts_with(prefix) || prefix.starts_with(other));
                let mut prefixes = others.clone().filter_map(|other| other.authorities.tenant_claim());
                if prefixes.any(|(_, other, _)| overlaps(other)) {
                    fault(
                        "tenant_prefix overlaps that of another issuer; choose prefixes of which none starts with another",
                    );
                }
                if others.filter_map(|other| other.authorities.fixed_tenant()).any(|tenant| tenant.starts_with(prefix))
                {
                    fault("the tenant of another issuer starts with this tenant_prefix; choose another");
                }
            }
        }
    }
    faults
}

/// Tells each issuer the prefixes of the others, with which none of its own names may start.
pub(super) fn separate(issuers: &mut [TrustedIssuer]) {
    let of = |issuer: &TrustedIssuer| {
        let tenants = issuer.authorities.tenant_claim().map(|(_, prefix, _)| prefix.to_owned()).unwrap_or_default();
        (issuer.authorities.names_prefix().to_owned(), tenants)
    };
    let all: Vec<(String, String)> = issuers.iter().map(of).collect();
    for (issuer, (own_names, own_tenants)) in issuers.iter_mut().zip(&all) {
        let foreign = |own: &str, prefix: &String| !prefix.is_empty() && !own.starts_with(prefix.as_str());
        let names = all.iter().map(|(names, _)| names).filter(|prefix| foreign(own_names, prefix));
        let tenants = all.iter().map(|(_, tenants)| tenants).filter(|prefix| foreign(own_tenants, prefix));
        let (names, tenants) = (names.cloned().collect(), tenants.cloned().collect());
        issuer.authorities.refuse_prefixes(names, tenants);
    }
}
