//! Token exchange (RFC 8693) of the development provider: a user's token for one of another audience.

use std::sync::Arc;

use countersign::key::{KeySet, StaticKeys};
use countersign::mint::Signer;
use countersign::policy::{NeedsAudience, danger};
use countersign::verify::Verifier;
use serde_json::{Map, Value, json};

use crate::encoding;

/// The grant.
pub(super) const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// The kind of token that it issues.
pub(super) const ISSUED: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The claims of the subject's token, if this provider has signed it and it has not expired.
pub(super) async fn subject(token: &str, issuer: &str, signer: &Signer) -> Option<Map<String, Value>> {
    let set = json!({ "keys": Vec::from_iter(signer.public_jwk()) }).to_string();
    let keys = StaticKeys::from_set(KeySet::from_jwks(set.as_bytes()).ok()?);
    let trusted = NeedsAudience::new(issuer, Arc::new(keys));
    // A token for any service is exchanged: the provider is the same for all.
    let trusted = danger::any_type(danger::without_audience(trusted));
    let verifier = Verifier::new(trusted).ok()?;
    verifier.verify(token).await.ok()?;
    let payload = encoding::decode(token.split('.').nth(1)?)?;
    serde_json::from_slice(&payload).ok()
}

/// The same caller's claims for `audience`, with `client` as the actor.
pub(super) fn exchanged(mut claims: Map<String, Value>, audience: &str, client: &str) -> Map<String, Value> {
    let mut actor = json!({ "sub": client });
    if let Some(before) = claims.remove("act") {
        actor["act"] = before;
    }
    claims.insert("act".to_owned(), actor);
    claims.insert("aud".to_owned(), json!(audience));
    claims.insert("jti".to_owned(), json!(uuid::Uuid::now_v7().to_string()));
    for name in ["azp", "client_id"] {
        if let Some(known) = claims.get_mut(name) {
            *known = json!(client);
        }
    }
    claims
}
