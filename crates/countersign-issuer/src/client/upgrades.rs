//! Secret hashes that replace weaker configured ones. They are stored; the configuration stays as it is.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use countersign_core::error::ConfigError;

use super::secret::SecretHash;
use super::{Client, Registry};
use crate::audit;
use crate::store::AsyncStore;

/// The upgraded hash of each client, which replaces the configured one.
pub(super) struct Upgrades {
    hashes: Mutex<HashMap<String, SecretHash>>,
    store: AsyncStore,
}

impl Upgrades {
    /// Reads the stored hashes. An upgrade of a hash that is no longer configured is ignored: its secret was replaced.
    pub(super) fn load(clients: &Registry, store: AsyncStore) -> Result<Self, ConfigError> {
        let stored = store.blocking().secret_hashes();
        let stored = stored.map_err(|error| ConfigError::new("store", error.to_string()))?;
        let mut hashes = HashMap::new();
        for (id, text) in stored {
            let Some((origin, hash)) = text.split_once(' ') else { continue };
            let configured = clients.find(&id).and_then(|client| configured(client));
            if configured.is_some_and(|configured| fingerprint(configured) == origin)
                && let Ok(hash) = SecretHash::parse(hash)
            {
                hashes.insert(id, hash);
            }
        }
        Ok(Upgrades { hashes: Mutex::new(hashes), store })
    }

    /// The current Argon2id or bcrypt hash of the client, if it has one.
    pub(super) fn slow_hash_of(&self, client: &Client) -> Option<SecretHash> {
        let hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        hashes.get(client.id()).or_else(|| configured(client)).cloned()
    }

    /// Uses `hash` from now on. If the store fails, the upgrade is made again after the next start.
    pub(super) async fn apply(&self, client: &Client, hash: SecretHash) {
        let Some(configured) = configured(client) else { return };
        let (id, text) = (client.id().to_owned(), format!("{} {hash}", fingerprint(configured)));
        let stored = self.store.call(client.id(), move |store| store.put_secret_hash(&id, &text)).await;
        audit::secret_upgraded(client.id(), stored.is_ok());
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner).insert(client.id().to_owned(), hash);
    }
}

fn configured(client: &Client) -> Option<&SecretHash> {
    client.hashes.iter().find(|hash| hash.slow().is_some())
}

/// Identifies the configured hash that an upgrade replaces.
fn fingerprint(hash: &SecretHash) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(countersign_core::integration::sha256(&hash.to_string()))
}

impl fmt::Debug for Upgrades {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrades").finish_non_exhaustive()
    }
}
