//! The operation that the headers of a request name (MCP 2026-07-28, Streamable HTTP).

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

/// The first protocol version whose servers compare these headers with the body.
const FIRST_VERSION: &str = "2026-07-28";

const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// The marks of a name in Base64, which are case-sensitive.
const BASE64: (&str, &str) = ("=?base64?", "?=");

/// An operation, as headers or a body name it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Operation<'r> {
    Tool(Cow<'r, str>),
    Prompt(Cow<'r, str>),
    Resource(Cow<'r, str>),
    /// Any other method of the protocol.
    Method(&'r str),
}

/// The operation that the headers name; `None` if they do not name exactly one in the way of the specification.
pub(crate) fn operation(headers: &HeaderMap) -> Option<Operation<'_>> {
    if !is_compared(only(headers, &PROTOCOL_VERSION)?) {
        return None;
    }
    let method = only(headers, &METHOD)?;
    let name = || decoded(only(headers, &NAME)?);
    Some(match method {
        "tools/call" => Operation::Tool(name()?),
        "prompts/get" => Operation::Prompt(name()?),
        "resources/read" => Operation::Resource(name()?),
        method => Operation::Method(method),
    })
}

/// The only line of this header, in visible ASCII.
fn only<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Option<&'r str> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next()?.to_str().ok()?;
    lines.next().is_none().then_some(line)
}

/// Returns whether servers of this version compare the headers with the body. Only dates are versions.
fn is_compared(version: &str) -> bool {
    let is_date = version.len() == FIRST_VERSION.len()
        && version.bytes().zip(FIRST_VERSION.bytes()).all(|(byte, model)| match model {
            b'-' => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    is_date && version >= FIRST_VERSION
}

/// The name in a header. Text that looks like the Base64 form and is none is no name: readers may disagree about it.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    let (start, end) = BASE64;
    match text.strip_prefix(start).and_then(|rest| rest.strip_suffix(end)) {
        Some(encoded) => {
            let bytes = base64_simd::STANDARD.decode_to_vec(encoded).ok()?;
            String::from_utf8(bytes).ok().map(Cow::Owned)
        }
        None if text.is_empty() || text.starts_with("=?") => None,
        None => Some(Cow::Borrowed(text)),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(lines: &[(&'static str, &[u8])]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).expect("a value"));
        }
        operation(&headers).map(|operation| format!("{operation:?}"))
    }

    fn named(name: &[u8]) -> Option<String> {
        read(&[("mcp-protocol-version", b"2026-07-28"), ("mcp-method", b"tools/call"), ("mcp-name", name)])
    }

    #[test]
    fn s12_06_only_one_version_one_method_and_one_name_tell_the_operation() {
        const VERSION: (&str, &[u8]) = ("mcp-protocol-version", b"2026-07-28");
        const CALL: (&str, &[u8]) = ("mcp-method", b"tools/call");
        const NAME: (&str, &[u8]) = ("mcp-name", b"search");
        assert_eq!(read(&[VERSION, CALL, NAME]).as_deref(), Some("Tool(\"search\")"));
        assert_eq!(read(&[VERSION, ("mcp-method", b"tools/list")]).as_deref(), Some("Method(\"tools/list\")"));
        for unclear in [
            &[CALL, NAME][..],
            &[VERSION, NAME],
            &[VERSION, CALL],
            &[VERSION, VERSION, CALL, NAME],
            &[VERSION, CALL, CALL, NAME],
            &[VERSION, CALL, NAME, NAME],
            &[("mcp-protocol-version", b"2025-11-25"), CALL, NAME],
            &[("mcp-protocol-version", b"2025-06-18"), VERSION, CALL, NAME],
            &[VERSION, CALL, ("mcp-name", b"")],
            &[VERSION, CALL, ("mcp-name", b"caf\xc3\xa9")],
        ] {
            assert_eq!(read(unclear), None, "{unclear:?}");
        }
    }

    #[test]
    fn s12_06_only_dates_are_versions() {
        for version in ["2026-07-28", "2026-12-01", "2027-01-01", "9999-99-99"] {
            assert!(is_compared(version), "{version}");
        }
        for version in
            ["", "2026-07-27", "2025-11-25", "2026-07-28 ", "2026-07-28, 2025-06-18", "2026-7-28", "DRAFT-2026", "3000"]
        {
            assert!(!is_compared(version), "{version}");
        }
    }

    #[test]
    fn s12_06_the_base64_form_is_decoded_strictly() {
        assert_eq!(named(b"=?base64?c2VhcmNo?=").as_deref(), Some("Tool(\"search\")"));
        assert_eq!(named(b"=?base64?Y2Fmw6k=?=").as_deref(), Some("Tool(\"café\")"));
        for broken in [
            &b"=?base64?c2VhcmN?="[..], // a length that no text has
            b"=?base64?Y2Fmw6l=?=",     // bits that no text has
            b"=?base64?Y2Fmw6k?=",      // no padding
            b"=?base64?_-8=?=",         // another alphabet
            b"=?base64?/w==?=",         // not UTF-8
            b"=?base64?c2VhcmNo",       // no end
            b"=?BASE64?c2VhcmNo?=",     // marks in another case
            b"=?utf-8?B?c2VhcmNo?=",    // another form
        ] {
            assert_eq!(named(broken), None, "{}", String::from_utf8_lossy(broken));
        }
    }
}
