//! Checks of presented secrets. Neither the result nor its time reveals which clients exist, and memory is bounded.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use countersign_core::clock::Clock;
use countersign_core::error::ConfigError;
use countersign_core::secret::Secret;
use tokio::sync::Semaphore;

use super::error::Busy;
use super::secret::{Checked, DUMMY, KEYED_PREFIX, SecretHash, bcrypt_dummy, check_slowly};
use super::upgrades::Upgrades;
use super::verified_secrets::VerifiedSecrets;
use super::{Client, Registry};
use crate::store::AsyncStore;

/// The most requests that may wait for a check, beyond the running ones; the next one is refused.
const MAX_WAITING: usize = 64;

/// The longest wait of a request for its check.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// Checks secrets.
///
/// The kind of check depends only on the presented secret, never on the client. A secret with the prefix of keyed secrets
/// costs one HMAC. Any other secret costs one Argon2id hash, and one bcrypt hash while any client has such a hash. Without
/// a hash of the client, a dummy is compared.
pub(crate) struct SecretCheck {
    pepper: Option<hmac::Key>,
    running: Arc<Semaphore>,
    waiting: Semaphore,
    verified: Option<VerifiedSecrets>,
    upgrades: Upgrades,
    bcrypt_dummy: Option<Arc<str>>,
}

impl SecretCheck {
    /// Runs at most `concurrent` Argon2id checks, 19 MiB each. A `cache_lifetime` of zero disables the cache.
    pub(crate) fn new(
        pepper: Option<hmac::Key>,
        concurrent: usize,
        cache_lifetime: Duration,
        clock: Arc<dyn Clock>,
        clients: &Registry,
        store: AsyncStore,
    ) -> Result<Self, ConfigError> {
        let upgrades = Upgrades::load(clients, store)?;
        let costs = clients.iter().filter_map(|client| upgrades.slow_hash_of(client)?.bcrypt_cost());
        let bcrypt_dummy = costs.max().map(|cost| bcrypt_dummy(cost).into());
        let verified = if cache_lifetime.is_zero() { None } else { Some(VerifiedSecrets::new(cache_lifetime, clock)?) };
        Ok(SecretCheck {
            pepper,
            running: Arc::new(Semaphore::new(concurrent)),
            waiting: Semaphore::new(concurrent.saturating_add(MAX_WAITING)),
            verified,
            upgrades,
            bcrypt_dummy,
        })
    }

    /// Returns whether `presented` is a secret of `client`. `None` is an unknown client.
    pub(crate) async fn is_right(&self, client: Option<&Client>, presented: Secret<String>) -> Result<bool, Busy> {
        if let (Some(pepper), true) = (&self.pepper, presented.expose().starts_with(KEYED_PREFIX)) {
            return Ok(is_keyed_secret_of(pepper, client, &presented));
        }
        let hash = client.and_then(|client| self.upgrades.slow_hash_of(client));
        let stored = hash.as_ref().and_then(SecretHash::slow).unwrap_or(DUMMY).to_owned();
        let cache_key = self.verified.as_ref().map(|verified| verified.cache_key(&stored, &presented));
        if let (Some(verified), Some(cache_key)) = (&self.verified, &cache_key)
            && hash.is_some()
            && verified.contains(cache_key)
        {
            return Ok(true);
        }
        let Checked { is_right, upgraded } = self.check_slowly(stored, presented).await?;
        let Some(client) = client.filter(|_| is_right && hash.is_some()) else { return Ok(false) };
        if let Some(upgraded) = upgraded {
            self.upgrades.apply(client, upgraded).await;
        } else if let (Some(verified), Some(cache_key)) = (&self.verified, cache_key) {
            verified.insert(cache_key);
        }
        Ok(true)
    }

    /// Checks on the blocking pool. The permit moves with the work, so that a disconnect does not free it early.
    async fn check_slowly(&self, stored: String, presented: Secret<String>) -> Result<Checked, Busy> {
        let _place = self.waiting.try_acquire().map_err(|_| Busy)?;
        let turn = tokio::time::timeout(MAX_WAIT, Arc::clone(&self.running).acquire_owned()).await;
        let permit = turn.map_err(|_| Busy)?.map_err(|_| Busy)?;
        let bcrypt_dummy = self.bcrypt_dummy.clone();
        let check = tokio::task::spawn_blocking(move || {
            let checked = check_slowly(&stored, bcrypt_dummy.as_deref(), &presented);
            drop(permit);
            checked
        });
        check.await.map_err(|_| Busy)
    }
}

impl fmt::Debug for SecretCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretCheck").finish_non_exhaustive()
    }
}

/// Compares in constant time with each keyed secret, and with a digest that no secret has.
fn is_keyed_secret_of(pepper: &hmac::Key, client: Option<&Client>, presented: &Secret<String>) -> bool {
    let hashes = client.map(|client| client.hashes.as_slice()).unwrap_or_default();
    let dummy = [0; 32];
    let mut digests = hashes.iter().filter_map(SecretHash::keyed).chain(std::iter::once(&dummy));
    digests.any(|digest| hmac::verify(pepper, presented.expose().as_bytes(), digest).is_ok())
}
