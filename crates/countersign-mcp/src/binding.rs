//! Text that travels through clients and belongs to one caller: the state of a request in several rounds, the identifier of a task.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use base64_simd::URL_SAFE_NO_PAD;
use countersign_core::clock::Clock;
use countersign_core::error::ConfigError;
use countersign_core::secret::Secret;
use countersign_core::verify::Verified;

/// The time in which a client may send the next round of a request.
pub(crate) const STATE_LIFETIME: Duration = Duration::from_secs(600);

/// The longest such time that can be set.
pub(crate) const MAX_STATE_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest key, in bytes: as long as the hash.
const MIN_KEY_BYTES: usize = 32;

/// The uses of the key, so that a text of one is none of the other.
const STATE: &str = "state";
const TASK: &str = "task";

/// Binds text to issuer, subject and client of a caller and to the address of the server, by HMAC-SHA-256. Nothing is stored.
///
/// The text can be read by the client, and by nobody changed.
pub(crate) struct CallerBinding {
    key: hmac::Key,
    resource: Arc<str>,
    lifetime: Duration,
    clock: Arc<dyn Clock>,
}

/// The operation that a state belongs to: the method, and the name of its tool, prompt or resource.
pub(crate) type StateOf<'r> = (&'static str, &'r str);

impl CallerBinding {
    /// A binding with this key; without one, with a key of this process.
    pub(crate) fn new(
        key: Option<&Secret<Vec<u8>>>,
        resource: &str,
        lifetime: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        let key = match key {
            Some(key) if key.expose().len() < MIN_KEY_BYTES => {
                return Err(ConfigError::new("state_key", "shorter than 32 bytes; use 32 random bytes"));
            }
            Some(key) => hmac::Key::new(hmac::HMAC_SHA256, key.expose()),
            None => hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
                .map_err(|_| ConfigError::new("state_key", "the system's generator of random numbers failed"))?,
        };
        if lifetime < Duration::from_secs(1) || lifetime > MAX_STATE_LIFETIME {
            return Err(ConfigError::new("state_lifetime", "not between a second and a day"));
        }
        Ok(CallerBinding { key, resource: resource.into(), lifetime, clock })
    }

    /// The state for the client: when it ends, a tag, and the state of the handler.
    pub(crate) fn seal_state(&self, operation: StateOf<'_>, caller: &Verified, state: &str) -> String {
        let ends = self.clock.now().saturating_add(self.lifetime).as_secs().to_string();
        let tag = hmac::sign(&self.key, &self.of_state(operation, caller, &ends, state));
        format!("{ends}.{}.{state}", URL_SAFE_NO_PAD.encode_to_string(tag))
    }

    /// The state of the handler, if it was sealed for this operation and caller and has not expired.
    pub(crate) fn open_state(&self, operation: StateOf<'_>, caller: &Verified, sealed: &str) -> Option<String> {
        let (ends, rest) = sealed.split_once('.')?;
        let (tag, state) = rest.split_once('.')?;
        self.verify(&self.of_state(operation, caller, ends, state), tag)?;
        let is_over = self.clock.now().as_secs() >= ends.parse::<u64>().ok()?;
        (!is_over).then(|| state.to_owned())
    }

    /// The identifier of a task for the client.
    pub(crate) fn seal_task(&self, caller: &Verified, task: &str) -> String {
        let tag = hmac::sign(&self.key, &self.message(&[TASK, task], caller));
        format!("{task}.{}", URL_SAFE_NO_PAD.encode_to_string(tag))
    }

    /// The identifier of the handler, if this caller has started the task.
    pub(crate) fn open_task(&self, caller: &Verified, sealed: &str) -> Option<String> {
        let (task, tag) = sealed.rsplit_once('.')?;
        self.verify(&self.message(&[TASK, task], caller), tag)?;
        Some(task.to_owned())
    }

    fn verify(&self, message: &[u8], tag: &str) -> Option<()> {
        let tag = URL_SAFE_NO_PAD.decode_to_vec(tag).ok()?;
        hmac::verify(&self.key, message, &tag).ok()
    }

    fn of_state(&self, (method, name): StateOf<'_>, caller: &Verified, ends: &str, state: &str) -> Vec<u8> {
        self.message(&[STATE, method, name, ends, state], caller)
    }

    /// Each part is preceded by its length, so that no two lists of parts have the same text.
    fn message(&self, parts: &[&str], caller: &Verified) -> Vec<u8> {
        let client = caller.client_id();
        let has_client = if client.is_some() { "1" } else { "0" };
        let caller = [&*self.resource, caller.issuer(), caller.subject(), has_client, client.unwrap_or_default()];
        let parts = parts.iter().copied().chain(caller);
        parts.flat_map(|part| (part.len() as u64).to_be_bytes().into_iter().chain(part.bytes())).collect()
    }
}

impl std::fmt::Debug for CallerBinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CallerBinding([hidden])")
    }
}
