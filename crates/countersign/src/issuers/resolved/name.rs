//! Which names are issuers' names at all, before anybody is asked about them.

use crate::fetch::{is_loopback, parse_url};

/// The longest name that is looked up, in bytes.
const MAX_NAME_BYTES: usize = 512;

/// Whether `name` is an address in its one canonical spelling, without user part, query and fragment. What a URL parser
/// would read as something else than it says (dot segments, escapes of dots, backslashes, upper case, a default port) is
/// nobody's name.
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
    fn s4_23_a_name_is_what_it_says_or_nobodys() {
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
