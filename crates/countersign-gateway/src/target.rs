//! The normal form of the address of a request: only an address that has one reading is decided about.

use std::fmt;

use crate::octets::Octets;

/// The longest address, in bytes.
pub(crate) const MAX_TARGET_BYTES: usize = 8 * 1024;

/// Characters that some servers read as another one, which separates parts of a path: full-width forms and similar ones.
const LOOKALIKES: [char; 17] = [
    '\u{37e}', '\u{2024}', '\u{2025}', '\u{2026}', '\u{2044}', '\u{2100}', '\u{2101}', '\u{2105}', '\u{2106}',
    '\u{2215}', '\u{fe52}', '\u{fe54}', '\u{fe6a}', '\u{ff05}', '\u{ff0e}', '\u{ff0f}', '\u{ff3c}',
];

/// Path and query of a request in normal form.
///
/// The path is that of RFC 3986 with one reading: it starts with `/`, and has no empty segment but the last, no `.` and no `..`
/// as a segment, no `;` and no `\`. What is percent-encoded has to be: letters, digits, `-`, `.`, `_` and `~` are not, and no
/// encoding stands for a slash, a backslash, a semicolon, a control character or another encoding. Decoded, it is UTF-8 without
/// characters that servers take for a slash or a dot. The query is printable ASCII. There is no fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    text: String,
    path_bytes: usize,
    /// The decoded path, if it differs.
    decoded: Option<String>,
}

/// The reason for which an address is refused.
///
/// ```
/// use countersign_gateway::Target;
///
/// assert!(Target::parse("/orders/7?page=2").is_ok());
/// assert_eq!(Target::parse("/orders/../admin").unwrap_err().to_string(), "the path has a segment . or ..");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmbiguousTarget(&'static str);

impl Target {
    /// Reads path and query as the client sent them.
    ///
    /// # Errors
    /// [`AmbiguousTarget`] for an address that servers could read in two ways.
    pub fn parse(text: &str) -> Result<Self, AmbiguousTarget> {
        Self::read(text.to_owned())
    }

    /// As [`parse`](Self::parse), without a copy of the text.
    pub(crate) fn read(text: String) -> Result<Self, AmbiguousTarget> {
        let refuse = |problem| Err(AmbiguousTarget(problem));
        if text.len() > MAX_TARGET_BYTES {
            return refuse("the address is too long");
        }
        let (path, query) = match text.bytes().position(|byte| byte == b'?').map(|at| text.split_at(at)) {
            Some((path, query)) => (path, query.get(1..)),
            None => (&text[..], None),
        };
        if query.is_some_and(|query| !query.bytes().all(|byte| IN_QUERIES.contains(byte))) {
            return refuse("the query has a character that is not printable ASCII, a fragment or a backslash");
        }
        if !path.starts_with('/') {
            return refuse("the address does not start with a slash");
        }
        if !path.bytes().all(|byte| IN_PATHS.contains(byte)) {
            return refuse("the path has a character that must be encoded, or that separates parameters");
        }
        let mut segments = path.as_bytes().split(|byte| *byte == b'/').skip(1).peekable();
        while let Some(segment) = segments.next() {
            if segment.is_empty() && segments.peek().is_some() {
                return refuse("the path has an empty segment");
            }
            if matches!(segment, b"." | b"..") {
                return refuse("the path has a segment . or ..");
            }
        }
        let decoded = if path.bytes().any(|byte| byte == b'%') { Some(decode(path)?) } else { None };
        Ok(Target { path_bytes: path.len(), text, decoded })
    }

    /// Path and query, as they were sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// The path, as it was sent.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.get(..self.path_bytes).unwrap_or_default()
    }

    /// The paths that servers could read, besides the one that was sent: decoded, and up to a decoded `?` or `#`.
    ///
    /// A request is decided about only if all of them lead to the same route.
    pub(crate) fn other_readings(&self) -> impl Iterator<Item = &str> {
        let cut = |path: &str| path.find(['?', '#']);
        let decoded = self.decoded.as_deref();
        let shortened = decoded.and_then(|path| path.get(..cut(path)?));
        decoded.into_iter().chain(shortened)
    }
}

