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

use super::registry::Client;
use super::secret::{KEYED_TAG, SecretHash, is_argon2id_of};

/// How many requests may wait for a check beyond those that run; the next one is told to come back.
const MAX_WAITING: usize = 64;

/// The longest that a request waits for its turn.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// The most successful checks remembered.
const MAX_REMEMBERED: usize = 1024;

/// What the secret of a client that does not exist is compared with: the cost of a real hash, and the hash of nothing.
const DUMMY: &str =
    concat!("$argon2id$v=19$m=19456,t=2,p=1$bm8gY2xpZW50IGhhcyBpdA", "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");

/// The check could not be made now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Busy;

/// Checks secrets.
///
/// Which check is made depends on the presented secret alone, never on the client: one that looks generated under a
/// pepper costs one HMAC, any other one Argon2id, against the client's hash or a dummy.
pub(crate) struct SecretCheck {
    pepper: Option<hmac::Key>,
    running: Arc<Semaphore>,
    waiting: Semaphore,
    remembered: Option<Remembered>,
}

impl SecretCheck {
    /// `at_once` Argon2id checks, 19 MiB each, run side by side.
    pub(crate) fn new(
        pepper: Option<hmac::Key>,
        at_once: usize,
        remember_for: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        let remembered = if remember_for.is_zero() { None } else { Some(Remembered::new(remember_for, clock)?) };
        Ok(SecretCheck {
            pepper,
            running: Arc::new(Semaphore::new(at_once)),
            waiting: Semaphore::new(at_once.saturating_add(MAX_WAITING)),
            remembered,
        })
    }

    /// Whether `presented` is a secret of `client`, which may be unknown.
    pub(crate) async fn is_right(&self, client: Option<&Client>, presented: Secret<String>) -> Result<bool, Busy> {
        if let (Some(pepper), true) = (&self.pepper, presented.expose().starts_with(KEYED_TAG)) {
            return Ok(is_keyed_secret_of(pepper, client, &presented));
        }
        let stored = client.and_then(|client| client.hashes.iter().find_map(SecretHash::argon2id));
        let phc = stored.unwrap_or(DUMMY).to_owned();
        let mark = self.remembered.as_ref().map(|remembered| remembered.mark(&phc, &presented));
        if let (Some(remembered), Some(mark)) = (&self.remembered, &mark)
            && stored.is_some()
            && remembered.has(mark)
        {
            return Ok(true);
        }
        let is_right = self.argon2id(phc, presented).await? && stored.is_some();
        if let (Some(remembered), Some(mark), true) = (&self.remembered, mark, is_right) {
            remembered.keep(mark);
        }
        Ok(is_right)
    }

    /// On the blocking pool. The permit goes with the work, so that callers who leave do not let more in.
    async fn argon2id(&self, phc: String, presented: Secret<String>) -> Result<bool, Busy> {
        let _place = self.waiting.try_acquire().map_err(|_| Busy)?;
        let turn = tokio::time::timeout(MAX_WAIT, Arc::clone(&self.running).acquire_owned()).await;
        let permit = turn.map_err(|_| Busy)?.map_err(|_| Busy)?;
        let check = tokio::task::spawn_blocking(move || {
            let is_right = is_argon2id_of(&phc, &presented);
            drop(permit);
            is_right
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
            .map_err(|_| ConfigError::one("secret", "no randomness to be had"))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s8_04_the_dummy_is_a_hash_of_full_cost_that_no_secret_has() {
        assert!(SecretHash::parse(DUMMY).is_ok());
        assert!(!is_argon2id_of(DUMMY, &Secret::from("")));
    }
}
