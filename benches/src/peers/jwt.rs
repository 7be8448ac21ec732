//! Countersign itself, and the library that most peers verify with.

use std::collections::HashMap;
use std::sync::Arc;

use countersign::authenticate::AuthenticateLayer;
use countersign_core::key::{KeySet, StaticKeys};
use countersign_core::policy::NeedsAudience;
use countersign_core::verify::Verifier;
use jsonwebtoken12::jwk::JwkSet;
use jsonwebtoken12::{Algorithm, DecodingKey, Validation, decode, decode_header};
use tower_layer::Layer as _;

use super::{Innermost, NAMES, Peer, Published};
use crate::sample::{AUDIENCE, ISSUER, OwnClaims};

pub(super) fn countersign(published: &Published) -> Peer {
    Peer::of_service(NAMES[0], layer(published).map(|layer| layer.layer(Innermost)))
}

/// A set without a key for signatures is refused as it is read.
fn layer(published: &Published) -> Option<AuthenticateLayer> {
    let keys = StaticKeys::from_set(KeySet::from_jwks(published.jwks.as_bytes()).ok()?);
    let issuer = NeedsAudience::new(ISSUER, Arc::new(keys)).audience(AUDIENCE).algorithms([published.algorithm]);
    Some(AuthenticateLayer::new(Verifier::new(issuer).ok()?))
}

/// By itself: no layer, and no request.
pub(super) fn jsonwebtoken(published: &Published) -> Peer {
    let set: JwkSet = serde_json::from_str(&published.jwks).expect("a key set");
    let keys: HashMap<String, DecodingKey> = set
        .keys
        .iter()
        .filter_map(|jwk| Some((jwk.common.key_id.clone()?, DecodingKey::from_jwk(jwk).ok()?)))
        .collect();
    let algorithm: Algorithm = published.algorithm.name().parse().expect("an algorithm that it knows");
    let mut rules = Validation::new(algorithm);
    rules.set_audience(&[AUDIENCE]);
    rules.set_issuer(&[ISSUER]);
    rules.set_required_spec_claims(&["exp", "iss", "aud"]);
    rules.validate_nbf = true;
    rules.leeway = 30;
    Peer::new(NAMES[1], move |request| {
        let token = request.headers()["authorization"].to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
        let Some(token) = token else { return false };
        let Some(key) = decode_header(token).ok().and_then(|header| keys.get(&header.kid?)) else { return false };
        decode::<OwnClaims>(token, key, &rules).is_ok()
    })
}
