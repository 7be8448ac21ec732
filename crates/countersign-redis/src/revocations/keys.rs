//! The keys in the server. None has text of an issuer or a user; those of one issuer lie on one node of a cluster (hash tag).

use base64_simd::URL_SAFE_NO_PAD;
use countersign_core::integration::sha256;

/// The bytes of a digest that a key has.
const DIGEST_BYTES: usize = 16;

/// The names of the keys of one issuer.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    base: String,
}

impl Keys {
    pub(super) fn new(prefix: &str, issuer: &str) -> Self {
        let tag = URL_SAFE_NO_PAD.encode_to_string(&sha256(issuer)[..DIGEST_BYTES]);
        Keys { base: format!("{prefix}revocations:{{{tag}}}") }
    }

    /// The hash with the present epoch.
    pub(super) fn state(&self) -> String {
        format!("{}:state", self.base)
    }

    /// The stream with the last beat.
    pub(super) fn beats(&self) -> String {
        format!("{}:beats", self.base)
    }

    /// The stream with the entries of an epoch.
    pub(super) fn entries(&self, epoch: &str) -> String {
        format!("{}:entries:{epoch}", self.base)
    }

    /// The hash with the revocations with which an epoch began.
    pub(super) fn base(&self, epoch: &str) -> String {
        format!("{}:base:{epoch}", self.base)
    }
}
