//! The crate `jsonwebtoken`, used end to end: the measure of our own work for a token not seen before.

use std::collections::HashMap;

use countersign_core::mint::Signer;
use jsonwebtoken12::jwk::JwkSet;
use jsonwebtoken12::{Algorithm, DecodingKey, Validation, decode, decode_header};

use crate::sample::{AUDIENCE, ISSUER, OwnClaims, jwks};

/// Its keys by `kid`, and the same rules as ours: issuer, audience, times with 30 s of leeway.
pub struct Jsonwebtoken {
    keys: HashMap<String, DecodingKey>,
    validation: Validation,
}

impl Jsonwebtoken {
    /// For tokens of `signer`; `None` if it lacks the algorithm.
    #[must_use]
    pub fn of(signer: &Signer) -> Option<Self> {
        let algorithm: Algorithm = signer.algorithm().name().parse().ok()?;
        let key = match jwks(signer) {
            Some(jwks) => DecodingKey::from_jwk(serde_json::from_str::<JwkSet>(&jwks).ok()?.keys.first()?),
            None => DecodingKey::from_secret(signer.private_key().expose()),
        };
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        validation.validate_nbf = true;
        validation.leeway = 30;
        Some(Jsonwebtoken { keys: HashMap::from([(signer.key_id().to_owned(), key.ok()?)]), validation })
    }

    /// Reads the header for its `kid`, finds the key, and decodes the claims of a good token.
    #[must_use]
    pub fn decode(&self, token: &str) -> OwnClaims {
        let header = decode_header(token).expect("a header");
        let key = &self.keys[&header.kid.expect("a kid")];
        decode(token, key, &self.validation).expect("a good token").claims
    }
}
