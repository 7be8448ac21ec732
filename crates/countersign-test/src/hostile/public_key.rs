//! Public keys as SPKI and PEM, for attacks by HMAC confusion.

use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
const NULL: u8 = 0x05;

/// `SubjectPublicKeyInfo` (RFC 5280 §4.1) of an RSA, EC or Ed25519 JWK; of other keys, their raw `pub`.
pub(super) fn spki(jwk: &Value) -> Vec<u8> {
    let number = |name: &str| jwk[name].as_str().and_then(|text| URL_SAFE_NO_PAD.decode_to_vec(text).ok());
    let bytes = |name: &str| number(name).unwrap_or_default();
    let (identifier, key) = match jwk["kty"].as_str() {
        Some("RSA") => {
            let oid = der(OBJECT_IDENTIFIER, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]);
            let numbers = [unsigned(&bytes("n")), unsigned(&bytes("e"))].concat();
            ([oid, der(NULL, &[])].concat(), der(SEQUENCE, &numbers))
        }
        Some("EC") => {
            let ec = der(OBJECT_IDENTIFIER, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]);
            let curve: &[u8] = match jwk["crv"].as_str() {
                Some("P-384") => &[0x2b, 0x81, 0x04, 0x00, 0x22],
                Some("P-521") => &[0x2b, 0x81, 0x04, 0x00, 0x23],
                _ => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
            };
            let point = [vec![0x04], bytes("x"), bytes("y")].concat();
            ([ec, der(OBJECT_IDENTIFIER, curve)].concat(), point)
        }
        Some("OKP") => (der(OBJECT_IDENTIFIER, &[0x2b, 0x65, 0x70]), bytes("x")),
        _ => return bytes("pub"),
    };
    let bits = [vec![0], key].concat(); // no unused bits
    der(SEQUENCE, &[der(SEQUENCE, &identifier), der(BIT_STRING, &bits)].concat())
}

/// The key as PEM with lines of 64 characters and a final line break.
pub(super) fn pem(spki: &[u8]) -> String {
    let text = STANDARD.encode_to_string(spki);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

/// A fixed-width signature `r || s` as a DER sequence of two integers.
pub(super) fn ecdsa_der(fixed: &[u8]) -> Vec<u8> {
    let (r, s) = fixed.split_at(fixed.len() / 2);
    der(SEQUENCE, &[unsigned(r), unsigned(s)].concat())
}

fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len().saturating_sub(1));
    let number = bytes.get(first..).unwrap_or_default();
    let sign = if number.first().is_none_or(|byte| *byte >= 0x80) { vec![0] } else { Vec::new() };
    der(INTEGER, &[&sign[..], number].concat())
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant = &length[length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1)..];
    let mut out = vec![tag];
    if content.len() >= 0x80 {
        out.push(0x80 | u8::try_from(significant.len()).expect("at most eight bytes of length"));
    }
    out.extend_from_slice(significant);
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use countersign_core::key::{Algorithm, VerifyingKey};
    use serde_json::Value;

    use super::{pem, spki};
    use crate::TestIssuer;

    #[test]
    fn a_written_key_is_the_same_key() {
        for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::ES512, Algorithm::Ed25519] {
            let set: Value = serde_json::from_str(&TestIssuer::with_algorithm(algorithm).jwks()).expect("JSON");
            let jwk = &set["keys"][0];
            let expected = VerifyingKey::from_jwk(&jwk.to_string()).expect("a good key");
            let pem = pem(&spki(jwk));
            let read = VerifyingKey::from_public_pem(&pem, algorithm, None).expect("a good PEM");
            assert_eq!(read.thumbprint(), expected.thumbprint(), "{algorithm}");
        }
    }
}
