//! The credential of a request: exactly one bearer token, or none (RFC 6750 §2).

use http::{HeaderMap, Request, Uri, header};

use super::locations::TokenLocations;
use super::query::{has_token, query_tokens};
use super::scheme::after_scheme;
use super::websocket::Offer;

/// The credential that a request brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credential<'r> {
    /// No bearer token: no header, an empty one, or another scheme.
    None,
    /// One token, whose [form](is_b64token) is not checked yet.
    Bearer(&'r str),
    /// One token of the scheme `DPoP`, with a proof in a header of its own (RFC 9449 §7.1).
    Dpop(&'r str),
    /// One token, encoded as base64url once more.
    Encoded(&'r str),
    /// One API key, in a header of its own.
    ApiKey(&'r str),
    /// Several credentials or a malformed one: 400 `invalid_request`, with the reason for the log.
    Malformed(&'static str),
    /// A token that browsers send by themselves, in a request that another site may have caused: 403, with the reason for the
    /// log.
    CrossSite(&'static str),
}

/// Reads the credential from the header and from `locations`.
///
/// Tokens in body and query are ignored unless enabled. Only a token in both header and query is always an error: RFC 6750
/// §2 allows one location in each request.
pub(super) fn read<'r, B>(request: &'r Request<B>, locations: &TokenLocations) -> Credential<'r> {
    let in_header = in_header(request.headers(), request.uri(), locations.dpop);
    if matches!(in_header, Credential::Malformed(_)) || locations.is_header_only() {
        return in_header;
    }
    read_elsewhere(request, locations, in_header)
}

/// The credential of the header or of another location, if there is one and not more.
#[inline(never)]
fn read_elsewhere<'r, B>(
    request: &'r Request<B>,
    locations: &TokenLocations,
    in_header: Credential<'r>,
) -> Credential<'r> {
    // Other schemes count here: a request with another scheme and a token in a cookie brings two credentials.
    let has_header = request.headers().get(header::AUTHORIZATION).is_some_and(|line| {
        let is_left_to_proxy = locations.ignores_basic && is_basic(line.as_bytes());
        !line.is_empty() && !is_left_to_proxy
    });
    let mut found = in_header;
    let mut count = usize::from(has_header);
    let mut add = |credential: Option<Credential<'r>>| {
        count += 1;
        found = credential.unwrap_or(Credential::Malformed("the token has characters that no token has"));
    };
    if !locations.protocols.is_off() {
        locations.protocols.offered(request).for_each(|offer| match offer {
            Offer::Token(token) => add(Some(Credential::Bearer(token))),
            Offer::Encoded(token) => add(Some(Credential::Encoded(token))),
            Offer::Name(_) => {}
        });
    }
    let mut add = |token: Option<&'r str>| add(token.map(Credential::Bearer));
    if locations.query {
        request.uri().query().into_iter().flat_map(query_tokens).for_each(&mut add);
    }
    let cookie = locations.cookie.as_ref().and_then(|cookie| {
        let mut values = cookie.values(request.headers()).peekable();
        values.peek()?;
        values.for_each(&mut add);
        Some(cookie)
    });
    let proxy = locations.header.as_ref().and_then(|header| {
        let mut values = header.values(request.headers()).peekable();
        values.peek()?;
        values.for_each(&mut add);
        Some(header)
    });
    if let Some(name) = &locations.api_key {
        for line in request.headers().get_all(name).iter().filter(|line| !line.is_empty()) {
            count += 1;
            found = std::str::from_utf8(line.as_bytes())
                .map_or(Credential::Malformed("the API key has characters that no key has"), Credential::ApiKey);
        }
    }
    if count == 1
        && !matches!(found, Credential::None | Credential::Malformed(_) | Credential::CrossSite(_))
        && !locations.query
        && request.uri().query().is_some_and(has_token)
    {
        return Credential::Malformed("one token in the request and one in the query");
    }
    if count > 1 {
        return Credential::Malformed("credentials in more than one location");
    }
    if cookie.is_some_and(|cookie| !cookie.allows(request)) {
        return Credential::CrossSite("a token in a cookie, in a request that another site may have caused");
    }
    if proxy.is_some_and(|header| !header.allows(request)) {
        return Credential::CrossSite(
            "a token in a header of a proxy, in a request of a page that is not listed; list its origin in HeaderToken::origins",
        );
    }
    found
}

fn is_basic(line: &[u8]) -> bool {
    let scheme = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    scheme.len() < line.len() && scheme.eq_ignore_ascii_case(b"basic")
}

/// The scheme of an `Authorization` header that holds no bearer token; `None` if there is no header. Of a closed set: an unknown
/// word may be the token itself.
pub(super) fn other_scheme(headers: &HeaderMap) -> Option<&'static str> {
    const KNOWN: [&str; 11] =
        ["Basic", "Digest", "DPoP", "Hawk", "HOBA", "JWT", "Mutual", "Negotiate", "NTLM", "PrivateToken", "Token"];
    let line = headers.get(header::AUTHORIZATION).filter(|line| !line.is_empty())?.as_bytes();
    let scheme = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    if scheme.len() == line.len() {
        return Some("none");
    }
    let known = KNOWN.into_iter().find(|known| scheme.eq_ignore_ascii_case(known.as_bytes()));
    Some(known.unwrap_or("unknown"))
}

/// Reads the credential in the `Authorization` header.
fn in_header<'r>(headers: &'r HeaderMap, uri: &Uri, takes_dpop: bool) -> Credential<'r> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Credential::None };
    if lines.next().is_some() {
        return Credential::Malformed("more than one Authorization header");
    }
    if line.is_empty() {
        return Credential::None;
    }
    // Not `to_str`, which checks byte by byte.
    let Ok(line) = simdutf8::basic::from_utf8(line.as_bytes()) else {
        return Credential::Malformed("the Authorization header is not UTF-8");
    };
    let (is_dpop, token) = if let Some(token) = after_scheme(line, "bearer") {
        (false, token)
    } else if takes_dpop && let Some(token) = after_scheme(line, "dpop") {
        (true, token)
    } else {
        return of_other_scheme(line);
    };
    if uri.query().is_some_and(has_token) {
        return Credential::Malformed("one token in the header and one in the query");
    }
    if is_dpop { Credential::Dpop(token) } else { Credential::Bearer(token) }
}

#[cold]
fn of_other_scheme(line: &str) -> Credential<'_> {
    match hides_bearer(line) {
        true => Credential::Malformed("the Bearer scheme does not stand first, or is not followed by a space"),
        false => Credential::None,
    }
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
            Credential::CrossSite(_) => "cross-site".into(),
            Credential::None => "none".into(),
            Credential::Malformed(_) => "malformed".into(),
            Credential::Bearer(token)
            | Credential::Dpop(token)
            | Credential::Encoded(token)
            | Credential::ApiKey(token) => token.into(),
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
    fn another_scheme_is_named_and_a_token_is_not() {
        for (line, scheme) in [
            ("", None),
            ("basic dTpw", Some("Basic")),
            ("JWT eyJ.eyJ.c2ln", Some("JWT")),
            ("eyJ.eyJ.c2ln", Some("none")),
            ("eyJ.eyJ.c2ln x", Some("unknown")),
        ] {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(line))]);
            assert_eq!(other_scheme(&headers), scheme, "{line}");
        }
        assert_eq!(other_scheme(&HeaderMap::new()), None);
        assert!(is_basic(b"BASIC x") && !is_basic(b"Basic") && !is_basic(b"Basicx y"));
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
