//! Forged tokens.

use aws_lc_rs::hmac;
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::Result;

/// The same claims with `alg: none`, and with `signature` in place of a signature.
pub fn with_alg_none(token: &str, signature: &str) -> Result<String> {
    let [_, payload, _] = segments(token)?;
    Ok(format!("{}.{payload}.{signature}", encode(json!({ "alg": "none", "typ": "at+jwt" }).to_string().as_bytes())))
}

/// The same claims, with a MAC under the issuer's *public* key. A verifier that lets the token choose the algorithm accepts it.
pub fn with_mac_of_public_key(token: &str, jwks: &Value) -> Result<String> {
    let [_, payload, _] = segments(token)?;
    let key = jwks["keys"].get(0).ok_or("the issuer publishes no key")?;
    let header = json!({ "alg": "HS256", "typ": "at+jwt", "kid": key["kid"] });
    let message = format!("{}.{payload}", encode(header.to_string().as_bytes()));
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.to_string().as_bytes()), message.as_bytes());
    Ok(format!("{message}.{}", encode(mac.as_ref())))
}

/// The same token with one bit of its signature flipped.
pub fn with_flipped_bit(token: &str) -> Result<String> {
    let [header, payload, signature] = segments(token)?;
    let mut bytes = URL_SAFE_NO_PAD.decode_to_vec(signature)?;
    if let Some(byte) = bytes.get_mut(7) {
        *byte ^= 0x10;
    }
    Ok(format!("{header}.{payload}.{}", encode(&bytes)))
}

fn segments(token: &str) -> Result<[&str; 3]> {
    let parts: Vec<&str> = token.split('.').collect();
    parts.try_into().map_err(|_| "not a token".into())
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}
