//! The operation that the headers of a request name (MCP 2026-07-28, Streamable HTTP).

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The first protocol version whose servers compare these headers with the body.
const FIRST_VERSION: &[u8] = b"2026-07-28";

pub(crate) const SESSION_ID: &str = "mcp-session-id";

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

/// The headers that the layer reads, found in one pass: a lookup by name costs more than reading all names.
#[derive(Debug, Default)]
pub(crate) struct Head<'r> {
    version: Line<&'r HeaderValue>,
    method: Line<&'r HeaderValue>,
    name: Line<&'r HeaderValue>,
    pub(crate) session: Line<&'r HeaderValue>,
    /// The request asks for events that were sent before.
    pub(crate) replays: bool,
    /// The first header that is marked as sensitive, and whether there are more.
    pub(crate) marked: Option<&'r HeaderName>,
    pub(crate) has_more_marked: bool,
}

/// The lines of one header.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Line<V> {
    #[default]
    None,
    Only(V),
    Several,
}

impl<'r> Head<'r> {
    #[inline]
    pub(crate) fn of(headers: &'r HeaderMap) -> Self {
        let mut head = Head::default();
        for (name, value) in headers {
            if value.is_sensitive() {
                head.has_more_marked = head.marked.is_some();
                head.marked = head.marked.or(Some(name));
            }
            let line = match name.as_str() {
                "mcp-protocol-version" => &mut head.version,
                "mcp-method" => &mut head.method,
                "mcp-name" => &mut head.name,
                SESSION_ID => &mut head.session,
                "last-event-id" => {
                    head.replays = true;
                    continue;
                }
                _ => continue,
            };
            *line = if matches!(line, Line::None) { Line::Only(value) } else { Line::Several };
        }
        head
    }

    /// The operation that the headers name; `None` if they do not name exactly one in the way of the specification.
    pub(crate) fn operation(&self) -> Option<Operation<'r>> {
        let (Line::Only(version), Line::Only(method)) = (self.version, self.method) else { return None };
        if !is_compared(version.as_bytes()) {
            return None;
        }
        let name = || decoded(self.name.text()?);
        Some(match method.as_bytes() {
            b"tools/call" => Operation::Tool(name()?),
            b"prompts/get" => Operation::Prompt(name()?),
            b"resources/read" => Operation::Resource(name()?),
            _ => Operation::Method(method.to_str().ok()?),
        })
    }
}

impl<'r> Line<&'r HeaderValue> {
    /// The only line, in visible ASCII.
    fn text(self) -> Option<&'r str> {
        match self {
            Line::Only(line) => line.to_str().ok(),
            Line::None | Line::Several => None,
        }
    }

    pub(crate) fn cloned(self) -> Line<HeaderValue> {
        match self {
            Line::None => Line::None,
            Line::Only(line) => Line::Only(line.clone()),
            Line::Several => Line::Several,
        }
    }
}

/// Returns whether servers of this version compare the headers with the body. Only dates are versions.
fn is_compared(version: &[u8]) -> bool {
    let is_date = || {
        version.len() == FIRST_VERSION.len()
            && version.iter().zip(FIRST_VERSION).all(|(byte, model)| match model {
                b'-' => *byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    };
    version == FIRST_VERSION || is_date() && version > FIRST_VERSION
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
    use super::*;

    fn read(lines: &[(&'static str, &[u8])]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).expect("a value"));
        }
        Head::of(&headers).operation().map(|operation| format!("{operation:?}"))
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
    fn s12_09_every_marked_header_is_noticed() {
        for (marked, first, has_more) in [
            (&[][..], None, false),
            (&["dpop"], Some("dpop"), false),
            (&["accept", "authorization", "dpop"], Some("accept"), true),
        ] {
            let mut headers = HeaderMap::new();
            for name in ["accept", "authorization", "dpop", "mcp-name"] {
                let mut value = HeaderValue::from_static("a");
                value.set_sensitive(marked.contains(&name));
                headers.append(name, value);
            }
            let head = Head::of(&headers);
            assert_eq!((head.marked.map(HeaderName::as_str), head.has_more_marked), (first, has_more));
        }
    }

    #[test]
    fn s12_06_only_dates_are_versions() {
        for version in ["2026-07-28", "2026-12-01", "2027-01-01", "9999-99-99"] {
            assert!(is_compared(version.as_bytes()), "{version}");
        }
        for version in
            ["", "2026-07-27", "2025-11-25", "2026-07-28 ", "2026-07-28, 2025-06-18", "2026-7-28", "DRAFT-2026", "3000"]
        {
            assert!(!is_compared(version.as_bytes()), "{version}");
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
