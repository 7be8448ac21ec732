//! The name, the clock and the keys of a test issuer, which its drafts share.

use std::sync::Arc;

use countersign_core::clock::{Clock, UnixTime};
use countersign_core::key::Algorithm;
use countersign_core::mint::Signer;

use crate::clock::ManualClock;
use crate::ring::KeyRing;

/// An issuer's name, clock and keys. Clones share clock and keys.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) clock: ManualClock,
    pub(crate) ring: Arc<KeyRing>,
}

impl Identity {
    pub(crate) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.ring.algorithm()
    }

    /// The current signing key.
    pub(crate) fn signer(&self) -> Arc<Signer> {
        self.ring.signing()
    }
}
