//! The one credential of a request (RFC 6750 §2.1): exactly one bearer token, or none.

use http::{HeaderMap, Uri, header};

/// What a request brings.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Credential<'r> {
    /// No bearer token: no header, an empty one, or another scheme.
    None,
    /// One that fits the grammar.
    Bearer(&'r str),
    /// Several, or one that breaks the grammar: 400 `invalid_request`, and why.
    Malformed(&'static str),
}

/// Reads the credential. Query and body are never looked into for a token, but a token in both header and query is two
/// (RFC 6750 §2).
pub(super) fn of<'r>(headers: &'r HeaderMap, uri: &Uri) -> Credential<'r> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Credential::None };
    if lines.next().is_some() {
        return Credential::Malformed("more than one Authorization header");
    }
    if line.is_empty() {
        return Credential::None;
    }
    // Not `to_str`: it looks at one byte at a time, and what follows Bearer is judged byte by byte below.
    let Ok(line) = std::str::from_utf8(line.as_bytes()) else {
        return Credential::Malformed("the Authorization header has characters beyond ASCII");
    };
    let (scheme, rest) = line.split_once(' ').unwrap_or((line, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        let begins_so = scheme.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("bearer"));
        return match begins_so && scheme[6..].starts_with(['\t', ',', '=']) {
            true => Credential::Malformed("the Bearer scheme is followed by something that is no blank"),
            false => Credential::None,
        };
    }
    let token = rest.trim_start_matches(' ');
    if !is_b64token(token) {
        return Credential::Malformed("what follows Bearer is not one token");
    }
    if has_token_in_query(uri) {
        return Credential::Malformed("a token in the header and one in the query");
    }
    Credential::Bearer(token)
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    // Without a branch, so that the compiler takes many bytes at a time: a token has a thousand.
    let is_in = |byte: u8, first: u8, count: u8| byte.wrapping_sub(first) < count;
    let allowed = |byte: u8| {
        is_in(byte | 0x20, b'a', 26)
            | is_in(byte, b'-', 13) // - . / and the digits
            | (byte == b'_')
            | (byte == b'~')
            | (byte == b'+')
    };
    !body.is_empty() && body.bytes().fold(true, |so_far, byte| so_far & allowed(byte))
}

fn has_token_in_query(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|pair| pair.split('=').next() == Some("access_token")))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(lines: &[&[u8]], uri: &str) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(line).expect("a header value"));
        }
        match of(&headers, &uri.parse().expect("a uri")) {
            Credential::None => "none".into(),
            Credential::Malformed(_) => "malformed".into(),
            Credential::Bearer(token) => token.into(),
        }
    }

    #[test]
    fn s5_01_no_bearer_token_is_none() {
        for line in ["", "Basic dXNlcjpwdw==", "Negotiate x", "DPoP abc", "Bearerx abc"] {
            assert_eq!(read(&[line.as_bytes()], "/"), "none", "{line}");
        }
        assert_eq!(read(&[], "/?access_token=abc"), "none", "S5.10");
    }

    #[test]
    fn s5_02_malformed_is_malformed() {
        for line in [
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer a,b",
            "Bearer\ttok",
            "Bearer a, Bearer b",
            "Bearer =",
            "Bearer {\"a\":1}",
        ] {
            assert_eq!(read(&[line.as_bytes()], "/"), "malformed", "{line}");
        }
        assert_eq!(read(&[b"Bearer a\xff"], "/"), "malformed");
    }

    #[test]
    fn s5_02_a_token_is_of_the_characters_of_rfc_6750_and_no_others() {
        for byte in 0..=u8::MAX {
            let is_of_the_grammar = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            let text = char::from(byte).to_string();
            assert_eq!(is_b64token(&text), is_of_the_grammar, "{byte:#x}");
            assert_eq!(is_b64token(&format!("{}{text}{}", "a".repeat(40), "b".repeat(40))), is_of_the_grammar);
        }
    }

    #[test]
    fn s5_08_s5_09_one_header_any_case_any_blanks() {
        assert_eq!(read(&[b"bearer tok"], "/"), "tok");
        assert_eq!(read(&[b"BEARER   tok"], "/"), "tok");
        assert_eq!(read(&[b"Bearer a", b"Bearer a"], "/"), "malformed");
        assert_eq!(read(&[b"Bearer a", b"Basic b"], "/"), "malformed");
        assert_eq!(read(&[b"Bearer a"], "/?x=1&access_token=b"), "malformed");
    }
}
