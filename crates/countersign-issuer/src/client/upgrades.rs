//! Hashes that took the place of weaker ones, when their secrets were used: kept in the store, beside the configuration.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use countersign_core::error::ConfigError;

use super::registry::{Client, Registry};
use super::secret::SecretHash;
use crate::audit;
use crate::state::State;

/// By client: the hash that counts in place of the configured one.
pub(super) struct Upgrades {
    hashes: Mutex<HashMap<String, SecretHash>>,
    state: State,
}

impl Upgrades {
    /// Those whose client has the configured hash still that they were made of: whoever sets a new one means it.
    pub(super) fn load(clients: &Registry, state: State) -> Result<Self, ConfigError> {
        let stored = state.store().secrets().map_err(|error| ConfigError::new("store", error.to_string()))?;
        let mut hashes = HashMap::new();
        for (id, text) in stored {
            let Some((of, hash)) = text.split_once(' ') else { continue };
            let configured = clients.find(&id).and_then(|client| configured(client));
            if configured.is_some_and(|configured| name_of(configured) == of)
                && let Ok(hash) = SecretHash::parse(hash)
            {
                hashes.insert(id, hash);
            }
        }
        Ok(Upgrades { hashes: Mutex::new(hashes), state })
    }

    /// The hash that the client's secret is compared with, where that is slow.
    pub(super) fn slow_hash_of(&self, client: &Client) -> Option<SecretHash> {
        let hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        hashes.get(client.id()).or_else(|| configured(client)).cloned()
    }

    /// Takes `hash` from now on. Where the store fails, the next start makes it anew.
    pub(super) async fn keep(&self, client: &Client, hash: SecretHash) {
        let Some(configured) = configured(client) else { return };
        let (id, text) = (client.id().to_owned(), format!("{} {hash}", name_of(configured)));
        let kept = self.state.ask(move |store| store.put_secret(&id, &text)).await;
        audit::secret_upgraded(client, kept.is_ok());
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner).insert(client.id().to_owned(), hash);
    }
}

fn configured(client: &Client) -> Option<&SecretHash> {
    client.hashes.iter().find(|hash| hash.slow().is_some())
}

/// Tells a configured hash from its successor.
fn name_of(hash: &SecretHash) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(countersign_core::secret::sha256(&hash.to_string()))
}

impl fmt::Debug for Upgrades {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrades").finish_non_exhaustive()
    }
}
