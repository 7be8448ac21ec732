//! The form of issuers' names, checked before a lookup.

use crate::fetch::{is_loopback, parse_url};

/// The longest name for a lookup, in bytes.
const MAX_NAME_BYTES: usize = 512;

/// Returns whether `name` is a URL in canonical form, without user information, query and fragment. A name that a URL parser would
/// change (dot segments, escaped dots, backslashes, upper case, a default port) is not.
pub(super) fn is_canonical(name: &str, loopback_allowed: bool) -> bool {
    if name.len() > MAX_NAME_BYTES || !name.is_ascii() || name.contains(['?', '#', '@', '%', '\\']) {
        return false;
    }
    let Some(url) = parse_url(name) else { return false };
    let scheme_is_safe = url.scheme() == "https" || url.scheme() == "http" && loopback_allowed && is_loopback(&url);
    let is_its_own_spelling = url.as_str() == name || url.path() == "/" && url.as_str().strip_suffix('/') == Some(name);
    scheme_is_safe && is_its_own_spelling
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_23_only_canonical_names_are_issuers() {
        for good in [
            "https://id.example",
            "https://id.example/",
            "https://id.example/t1",
            "https://h:8443/a/b/",
            "https://1.1.1.1/x",
        ] {
            assert!(is_canonical(good, false), "{good}");
        }
        let long = format!("https://id.example/{}", "a".repeat(MAX_NAME_BYTES));
        for bad in [
            "",
            "id.example",
            "http://id.example",
            "http://127.0.0.1:1",
            "ftp://id.example",
            "file:///etc/passwd",
            "https://id.example/x/../../evil",
            "https://id.example/./x",
            "https://id.example/%2e%2e/x",
            "https://id.example/%2E%2E",
            "https://evil.com#.id.example",
            "https://id.example?x",
            "https://id.example@evil.com",
            "https://u:p@id.example",
            "https:\\\\id.example",
            "https://id.example\\@evil.com",
            "https://ID.example",
            "HTTPS://id.example",
            "https://id.example:443",
            "https://id.example:443/x",
            " https://id.example",
            "https://id.example\n",
            "https://id.example/\t",
            "https://id.example/ä",
            "https://ídn.example",
            "https://2130706433",
            "https://0x7f.1/",
            "https:///id.example",
            "https:id.example",
            "https://",
            &long,
        ] {
            assert!(!is_canonical(bad, false), "{bad}");
        }
        assert!(is_canonical("http://127.0.0.1:1", true) && is_canonical("http://localhost:1/x", true));
        assert!(!is_canonical("http://10.0.0.1", true) && !is_canonical("http://127.0.0.1.evil.example", true));
    }
}
