//! Reads and writes public keys as JWK, JWK Set, PEM and DER.

use base64_simd::STANDARD;
use countersign::key::{Algorithm, VerifyingKey};
use countersign::mint::Signer;
use countersign::secret::Secret;
use serde_json::{Map, Value, json};

use crate::exit::Failure;

/// Private members of a JWK (RFC 7518 §6.2.2, §6.3.2; RFC 9964).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "priv"];

/// The public keys in `text`: a JWK Set, a JWK (private members are dropped), a public or a private PEM.
///
/// `algorithm` applies to keys that do not name one.
pub(crate) fn read(text: &str, algorithm: Option<Algorithm>) -> Result<Vec<VerifyingKey>, Failure> {
    let text = text.trim();
    if text.starts_with('{') {
        let json: Value = serde_json::from_str(text)
            .map_err(|error| Failure::usage(format!("not JSON: line {}, column {}", error.line(), error.column())))?;
        let entries = json.get("keys").and_then(Value::as_array).cloned().unwrap_or_else(|| vec![json]);
        return entries.iter().map(|entry| from_jwk(entry, algorithm)).collect();
    }
    let fitting = |read: &dyn Fn(Algorithm) -> Option<VerifyingKey>| {
        candidates(algorithm).into_iter().find_map(read).map(|key| vec![key])
    };
    let key = if text.contains("-----BEGIN PRIVATE KEY-----") {
        let pem = Secret::from(text);
        fitting(&|algorithm| Signer::from_pkcs8_pem(&pem, algorithm).ok()?.verifying_key().ok())
    } else if text.contains("-----BEGIN PUBLIC KEY-----") {
        fitting(&|algorithm| VerifyingKey::from_public_pem(text, algorithm, None).ok())
    } else {
        return Err(Failure::usage(
            "neither a JWK, a JWK Set, nor a PEM with BEGIN PUBLIC KEY or BEGIN PRIVATE KEY (PKCS#8)",
        ));
    };
    key.ok_or_else(|| Failure::usage("the PEM has no supported key, or the key does not fit the algorithm"))
}

/// The public key in DER (`SubjectPublicKeyInfo`).
pub(crate) fn read_der(der: &[u8], algorithm: Option<Algorithm>) -> Result<VerifyingKey, Failure> {
    candidates(algorithm)
        .into_iter()
        .find_map(|algorithm| VerifyingKey::from_public_der(der, algorithm, None).ok())
        .ok_or_else(|| Failure::usage("the DER has no supported public key, or the key does not fit the algorithm"))
}

fn from_jwk(entry: &Value, algorithm: Option<Algorithm>) -> Result<VerifyingKey, Failure> {
    let mut entry: Map<String, Value> = entry.as_object().cloned().unwrap_or_default();
    if entry.get("kty").and_then(Value::as_str) == Some("oct") {
        return Err(Failure::usage("a shared secret (oct) has no public key"));
    }
    entry.retain(|name, _| !PRIVATE.contains(&name.as_str()));
    if entry.get("key_ops").is_some() {
        entry.remove("key_ops"); // the operations of the private key
    }
    if let (Some(algorithm), None) = (algorithm, entry.get("alg")) {
        entry.insert("alg".to_owned(), json!(algorithm.name()));
    }
    VerifyingKey::from_jwk(&Value::Object(entry).to_string()).map_err(|reason| Failure::usage(reason.to_string()))
}

/// The algorithms to try: the named one, or one per key type.
pub(crate) fn candidates(named: Option<Algorithm>) -> Vec<Algorithm> {
    use Algorithm::{ES256, ES384, ES512, Ed25519, MlDsa44, MlDsa65, MlDsa87, RS256};
    named.map_or_else(|| vec![RS256, ES256, ES384, ES512, Ed25519, MlDsa44, MlDsa65, MlDsa87], |named| vec![named])
}

/// The JWK of a key, with its algorithm; the thumbprint is its ID if it has none.
pub(crate) fn to_jwk(key: &VerifyingKey) -> Value {
    let mut jwk = key.to_public_jwk().unwrap_or_default();
    if jwk.get("kid").is_none() {
        jwk["kid"] = json!(key.thumbprint());
    }
    jwk["alg"] = json!(key.algorithm().name());
    jwk
}

/// The PEM of a key (`BEGIN PUBLIC KEY`).
pub(crate) fn to_pem(key: &VerifyingKey) -> String {
    pem("PUBLIC KEY", &key.to_public_der().unwrap_or_default())
}

/// `der` as PEM (RFC 7468).
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode_to_string(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_key_survives_each_form() {
        for &algorithm in Algorithm::ALL.iter().filter(|algorithm| !algorithm.is_symmetric()) {
            let signer = Signer::generate(algorithm).expect("a key");
            let key = signer.verifying_key().expect("its public half");
            let jwk = to_jwk(&key).to_string();
            let of_pem = read(&to_pem(&key), Some(algorithm)).expect("a PEM");
            let of_jwk = read(&format!("{{\"keys\":[{jwk}]}}"), None).expect("a set");
            let private = pem("PRIVATE KEY", signer.private_key().expose());
            let of_private = read(&private, Some(algorithm)).expect("a private PEM");
            let of_der = read_der(&key.to_public_der().expect("DER"), Some(algorithm)).expect("DER");
            for same in [&of_pem[0], &of_jwk[0], &of_private[0], &of_der] {
                assert_eq!(same.thumbprint(), key.thumbprint(), "{algorithm}");
            }
        }
    }

    /// The key and thumbprint of RFC 7638 §3.1, with a private member added.
    #[test]
    fn private_members_are_dropped_and_the_thumbprint_is_the_published_one() {
        let jwk = r#"{"kty":"RSA","e":"AQAB","d":"AQ","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}"#;
        let key = &read(jwk, None).expect("a key")[0];
        assert_eq!(key.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert!(to_jwk(key).get("d").is_none());
        assert!(read(r#"{"kty":"oct","k":"AA"}"#, None).is_err());
    }
}
