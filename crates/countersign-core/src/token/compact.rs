//! The compact form: three segments, two dots (RFC 7515 §7.1).

use memchr::memchr;

use super::base64url;
use crate::error::{VerifyError, VerifyErrorKind as Kind};

/// The three encoded segments of a token, and the bytes that its signature covers.
#[derive(Clone, Copy)]
pub(crate) struct Compact<'t> {
    pub(crate) header: &'t str,
    pub(crate) payload: &'t str,
    pub(crate) signature: &'t str,
    pub(crate) signing_input: &'t str,
}

impl<'t> Compact<'t> {
    /// Splits `token` at its dots; reads at most to the fifth.
    #[inline(always)]
    pub(crate) fn split(token: &'t str, max_bytes: usize) -> Result<Self, VerifyError> {
        if token.len() > max_bytes {
            let detail = format!("the token has {} bytes, at most {max_bytes} are permitted", token.len());
            return Err(VerifyError::new(Kind::TooLarge, detail));
        }
        let not_three = || VerifyError::new(Kind::Malformed, "not three segments with a dot between them");
        let (header, rest) = cut(token).ok_or_else(not_three)?;
        let (payload, signature) = cut(rest).ok_or_else(not_three)?;
        if let Some((_, beyond)) = cut(signature) {
            let segments_are_five = cut(beyond).is_some_and(|(_, last)| cut(last).is_none());
            return Err(match segments_are_five {
                true => {
                    VerifyError::new(Kind::Encrypted, "the token is encrypted (JWE); only signed tokens are supported")
                }
                false => not_three(),
            });
        }
        if header.is_empty() || payload.is_empty() || signature.is_empty() {
            return Err(VerifyError::new(Kind::Malformed, "a segment is empty"));
        }
        let signing_input = &token[..header.len() + 1 + payload.len()]; // both ends are dots found above
        Ok(Compact { header, payload, signature, signing_input })
    }

    /// Decodes the signature into `buffer`, if it has room.
    pub(crate) fn signature<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], VerifyError> {
        base64url::decode_into(self.signature, buffer).ok_or_else(|| {
            VerifyError::new(Kind::Malformed, "the signature segment is not canonical base64url, or is too long")
        })
    }
}

fn cut(text: &str) -> Option<(&str, &str)> {
    let dot = memchr(b'.', text.as_bytes())?;
    Some((&text[..dot], &text[dot + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(token: &str) -> Kind {
        Compact::split(token, 100).err().expect("refused").kind()
    }

    #[test]
    fn s1_01_s1_07_exactly_three_segments_none_empty() {
        for token in ["", "a", "a.b", "a.b.c.d", "a.b.c.", "..", "...", ".b.c", "a..c", "a.b.", "a.b.c.d.e.f"] {
            assert_eq!(kind(token), Kind::Malformed, "{token}");
        }
        let compact = Compact::split("a.b.c", 100).expect("three segments");
        assert_eq!((compact.signing_input, compact.signature), ("a.b", "c"));
    }

    #[test]
    fn s1_02_five_segments_are_an_encrypted_token() {
        assert_eq!(kind("h.e.i.c.t"), Kind::Encrypted);
    }

    #[test]
    fn s1_20_s11_03_size_is_checked_before_anything_else() {
        assert_eq!(kind(&".".repeat(101)), Kind::TooLarge);
        assert_eq!(kind(&".".repeat(100)), Kind::Malformed);
    }
}
