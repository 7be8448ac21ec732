//! The form of a body that is not JSON, in words.

use http::{HeaderMap, header};

/// The form of a body that should be JSON and is not: `None` if it may be JSON.
///
/// ```
/// use countersign::integration::unexpected_form;
/// use http::HeaderMap;
///
/// assert_eq!(unexpected_form(&HeaderMap::new(), b"<!doctype html>"), Some("HTML or XML, such as a login page"));
/// assert_eq!(unexpected_form(&HeaderMap::new(), b"{}"), None);
/// ```
#[must_use]
pub fn unexpected_form(headers: &HeaderMap, body: &[u8]) -> Option<&'static str> {
    const GZIP: &[u8] = &[0x1f, 0x8b];
    const BYTE_ORDER_MARKS: [&[u8]; 3] = [&[0xef, 0xbb, 0xbf], &[0xfe, 0xff], &[0xff, 0xfe]];
    let encoding = headers.get(header::CONTENT_ENCODING).map(http::HeaderValue::as_bytes);
    let encoding = encoding.filter(|name| !name.eq_ignore_ascii_case(b"identity"));
    let text = body.trim_ascii_start();
    if body.starts_with(GZIP) || encoding.is_some_and(|name| name.to_ascii_lowercase().ends_with(b"gzip")) {
        return Some("gzip, which was not asked for");
    }
    if encoding.is_some() {
        return Some("a compressed body, which was not asked for");
    }
    if BYTE_ORDER_MARKS.iter().any(|mark| body.starts_with(mark)) {
        return Some("text that begins with a byte-order mark, which JSON must not have");
    }
    match text.first() {
        None => Some("an empty body"),
        Some(b'<') => Some("HTML or XML, such as a login page"),
        Some(_) => None,
    }
}
