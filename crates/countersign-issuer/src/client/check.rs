//! Checking a presented secret, so that neither the answer nor its time tells who exists, and memory stays bounded.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use countersign_core::clock::Clock;
use countersign_core::error::ConfigError;
use countersign_core::secret::Secret;
use tokio::sync::Semaphore;

use super::Registry;
use super::registry::Client;
use super::secret::{Checked, DUMMY, KEYED_TAG, SecretHash, bcrypt_dummy, check_slowly};
use super::upgrades::Upgrades;
use crate::state::State;

/// How many requests may wait for a check beyond those that run; the next one is told to come back.
const MAX_WAITING: usize = 64;

/// The longest that a request waits for its turn.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// The most successful checks remembered.
const MAX_REMEMBERED: usize = 1024;

/// The check could not be made now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Busy;

/// Checks secrets.
///
/// Which check is made depends on the presented secret alone, never on the client: one that looks generated under a
/// pepper costs one HMAC, any other one Argon2id (and one bcrypt, while any client has such a hash), against the client's
/// hash or a dummy.
pub(crate) struct SecretCheck {
    pepper: Option<hmac::Key>,
    running: Arc<Semaphore>,
    waiting: Semaphore,
    remembered: Option<Remembered>,
    upgrades: Upgrades,
    bcrypt_dummy: Option<Arc<str>>,
}

impl SecretCheck {
    /// `at_once` Argon2id checks, 19 MiB each, run side by side.
    pub(crate) fn new(
        pepper: Option<hmac::Key>,
        at_once: usize,
        remember_for: Duration,
        clock: Arc<dyn Clock>,
        clients: &Registry,
        state: State,
    ) -> Result<Self, ConfigError> {
        let upgrades = Upgrades::load(clients, state)?;
        let costs = clients.iter().filter_map(|client| upgrades.slow_hash_of(client)?.bcrypt_cost());
        let bcrypt_dummy = costs.max().map(|cost| bcrypt_dummy(cost).into());
        let remembered = if remember_for.is_zero() { None } else { Some(Remembered::new(remember_for, clock)?) };
        Ok(SecretCheck {
            pepper,
            running: Arc::new(Semaphore::new(at_once)),
            waiting: Semaphore::new(at_once.saturating_add(MAX_WAITING)),
            remembered,
            upgrades,
            bcrypt_dummy,
        })
    }

    /// Whether `presented` is a secret of `client`, which may be unknown.
    pub(crate) async fn is_right(&self, client: Option<&Client>, presented: Secret<String>) -> Result<bool, Busy> {
        if let (Some(pepper), true) = (&self.pepper, presented.expose().starts_with(KEYED_TAG)) {
            return Ok(is_keyed_secret_of(pepper, client, &presented));
        }
        let held = client.and_then(|client| self.upgrades.slow_hash_of(client));
        let stored = held.as_ref().and_then(SecretHash::slow).unwrap_or(DUMMY).to_owned();
        let mark = self.remembered.as_ref().map(|remembered| remembered.mark(&stored, &presented));
        if let (Some(remembered), Some(mark)) = (&self.remembered, &mark)
            && held.is_some()
            && remembered.has(mark)
        {
            return Ok(true);
        }
        let Checked { is_right, upgraded } = self.slowly(stored, presented).await?;
        let Some(client) = client.filter(|_| is_right && held.is_some()) else { return Ok(false) };
        if let Some(upgraded) = upgraded {
            self.upgrades.keep(client, upgraded).await;
        } else if let (Some(remembered), Some(mark)) = (&self.remembered, mark) {
            remembered.keep(mark);
        }
        Ok(true)
    }

    /// On the blocking pool. The permit goes with the work, so that callers who leave do not let more in.
    async fn slowly(&self, stored: String, presented: Secret<String>) -> Result<Checked, Busy> {
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

/// Compares in constant time with each keyed secret, or with a digest that no secret has.
fn is_keyed_secret_of(pepper: &hmac::Key, client: Option<&Client>, presented: &Secret<String>) -> bool {
    let known = client.map(|client| client.hashes.as_slice()).unwrap_or_default();
    let dummy = [0; 32];
    let mut digests = known.iter().filter_map(SecretHash::keyed).chain(std::iter::once(&dummy));
    digests.any(|digest| hmac::verify(pepper, presented.expose().as_bytes(), digest).is_ok())
}

/// Successful checks of late, so that a busy service does not pay Argon2id for every token.
///
/// What is kept is an HMAC under a key of this process and of nothing else: it is worth no more than the process's
/// memory, which holds every presented secret for a moment anyway.
struct Remembered {
    key: hmac::Key,
    keep_for: Duration,
    clock: Arc<dyn Clock>,
    until: Mutex<HashMap<[u8; 32], Duration>>,
}

impl Remembered {
    fn new(keep_for: Duration, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &aws_lc_rs::rand::SystemRandom::new())
            .map_err(|_| ConfigError::new("secret", "no randomness to be had"))?;
        Ok(Remembered { key, keep_for, clock, until: Mutex::default() })
    }

    /// Names the pair of stored hash, whose salt is the client's own, and presented secret.
    fn mark(&self, phc: &str, presented: &Secret<String>) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(phc.as_bytes());
        context.update(&[0]); // in no PHC string
        context.update(presented.expose().as_bytes());
        let mut mark = [0; 32];
        mark.copy_from_slice(context.sign().as_ref());
        mark
    }

    fn has(&self, mark: &[u8; 32]) -> bool {
        let now = self.clock.elapsed();
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.get(mark).is_some_and(|until| now < *until)
    }

    fn keep(&self, mark: [u8; 32]) {
        let now = self.clock.elapsed();
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.len() >= MAX_REMEMBERED {
            until.retain(|_, until| now < *until);
        }
        if until.len() < MAX_REMEMBERED {
            until.insert(mark, now.saturating_add(self.keep_for));
        }
    }
}
