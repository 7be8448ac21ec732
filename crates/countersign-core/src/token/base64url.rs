//! Canonical base64url without padding (RFC 7515 §2, RFC 4648 §3.5).

use base64_simd::{Out, URL_SAFE_NO_PAD};

/// Decodes `text`, refusing padding, foreign characters, impossible lengths and unused bits that are set.
///
/// ```
/// use countersign_core::integration::decode_base64url;
///
/// assert_eq!(decode_base64url("Zm9v").as_deref(), Some(&b"foo"[..]));
/// assert_eq!(decode_base64url("Zm8="), None);
/// ```
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode_to_vec(text).ok()
}

/// Decodes into `buffer` and returns the filled part; `None` also if it does not fit.
pub(crate) fn decode_into<'b>(text: &str, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let text = text.as_bytes();
    let length = URL_SAFE_NO_PAD.decoded_length(text).ok()?;
    let target = buffer.get_mut(..length)?;
    URL_SAFE_NO_PAD.decode(text, Out::from_slice(target)).ok()?;
    buffer.get(..length)
}

/// Decodes over the content of `buffer`, and returns whether `text` is canonical.
pub(crate) fn decode_over(text: &str, buffer: &mut Vec<u8>) -> bool {
    let text = text.as_bytes();
    let Ok(length) = URL_SAFE_NO_PAD.decoded_length(text) else { return false };
    // What an earlier text left needs no zeros before it is overwritten.
    buffer.resize(length, 0);
    URL_SAFE_NO_PAD.decode(text, Out::from_slice(buffer)).is_ok()
}

/// Encodes `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_04_s1_05_s1_06_only_the_canonical_spelling_decodes() {
        assert_eq!(decode("Zm9v").as_deref(), Some(&b"foo"[..]));
        assert_eq!(decode("Zm8").as_deref(), Some(&b"fo"[..]));
        assert_eq!(decode("Zg").as_deref(), Some(&b"f"[..]));
        for spelled_otherwise in ["Zm8=", "Zg==", "Zh", "Zm9", "Z", "Zm9vZ", "Zm+v", "Zm/v", "Zm 9v", "Zm9v\n", "Zmé"]
        {
            assert_eq!(decode(spelled_otherwise), None, "{spelled_otherwise}");
        }
    }

    #[test]
    fn every_length_and_every_last_character_has_one_spelling() {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for length in 1..70_u8 {
            let bytes: Vec<u8> = (0..length).map(|i| i.wrapping_mul(37)).collect();
            let text = encode(&bytes);
            let (start, last) = text.split_at(text.len() - 1);
            let same = ALPHABET
                .iter()
                .map(|&letter| format!("{start}{}", char::from(letter)))
                .filter(|spelling| decode(spelling).as_deref() == Some(&bytes[..]))
                .count();
            assert_eq!(same, 1, "length {length}, last {last}");
        }
    }

    #[test]
    fn a_buffer_that_is_too_small_is_refused() {
        let mut buffer = [0; 2];
        assert_eq!(decode_into("Zm9v", &mut buffer), None);
        assert_eq!(decode_into("Zm8", &mut buffer), Some(&b"fo"[..]));
    }
}
