//! The published key set.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
#[cfg(any(feature = "metrics", feature = "otel"))]
use countersign_core::clock::UnixTime;
use countersign_core::key::KeySet;
use countersign_core::mint::Signer;
use serde_json::json;

use super::key::{KeyState, PublishedKey, RingKey};
use super::{RotationError, states};

/// The active key and the key set, read without a lock.
pub(crate) struct Published {
    pub(crate) signer: Arc<Signer>,
    /// The keys of the set.
    pub(crate) keys: Vec<PublishedKey>,
    /// The time since which the active key signs.
    #[cfg(any(feature = "metrics", feature = "otel"))]
    pub(crate) active_since: UnixTime,
    pub(crate) jwks: Bytes,
    pub(crate) etag: String,
    pub(super) set: Arc<KeySet>,
    /// The monotonic time of the next change of state, if time brings one.
    pub(super) next_change: Option<Duration>,
}

impl Published {
    /// Encodes the set for HTTP, and for verifiers in this process.
    pub(super) fn new(keys: &[RingKey], retire_for: Duration) -> Result<Self, RotationError> {
        let active = keys.iter().find(|key| key.state == KeyState::Active).ok_or(RotationError::NoActiveKey)?;
        let jwks: Vec<_> = keys.iter().filter_map(|key| key.signer.public_jwk()).collect();
        let jwks = json!({ "keys": jwks }).to_string();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, jwks.as_bytes());
        Ok(Published {
            signer: Arc::clone(&active.signer),
            keys: keys.iter().map(RingKey::describe).collect(),
            #[cfg(any(feature = "metrics", feature = "otel"))]
            active_since: active.since,
            etag: format!("\"{}\"", base64_simd::URL_SAFE_NO_PAD.encode_to_string(digest.as_ref())),
            set: Arc::new(KeySet::from_jwks(jwks.as_bytes())?),
            next_change: keys.iter().filter_map(|key| states::next_change(key, retire_for)).min(),
            jwks: Bytes::from(jwks),
        })
    }
}