/// The bytes that may be in a path as they are, or start an encoding.
static IN_PATHS: Octets = Octets::alphanumeric_and(b"!$%&'()*+,-./:=@_~");

/// The bytes that may be in a query: printable ASCII but `#` and `\`.
static IN_QUERIES: Octets = Octets::alphanumeric_and(b"!\"$%&'()*+,-./:;<=>?@[]^_`{|}~");

fn decode(path: &str) -> Result<String, AmbiguousTarget> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (Some(high), Some(low)) = (bytes.next().and_then(digit), bytes.next().and_then(digit)) else {
            return Err(AmbiguousTarget("the path has a percent sign without two hexadecimal digits"));
        };
        let byte = high << 4 | low;
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            return Err(AmbiguousTarget("the path has an encoded character that needs no encoding"));
        }
        if byte.is_ascii_control() || b"/\\;".contains(&byte) {
            return Err(AmbiguousTarget("the path has an encoded separator or control character"));
        }
        if byte == b'%' {
            let mut next = bytes.clone();
            if next.next().and_then(digit).is_some() && next.next().and_then(digit).is_some() {
                return Err(AmbiguousTarget("the path is encoded twice"));
            }
        }
        decoded.push(byte);
    }
    let decoded = String::from_utf8(decoded).map_err(|_| AmbiguousTarget("the decoded path is not UTF-8"))?;
    if decoded.contains(LOOKALIKES) || decoded.contains(char::is_control) {
        return Err(AmbiguousTarget("the decoded path has a character that servers take for a separator"));
    }
    Ok(decoded)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

impl fmt::Display for AmbiguousTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for AmbiguousTarget {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s9_12_an_address_with_two_readings_is_refused() {
        for good in [
            "/",
            "/orders",
            "/orders/",
            "/orders/7?page=2&x=/../a",
            "/a:b@c!$&'()*+,=~_-.d",
            "/...",
            "/.well-known/x",
            "/a..b",
            "/caf%C3%A9",
            "/caf%c3%a9",
            "/a%20b",
            "/100%25",
            "/tags/C%23",
            "/q%3Fa",
            "/%7Bx%7D",
            "/a?%zz",
            "/a?",
        ] {
            assert!(Target::parse(good).is_ok(), "{good}: {:?}", Target::parse(good));
        }
        for bad in [
            "",
            "orders",
            "*",
            "//",
            "//orders",
            "/orders//7",
            "/./a",
            "/a/.",
            "/a/..",
            "/../a",
            "/a/../b",
            "/a;b",
            "/;/a",
            "/a\\b",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a%5Cb",
            "/a%00",
            "/a%0a",
            "/a%7f",
            "/%2e/a",
            "/%2e%2e/a",
            "/%2E./a",
            "/%61dmin",
            "/a%2D",
            "/a%5F",
            "/a%7E",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%252f",
            "/a%252e",
            "/a%25zz%",
            "/a%3b",
            "/a%3B",
            "/caf\u{e9}",
            "/a b",
            "/a\tb",
            "/a\0b",
            "/a\r\nb",
            "/a#b",
            "/a?b#c",
            "/a?b\\c",
            "/a?b c",
            "/a?\u{e9}",
            "/a<b",
            "/a>b",
            "/a\"b",
            "/a|b",
            "/a^b",
            "/a`b",
            "/a{b",
            "/a}b",
            "/a[b]",
            "/%C0%AF",
            "/%E0%80%AF",
            "/%FF",
            "/%EF%BC%8F",
            "/%EF%BC%8E%EF%BC%8E",
            "/%E2%80%A4",
            "/%CD%BE",
            "/%C2%85",
            "http://shop.test/orders",
            "/%u002f",
        ] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
        assert!(Target::parse(&"/a".repeat(MAX_TARGET_BYTES)).is_err());
    }

    #[test]
    fn other_readings_are_the_decoded_path_and_what_is_before_a_decoded_separator() {
        let readings = |text| Target::parse(text).expect(text).other_readings().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(readings("/orders?a=%20"), [""; 0]);
        assert_eq!(readings("/a%20b"), ["/a b"]);
        assert_eq!(readings("/tags/C%23x"), ["/tags/C#x", "/tags/C"]);
        assert_eq!(readings("/q%3Fa?b"), ["/q?a", "/q"]);
    }
}
