//! PEM (RFC 7468): one block of a known label, with any text around it.

use pem_rfc7468::Decoder;
use zeroize::Zeroizing;

/// Decodes the first block of this label, such as `PUBLIC KEY`. Lines may be indented, and have any equal width.
pub(crate) fn decode(text: &str, label: &str) -> Option<Vec<u8>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let (_, rest) = text.split_once(&begin)?;
    let (body, _) = rest.split_once(&end)?;
    let mut block = Zeroizing::new(String::with_capacity(begin.len() + body.len() + end.len() + 2));
    for line in std::iter::once(&*begin).chain(body.lines()).chain([&*end]).map(str::trim) {
        if !line.is_empty() {
            block.push_str(line);
            block.push('\n');
        }
    }
    let mut decoder = Decoder::new_detect_wrap(block.as_bytes()).ok()?;
    let mut bytes = Vec::with_capacity(decoder.remaining_len());
    decoder.decode_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(body: &str) -> String {
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    }

    #[test]
    fn a_block_is_found_among_other_text() {
        let block = block("Zm9v");
        let indented: String = block.lines().map(|line| format!("  {line}\r\n")).collect();
        let after_another = format!("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n{block}");
        for text in [&block, &indented, &after_another, &format!("a comment\n{block}more"), block.trim_end()] {
            assert_eq!(decode(text, "PUBLIC KEY").as_deref(), Some(&b"foo"[..]), "{text}");
        }
        let wrapped = self::block("\nZm9v\nZm9v\nZg==\n");
        assert_eq!(decode(&wrapped, "PUBLIC KEY").as_deref(), Some(&b"foofoof"[..]));
        assert_eq!(decode(&block, "PRIVATE KEY"), None);
    }

    #[test]
    fn only_canonical_base64_decodes() {
        for body in ["", "Zg", "Zh==", "Zm9v*", "Zm-_", "Zg==Zg==", "X: y\n\nZm9v"] {
            assert_eq!(decode(&block(body), "PUBLIC KEY"), None, "{body}");
        }
        assert_eq!(decode("-----BEGIN PUBLIC KEY-----\nZm9v\n", "PUBLIC KEY"), None, "no end");
        assert_eq!(decode("-----BEGIN PUBLIC KEY-----\nZm9v\n-----END PRIVATE KEY-----\n", "PUBLIC KEY"), None);
    }
}
