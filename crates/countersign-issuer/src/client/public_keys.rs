//! The registered public keys of a client.

use std::sync::Arc;

use countersign_core::error::ConfigError;
use countersign_core::key::{KeySet, KeySource};

/// The registered public keys of a client.
#[derive(Clone, Debug)]
pub(crate) enum PublicKeys {
    /// A JWK Set.
    Set(Vec<u8>),
    Source(Arc<dyn KeySource>),
}

/// The keys in the JWK Set of a client, all of which must be usable.
pub(crate) fn registered_keys(client: &str, jwks: &[u8]) -> Result<KeySet, ConfigError> {
    let keys = KeySet::from_jwks(jwks).map_err(|reason| ConfigError::new(field(client), reason.to_string()))?;
    match keys.skipped().first() {
        None => Ok(keys),
        Some(skipped) => Err(ConfigError::new(field(client), format!("a key is not usable: {}", skipped.reason))),
    }
}

/// The field of a fault.
pub(super) fn field(client: &str) -> String {
    format!("client {}: public_keys", client.escape_debug())
}
