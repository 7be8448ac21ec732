//! The keys in the server. None has the text of a fleet; those of one fleet lie on one node of a cluster (hash tag).

use base64_simd::URL_SAFE_NO_PAD;
use countersign_core::integration::sha256;

/// The bytes of a digest that a key has.
const DIGEST_BYTES: usize = 16;

/// The names of the keys of one fleet.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// The bundle, or the one that is only compared.
    pub(super) document: String,
    /// The stream that hints at another document of either kind.
    pub(super) hints: String,
    base: String,
}

impl Keys {
    pub(super) fn new(prefix: &str, fleet: &str) -> Self {
        let tag = URL_SAFE_NO_PAD.encode_to_string(&sha256(fleet)[..DIGEST_BYTES]);
        let base = format!("{prefix}bundles:{{{tag}}}");
        Keys { document: format!("{base}:policy"), hints: format!("{base}:hints"), base }
    }

    /// The same for the bundle that is only compared.
    pub(super) fn of_shadow(&self) -> Self {
        Keys { document: format!("{}:shadow", self.base), ..self.clone() }
    }
}
