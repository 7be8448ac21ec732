//! The keys of a test issuer, as a key source.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_core::key::{Algorithm, KeyCell, KeySet, KeySource, RefreshFuture, RefreshOutcome, RefreshReason};
use countersign_core::mint::Signer;
use countersign_core::secret::Secret;
use serde_json::{Value, json};

/// The prefix of the `kid` of every key of this kit, by which production refuses them.
///
/// ```
/// assert_eq!(countersign_test::KEY_ID_PREFIX, "test-only-");
/// ```
pub const KEY_ID_PREFIX: &str = "test-only-";

/// A signing key and older keys that are still published. As a key source, it follows changes at once.
#[derive(Debug)]
pub(crate) struct KeyRing {
    algorithm: Algorithm,
    keys: Mutex<Keys>,
    cell: KeyCell,
}

#[derive(Debug)]
struct Keys {
    signing: Arc<Signer>,
    older: Vec<Arc<Signer>>,
    made: usize,
}

impl KeyRing {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        Self::of(new_key(algorithm, 1))
    }

    pub(crate) fn of(key: Signer) -> Self {
        let key = match key.key_id().strip_prefix(KEY_ID_PREFIX) {
            Some(_) => key,
            None => {
                let key_id = format!("{KEY_ID_PREFIX}{}", key.key_id());
                key.with_key_id(&key_id)
            }
        };
        let algorithm = key.algorithm();
        let keys = Keys { signing: Arc::new(key), older: Vec::new(), made: 1 };
        let ring = KeyRing { algorithm, keys: Mutex::new(keys), cell: KeyCell::new() };
        ring.publish(&ring.keys());
        ring
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn signing(&self) -> Arc<Signer> {
        Arc::clone(&self.keys().signing)
    }

    /// Signs with a new key from now on. Older keys stay published.
    pub(crate) fn rotate(&self) {
        let mut keys = self.keys();
        keys.made += 1;
        let fresh = Arc::new(new_key(self.algorithm, keys.made));
        let older = std::mem::replace(&mut keys.signing, fresh);
        keys.older.push(older);
        self.publish(&keys);
    }

    /// Publishes only the signing key.
    pub(crate) fn withdraw_old(&self) {
        let mut keys = self.keys();
        keys.older.clear();
        self.publish(&keys);
    }

    /// The public keys as a JWK Set, the signing key first. It never contains a shared secret.
    pub(crate) fn jwks(&self) -> Value {
        let keys = self.keys();
        let public: Vec<Value> =
            std::iter::once(&keys.signing).chain(&keys.older).filter_map(|key| key.public_jwk()).collect();
        json!({ "keys": public })
    }

    fn publish(&self, keys: &Keys) {
        let published = std::iter::once(&keys.signing).chain(&keys.older);
        let verifying = published.map(|key| key.verifying_key().expect("a generated key has a verifying half"));
        self.cell.store(Arc::new(KeySet::new(verifying)), None);
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeySource for KeyRing {
    fn cell(&self) -> &KeyCell {
        &self.cell
    }

    fn refresh(&self, _reason: RefreshReason) -> RefreshFuture<'_> {
        Box::pin(std::future::ready(RefreshOutcome::Refreshed))
    }
}

/// A new key, number `number` of its ring.
fn new_key(algorithm: Algorithm, number: usize) -> Signer {
    let key_id = format!("{KEY_ID_PREFIX}{number}");
    if algorithm.is_symmetric() {
        let secret = Secret::new(random_bytes());
        return Signer::from_secret(secret, algorithm, &key_id).expect("64 random bytes are a secret");
    }
    Signer::generate(algorithm).expect("this machine can make keys").with_key_id(&key_id)
}

/// 64 bytes that differ from run to run, so that no test secret is known.
fn random_bytes() -> Vec<u8> {
    // Printable, so that they are not mistaken for DER.
    (0..4).flat_map(|part| format!("{:016x}", RandomState::new().hash_one(part)).into_bytes()).collect()
}
