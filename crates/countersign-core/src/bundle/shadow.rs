//! A bundle whose policy is compared with the one in force.

use std::sync::Arc;

use super::document::Bundle;
use crate::clock::UnixTime;
use crate::policy::Policy;

/// A bundle that a pinned key signed as a shadow (`typ` is `policy-shadow+jwt`): its policy is compared with the one in force, and
/// never put in force.
///
/// Only [`BundleVerifier::verify_shadow`](super::BundleVerifier::verify_shadow) makes one, and no [`Bundle`] is made of it.
///
/// ```
/// use countersign_core::bundle::{BundleDraft, BundleErrorKind, BundleVerifier};
/// use countersign_core::clock::UnixTime;
/// use countersign_core::key::{Algorithm, KeySet};
/// use countersign_core::mint::Signer;
/// use countersign_core::policy::Policy;
///
/// let signer = Signer::generate(Algorithm::ES256)?;
/// let now = UnixTime::from_secs(1_800_000_000);
/// let draft = BundleDraft::new("orders-production", 8, Policy::access_token("https://id.example.com", "orders"));
/// let text = draft.created_at(now).sign_shadow(&signer)?;
///
/// let bundles = BundleVerifier::new("orders-production", KeySet::new([signer.verifying_key()?]))?;
/// assert_eq!(bundles.verify_shadow(&text, now)?.revision(), 8);
/// assert_eq!(bundles.verify(&text, now).unwrap_err().kind(), BundleErrorKind::WrongType);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ShadowBundle(pub(super) Bundle);

impl ShadowBundle {
    /// The number of the revision that the policy is to become.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.0.revision()
    }

    /// The fleet that it is for (`aud`).
    #[must_use]
    pub fn fleet(&self) -> &str {
        self.0.fleet()
    }

    /// The time of its creation (`iat`).
    #[must_use]
    pub const fn created_at(&self) -> UnixTime {
        self.0.created_at()
    }

    /// The time from which it is not compared any more (`exp`).
    #[must_use]
    pub const fn expires_at(&self) -> UnixTime {
        self.0.expires_at()
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &Arc<Policy> {
        self.0.policy()
    }

    /// The `kid` of the key that signed it.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.0.key_id()
    }
}
