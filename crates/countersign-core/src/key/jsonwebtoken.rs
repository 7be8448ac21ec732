//! Conversions from the key types of the `jsonwebtoken` crate, so that its users can move over.
//!
//! No backend feature of that crate is turned on from here: its `decode` panics when two are on in one build.

use ::jsonwebtoken::jwk::{Jwk, JwkSet};

use super::material::{KeyRejected, VerifyingKey};
use super::set::KeySet;

const UNWRITABLE: KeyRejected = KeyRejected("the JWK cannot be written as JSON");

impl TryFrom<&Jwk> for VerifyingKey {
    type Error = KeyRejected;

    fn try_from(jwk: &Jwk) -> Result<Self, KeyRejected> {
        VerifyingKey::from_jwk(&serde_json::to_string(jwk).map_err(|_| UNWRITABLE)?)
    }
}

impl TryFrom<&JwkSet> for KeySet {
    type Error = KeyRejected;

    fn try_from(set: &JwkSet) -> Result<Self, KeyRejected> {
        KeySet::from_jwks(&serde_json::to_vec(set).map_err(|_| UNWRITABLE)?)
    }
}
