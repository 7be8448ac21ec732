//! Conversions from the key types of the `jsonwebtoken` crate, for migration.
//!
//! This crate enables no backend feature of `jsonwebtoken`: its `decode` panics if a build enables two.

use ::jsonwebtoken::jwk::{Jwk, JwkSet};

use super::material::VerifyingKey;
use super::rejected::{KeyRejected, KeyRejectedKind as Kind};
use super::set::KeySet;

const UNWRITABLE: KeyRejected = KeyRejected::new(Kind::Malformed, "the JWK cannot be written as JSON");

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
