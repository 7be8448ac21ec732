//! base64url, hex and token segments: strict like the library, with a lenient form for inspection.

use base64_simd::URL_SAFE_NO_PAD;
use serde_json::Value;

/// The bytes of canonical base64url.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode_to_vec(text).ok()
}

/// base64url of `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// Two hex digits per byte, joined by `separator`.
pub(crate) fn hex(bytes: &[u8], separator: &str) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(separator)
}

/// The decoded bytes of a segment, and its first fault.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) fault: Option<String>,
}

/// Decodes as far as possible; names the first undecodable byte, counted from `offset`.
pub(crate) fn decode_leniently(segment: &str, offset: usize) -> Decoded {
    if let Some(bytes) = decode(segment) {
        return Decoded { bytes, fault: None };
    }
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let good = segment.bytes().position(|byte| !is_base64url(byte)).unwrap_or(segment.len());
    let fault = match segment.as_bytes().get(good) {
        Some(b'=') => format!("byte {}: padding; a token's base64url is unpadded", offset + good),
        Some(b'+' | b'/') => format!("byte {}: + or /; base64url writes - and _", offset + good),
        Some(byte) => format!("byte {}: {:#04x} is not a base64url character", offset + good, byte),
        None => format!("byte {}: cut short, or unused bits are set", offset + good.saturating_sub(1)),
    };
    let tidy: String = segment
        .trim_end_matches('=')
        .chars()
        .map(|letter| match letter {
            '+' => '-',
            '/' => '_',
            other => other,
        })
        .collect();
    let bytes = decode(&tidy).unwrap_or_else(|| {
        let end = tidy.bytes().position(|byte| !is_base64url(byte)).unwrap_or(tidy.len());
        let whole = &tidy[..end / 4 * 4]; // ASCII up to `end`
        decode(whole).unwrap_or_default()
    });
    Decoded { bytes, fault: Some(fault) }
}

/// The JSON of a decoded segment; otherwise its text, otherwise its base64url.
pub(crate) fn readable(bytes: &[u8]) -> Value {
    match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(_) => std::str::from_utf8(bytes).map_or_else(|_| encode(bytes).into(), Into::into),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_undecodable_byte_is_named() {
        let decoded = decode_leniently("eyJhIjox!fQ", 10);
        assert_eq!(decoded.bytes, br#"{"a":1"#);
        assert_eq!(decoded.fault.as_deref(), Some("byte 18: 0x21 is not a base64url character"));
        assert!(decode_leniently("eyJhIjoxfQ==", 0).fault.is_some_and(|fault| fault.contains("padding")));
        assert!(decode_leniently("eyJhIjoxfQ", 0).fault.is_none());
    }
}
