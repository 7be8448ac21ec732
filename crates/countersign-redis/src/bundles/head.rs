//! The value of a key: `<revision> <digest>`, a line break, and the document.

use base64_simd::URL_SAFE_NO_PAD;
use countersign_core::integration::sha256;

/// The longest head with its line break, in bytes: a revision of 16 digits, a space, and a SHA-256 digest in base64url.
pub(super) const MAX_HEAD_BYTES: usize = 16 + 1 + 43 + 1;

/// The head and the document of a value; `None` if it has another form, or if the digest is not that of the document.
pub(super) fn split(value: &[u8]) -> Option<(&[u8], &str)> {
    let end = value.iter().take(MAX_HEAD_BYTES).position(|byte| *byte == b'\n')?;
    let (head, document) = value.split_at(end + 1);
    let digest = head.strip_suffix(b"\n")?.split(|byte| *byte == b' ').nth(1)?;
    let document = std::str::from_utf8(document).ok()?;
    (digest == digest_of(document).as_bytes()).then_some((head, document))
}

/// The value with this document.
pub(super) fn value(revision: u64, document: &str) -> String {
    format!("{revision} {}\n{document}", digest_of(document))
}

pub(super) fn digest_of(document: &str) -> String {
    URL_SAFE_NO_PAD.encode_to_string(sha256(document))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s14_02_a_value_of_another_form_has_no_document() {
        let good = value((1 << 53) - 1, "a.b.c");
        let (head, document) = split(good.as_bytes()).expect("a value");
        assert_eq!((head.len(), document), (MAX_HEAD_BYTES, "a.b.c"));
        let cut = &good[..good.len() - 1];
        let long = format!("{}1 x\nd", "1".repeat(100));
        for other in ["", "\n", "a.b.c", "1\na.b.c", "1 x\na.b.c", cut, &long, &good.replace('\n', " ")] {
            assert_eq!(split(other.as_bytes()), None, "{other:?}");
        }
    }
}
