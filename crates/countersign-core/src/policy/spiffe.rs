//! SPIFFE IDs: the names of workloads, and the trust domains that they belong to.

use std::borrow::Cow;

/// The scheme of SPIFFE IDs.
const SCHEME: &str = "spiffe://";

/// The longest SPIFFE ID, in bytes (SPIFFE ID §2.3).
const MAX_ID_BYTES: usize = 2048;

/// The longest name of a trust domain, in bytes (SPIFFE ID §2.1).
const MAX_DOMAIN_BYTES: usize = 255;

/// The ID of the trust domain, such as `spiffe://shop.example`, that the SPIFFE ID of a workload begins with.
///
/// `None` if it is not the ID of a workload in its only valid form: nothing is normalised, and the ID of a trust domain itself
/// names no workload.
pub(crate) fn trust_domain_id(workload: &str) -> Option<&str> {
    let rest = workload.strip_prefix(SCHEME)?;
    let (domain, path) = rest.split_once('/')?;
    let is_segment_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_segment =
        |segment: &str| !segment.is_empty() && !matches!(segment, "." | "..") && segment.bytes().all(is_segment_byte);
    let is_id = workload.len() <= MAX_ID_BYTES && is_domain(domain) && path.split('/').all(is_segment);
    is_id.then(|| &workload[..SCHEME.len() + domain.len()])
}

/// The trust domain with this ID, if it looks like one.
pub(crate) fn domain_of_id(id: &str) -> Option<&str> {
    id.strip_prefix(SCHEME)
}

/// The fault of a trust domain's name, for an issuer of this name.
pub(crate) fn domain_fault(domain: &str, issuer: &str) -> Option<Cow<'static, str>> {
    if !is_domain(domain) {
        return Some("a trust domain has only lower-case letters, digits, dots, hyphens and underscores; write it like shop.example, without spiffe:// and without a path".into());
    }
    let other = domain_of_id(issuer).filter(|named| *named != domain)?;
    Some(
        format!("the issuer is the trust domain {other}, and its subjects are to be of {domain}; name one of them")
            .into(),
    )
}

fn is_domain(name: &str) -> bool {
    let is_domain_byte =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'_');
    !name.is_empty() && name.len() <= MAX_DOMAIN_BYTES && name.bytes().all(is_domain_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_31_the_id_of_a_workload_names_its_trust_domain_in_one_form_only() {
        assert_eq!(trust_domain_id("spiffe://shop.example/billing"), Some("spiffe://shop.example"));
        assert_eq!(trust_domain_id("spiffe://shop.example/ns/Shop/sa/a_b-c.d"), Some("spiffe://shop.example"));
        for other in [
            "",
            "spiffe://",
            "spiffe:///billing",
            "spiffe://shop.example",
            "spiffe://shop.example/",
            "spiffe://shop.example//a",
            "spiffe://shop.example/a/",
            "spiffe://shop.example/./a",
            "spiffe://shop.example/a/..",
            "spiffe://Shop.example/a",
            "SPIFFE://shop.example/a",
            "spiffe://shop.example:8443/a",
            "spiffe://ann@shop.example/a",
            "spiffe://shop.example/a?b",
            "spiffe://shop.example/a#b",
            "spiffe://shop.example/%61",
            "spiffe://shop.example/ä",
            "spiffe://shöp.example/a",
            "https://shop.example/a",
            " spiffe://shop.example/a",
            "spiffe://shop.example/a ",
            "spiffe:/shop.example/a",
        ] {
            assert_eq!(trust_domain_id(other), None, "{other}");
        }
        let long = format!("spiffe://shop.example/{}", "a".repeat(2048));
        assert_eq!(trust_domain_id(&long), None, "too long");
        assert_eq!(trust_domain_id(&format!("spiffe://{}/a", "d".repeat(256))), None, "too long a domain");
    }

    #[test]
    fn a_faulty_trust_domain_is_reported() {
        assert_eq!(domain_fault("shop.example", "spiffe://shop.example"), None);
        assert_eq!(domain_fault("shop.example", "https://oidc.shop.example"), None);
        for bad in ["", "spiffe://shop.example", "Shop.example", "shop.example/billing", "shop example"] {
            assert!(domain_fault(bad, "https://oidc.shop.example").is_some(), "{bad}");
        }
        assert!(
            domain_fault("other.example", "spiffe://shop.example").is_some_and(|fault| fault.contains("other.example"))
        );
    }
}
