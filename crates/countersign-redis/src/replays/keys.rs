//! The keys in the server. None has text of a client.

use base64_simd::URL_SAFE_NO_PAD;
use countersign::proof::ProofUse;
use countersign_core::integration::sha256;

/// The parts into which the proofs of a cluster are divided. Keys of one part lie on one node (hash tag).
pub(super) const PARTS_OF_A_CLUSTER: u64 = 64;

/// Proofs are counted for each caller within so many seconds.
pub(super) const WINDOW_SECONDS: u64 = 64;

/// The bytes of a digest that a key has: nobody finds another proof with those of a given one.
const DIGEST_BYTES: usize = 16;

/// The names of keys.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) prefix: String,
    pub(super) parts: u64,
}

impl Keys {
    /// The key that tells since when a part remembers.
    pub(super) fn since(&self, part: u64) -> String {
        format!("{}replays:{{{part}}}:since", self.prefix)
    }

    /// The keys of the script for this proof: since when its part remembers, the proof, and the counts of the issuer, the
    /// client and the subject.
    ///
    /// A token without a client counts with the key of its proof, and a client that calls for itself has no subject beside it.
    pub(super) fn of(&self, proof: &ProofUse<'_>) -> Vec<String> {
        let digest = sha256(&proof.name());
        let part = u64::from(digest[0]) % self.parts;
        let key = |digest: [u8; 32]| {
            format!("{}replays:{{{part}}}:{}", self.prefix, URL_SAFE_NO_PAD.encode_to_string(&digest[..DIGEST_BYTES]))
        };
        let window = proof.now().as_secs() / WINDOW_SECONDS;
        let count = |names: &[&str]| {
            // With their lengths, so that no two lists of names have the same text.
            let text: String = names.iter().map(|name| format!("{}:{name}", name.len())).collect();
            key(sha256(&format!("{window} {text}")))
        };
        let (token, thumbprint) = (proof.token(), proof.key().to_string());
        let issuer = token.issuer();
        let client = token.client_id().filter(|client| !client.is_empty());
        let (kind, of_client) = client.map_or(("key", thumbprint.as_str()), |client| ("client", client));
        let mut keys = vec![self.since(part), key(digest), count(&[issuer]), count(&[issuer, kind, of_client])];
        if client != Some(token.subject()) {
            keys.push(count(&[issuer, kind, of_client, token.subject()]));
        }
        keys
    }
}
