//! The credential of a request: exactly one bearer token, or none (RFC 6750 §2).

use http::{HeaderMap, Request, Uri, header};

use super::locations::TokenLocations;
use super::query::{has_token, query_tokens};
use super::websocket::protocol_tokens;

/// The credential that a request brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credential<'r> {
    /// No bearer token: no header, an empty one, or another scheme.
    None,
    /// One token, whose [form](is_b64token) is not checked yet.
    Bearer(&'r str),
    /// Several credentials or a malformed one: 400 `invalid_request`, with the reason for the log.
    Malformed(&'static str),
    /// A token in a cookie, in a request that another site may have caused: 403.
    CrossSite,
}

/// Reads the credential from the header and from `locations`.
///
/// Tokens in body and query are ignored unless enabled. Only a token in both header and query is always an error: RFC 6750
/// §2 allows one location in each request.
pub(super) fn read<'r, B>(request: &'r Request<B>, locations: &TokenLocations) -> Credential<'r> {
    let in_header = in_header(request.headers(), request.uri());
    if matches!(in_header, Credential::Malformed(_)) || locations.is_header_only() {
        return in_header;
    }
    // Other schemes count here: a request with another scheme and a token in a cookie brings two credentials.
    let has_header = request.headers().get(header::AUTHORIZATION).is_some_and(|line| !line.is_empty());
    let mut found = in_header;
    let mut count = usize::from(has_header);
    let mut add = |token: Option<&'r str>| {
        count += 1;
        found = token.map_or(Credential::Malformed("the token has characters that no token has"), Credential::Bearer);
    };
    if locations.websocket_protocol {
        protocol_tokens(request).for_each(|token| add(Some(token)));
    }
    if locations.query {
        request.uri().query().into_iter().flat_map(query_tokens).for_each(&mut add);
    }
    let cookie = locations.cookie.as_ref().and_then(|cookie| {
        let mut values = cookie.values(request.headers()).peekable();
        values.peek()?;
        values.for_each(&mut add);
        Some(cookie)
    });
    if count == 1
        && matches!(found, Credential::Bearer(_))
        && !locations.query
        && request.uri().query().is_some_and(has_token)
    {
        return Credential::Malformed("one token in the request and one in the query");
    }
    match (count, cookie) {
        (0 | 1, Some(cookie)) if !cookie.allows(request) => Credential::CrossSite,
        (0 | 1, _) => found,
        _ => Credential::Malformed("credentials in more than one location"),
    }
}

/// Reads the credential in the `Authorization` header.
fn in_header<'r>(headers: &'r HeaderMap, uri: &Uri) -> Credential<'r> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Credential::None };
    if lines.next().is_some() {
        return Credential::Malformed("more than one Authorization header");
    }
    if line.is_empty() {
        return Credential::None;
    }
    // Not `to_str`, which checks byte by byte.
    let Ok(line) = std::str::from_utf8(line.as_bytes()) else {
        return Credential::Malformed("the Authorization header is not UTF-8");
    };
    let (scheme, rest) = line.split_once(' ').unwrap_or((line, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return match hides_bearer(line) {
            true => Credential::Malformed("the Bearer scheme does not stand first, or is not followed by a space"),
            false => Credential::None,
        };
    }
    if uri.query().is_some_and(has_token) {
        return Credential::Malformed("one token in the header and one in the query");
    }
    Credential::Bearer(rest.trim_start_matches(' '))
}

/// Returns whether a credential of another scheme may be read as one of the Bearer scheme too: by a reader that takes other
/// spaces, or the second of two credentials that a proxy joined.
fn hides_bearer(line: &str) -> bool {
    line.split(',').map(str::trim_start).any(|part| {
        let is_bearer = part.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("bearer"));
        let next = part.as_bytes().get(6);
        is_bearer && next.is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b"!#$%&'*+-.^_`|~".contains(byte))
    })
}

/// Returns whether the text is a `b64token`: `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
pub(super) fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    // Branch-free, so that the compiler vectorises it: a token has about a thousand bytes.
    let is_in = |byte: u8, first: u8, count: u8| byte.wrapping_sub(first) < count;
    let allowed = |byte: u8| {
        is_in(byte | 0x20, b'a', 26)
            | is_in(byte, b'-', 13) // - . / and the digits
            | (byte == b'_')
            | (byte == b'~')
            | (byte == b'+')
    };
    !body.is_empty() && body.bytes().fold(true, |valid, byte| valid & allowed(byte))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(lines: &[&[u8]], uri: &str) -> String {
        let mut request = Request::builder().uri(uri).body(()).expect("a request");
        for line in lines {
            let value = HeaderValue::from_bytes(line).expect("a header value");
            request.headers_mut().append(header::AUTHORIZATION, value);
        }
        match super::read(&request, &TokenLocations::default()) {
            Credential::CrossSite => "cross-site".into(),
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
        assert_eq!(read(&[b"Bearer\ttok"], "/"), "malformed");
        assert_eq!(read(&[b"Bearer a\xff"], "/"), "malformed");
        for text in ["", "a b", "a,b", "a, Bearer b", "=", "a=b", "{\"a\":1}", "a\u{e9}"] {
            assert!(!is_b64token(text), "{text}");
        }
        assert!(is_b64token("a") && is_b64token("a=="));
    }

    #[test]
    fn s5_02_a_token_is_of_the_characters_of_rfc_6750_and_no_others() {
        const GRAMMAR: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
        for character in (0..=u8::MAX).map(char::from) {
            let is_of_the_grammar = GRAMMAR.contains(character);
            assert_eq!(is_b64token(&character.to_string()), is_of_the_grammar, "{character:?}");
            let amid = format!("{}{character}{}", "a".repeat(40), "b".repeat(40));
            assert_eq!(is_b64token(&amid), is_of_the_grammar, "{character:?}");
        }
    }

    #[test]
    fn s5_08_s5_09_one_header_any_case_any_spaces() {
        assert_eq!(read(&[b"bearer tok"], "/"), "tok");
        assert_eq!(read(&[b"BEARER   tok"], "/"), "tok");
        assert_eq!(read(&[b"Bearer a", b"Bearer a"], "/"), "malformed");
        assert_eq!(read(&[b"Bearer a", b"Basic b"], "/"), "malformed");
        assert_eq!(read(&[b"Bearer a"], "/?x=1&access_token=b"), "malformed");
    }
}
