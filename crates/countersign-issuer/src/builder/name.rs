//! The name of an issuer, which is the URL of its endpoints.

use url::Url;

/// The problem with a name, if there is one.
pub(super) fn name_fault(name: &str) -> Option<&'static str> {
    let Ok(url) = Url::parse(name) else {
        return Some("not an absolute URL; use the URL at which the issuer is served");
    };
    let is_loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    match url.scheme() {
        "https" => {}
        "http" if is_loopback => {}
        _ => return Some("not https; only a loopback address may use http"),
    }
    if name.contains(['?', '#', '@']) {
        return Some("has a query, fragment or user part; remove it");
    }
    if name.ends_with('/') {
        return Some("ends with a slash; remove it, because verifiers compare the name exactly");
    }
    if url.as_str().trim_end_matches('/') != name || !url.path().bytes().all(is_plain) || url.path().contains("//") {
        return Some("not in normal form; use a lower-case host, no default port, no escapes and no dot segments");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s8_13_a_name_is_https_or_on_loopback_and_in_normal_form() {
        for fine in [
            "https://id.example.com",
            "https://id.example.com/sts",
            "http://127.0.0.1:4000",
            "http://[::1]:1",
            "http://localhost:1/a/b",
        ] {
            assert_eq!(name_fault(fine), None, "{fine}");
        }
        for bad in [
            "",
            "id.example.com",
            "http://id.example.com",
            "http://127.0.0.1.example.com",
            "ftp://127.0.0.1",
            "https://id.example.com/",
            "https://ID.example.com",
            "https://id.example.com:443",
            "https://id.example.com/a/../b",
            "https://id.example.com/{x}",
            "https://id.example.com//x",
            "https://id.example.com?x",
            "https://u@id.example.com",
        ] {
            assert!(name_fault(bad).is_some(), "{bad}");
        }
    }
}
