//! The form of a credential, which decides whether it is a signed token.

use serde::de::IgnoredAny;
use std::collections::HashMap;

use countersign_core::integration::decode_base64url;

/// Returns whether a credential may be a JWS or a JWE, whole or not: parts with dots between, of which the first is a JSON object in
/// base64url. Text that a lenient reader would take for that counts too, so that no such token leaves this process.
pub(super) fn is_signed_token(token: &str) -> bool {
    may_be_signed_token(token) && token.split('.').next().is_some_and(is_json_header)
}

/// A quick check before that: a signed token has parts, and one that lost a part or got another is still nobody's business.
#[inline]
pub(super) fn may_be_signed_token(token: &str) -> bool {
    token.contains('.')
}

fn is_json_header(part: &str) -> bool {
    let part = part.trim_end_matches('=');
    let alphabet = |byte: char| match byte {
        '+' => '-',
        '/' => '_',
        other => other,
    };
    let canonical: String = part.chars().map(alphabet).collect();
    // Bits that a strict decoder refuses at the end are set to zero.
    let decoded = decode_base64url(&canonical).or_else(|| {
        let (last, rest) = (canonical.chars().last()?, canonical.get(..canonical.len() - 1)?);
        let unused = if canonical.len() % 4 == 2 { 4 } else { 2 };
        decode_base64url(&format!("{rest}{}", without_bits(last, unused)?))
    });
    decoded.is_some_and(|json| begins_with_members(&json))
}

/// Returns whether a JSON object begins the text. Lenient readers ignore what follows; it may follow only an object with members,
/// since some random opaque tokens begin with `{}`.
fn begins_with_members(text: &[u8]) -> bool {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<HashMap<String, IgnoredAny>>();
    match values.next() {
        Some(Ok(members)) => !members.is_empty() || values.next().is_none(),
        _ => false,
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn without_bits(last: char, unused: u32) -> Option<char> {
    let value = ALPHABET.iter().position(|letter| char::from(*letter) == last)?;
    ALPHABET.get(value >> unused << unused).map(|letter| char::from(*letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s13_07_a_signed_token_is_told_by_three_parts_and_a_json_header() {
        for signed in [
            "eyJhbGciOiJFUzI1NiJ9.e30.c2ln",
            "eyJhbGciOiJub25lIn0.e30.",
            "eyAiYWxnIjoiRVMyNTYifQ.e30.c2ln",
            "CnsiYWxnIjoiRVMyNTYifQ.e30.c2ln", // white space first
            "eyJhbGciOiJFUzI1NiJ9.not claims.",
            "eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVy.dGFn",
            "eyJhbGciOiJFUzI1NiJ9==.e30.c2ln",
            "eyJhIjoxMn1=.e30.c2ln",
            "eyJhIjoxfR.e30.c2ln",   // unused bits are set
            "eyJhIjoxfXt9.e30.c2ln", // a second object follows
            "e30.e30.c2ln",
        ] {
            assert!(is_signed_token(signed), "{signed}");
        }
        for opaque in [
            "ory_at_abc.def",
            "abc",
            "a.b.c",
            "bm90IGpzb24.e30.c2ln",
            "W10.e30.c2ln",
            "e30x.e30",
            "..",
            "....",
            "eyJhIjox.e30",
        ] {
            assert!(!is_signed_token(opaque), "{opaque}");
        }
    }
}
