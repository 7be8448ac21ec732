//! The stored form of the signing keys.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::key::Algorithm;
use countersign_core::mint::Signer;
use countersign_core::secret::Secret;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::key::{KeyState, RingKey};
use crate::store::{StoreError, StoreErrorKind, StoreKey};

/// The version of the format.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    issuer: String,
    keys: Vec<Entry>,
}

/// One key. Its private key is wiped on drop.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    algorithm: String,
    pkcs8: String,
    state: State,
    /// The time since which it is in its state, for scheduled rotation.
    since: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Pending { signs_from: u64 },
    Active,
    Retiring { until: u64 },
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.pkcs8.zeroize();
    }
}

/// Encodes the keys of `issuer`, sealed if there is a store key.
pub(super) fn encode(keys: &[RingKey], issuer: &str, store_key: Option<&StoreKey>) -> Result<Vec<u8>, StoreError> {
    let failed = |detail| StoreError::new(StoreErrorKind::Failed).with_detail(detail);
    let keys = keys.iter().map(|key| Entry {
        algorithm: key.signer.algorithm().name().to_owned(),
        pkcs8: base64_simd::STANDARD.encode_to_string(key.signer.private_key().expose()),
        state: match key.state {
            KeyState::Pending { signs_from } => State::Pending { signs_from: signs_from.as_secs() },
            KeyState::Active => State::Active,
            KeyState::Retiring { until } => State::Retiring { until: until.as_secs() },
        },
        since: key.since.as_secs(),
    });
    let document = Document { format: FORMAT, issuer: issuer.to_owned(), keys: keys.collect() };
    let text = serde_json::to_vec(&document).map_err(|_| failed("the keys could not be encoded"))?;
    let text = Zeroizing::new(text);
    match store_key {
        Some(key) => key.seal(&text, issuer).ok_or_else(|| failed("the keys could not be sealed")),
        None => Ok(text.to_vec()),
    }
}

/// Decodes stored keys at the monotonic time `elapsed`. Keys among `known` are not parsed again.
pub(super) fn decode(
    stored: &[u8],
    issuer: &str,
    store_key: Option<&StoreKey>,
    known: &[RingKey],
    elapsed: Duration,
) -> Result<Vec<RingKey>, StoreError> {
    const UNREADABLE: StoreError = StoreError::new(StoreErrorKind::Unreadable);
    let opened = match (store_key, StoreKey::is_sealed(stored)) {
        (Some(key), true) => key.open(stored, issuer).ok_or(StoreError::new(StoreErrorKind::WrongStoreKey))?,
        (None, false) => stored.to_vec(),
        (None, true) => return Err(StoreError::new(StoreErrorKind::MissingStoreKey)),
        // Otherwise anyone with write access to the store could insert a key.
        (Some(_), false) => return Err(StoreError::new(StoreErrorKind::NotSealed)),
    };
    let document: Document = serde_json::from_slice(&Zeroizing::new(opened)).map_err(|_| UNREADABLE)?;
    if document.format != FORMAT || document.issuer != issuer {
        return Err(StoreError::new(StoreErrorKind::OtherIssuer));
    }
    document.keys.iter().map(|entry| read(entry, known, elapsed).ok_or(UNREADABLE)).collect()
}

fn read(entry: &Entry, known: &[RingKey], elapsed: Duration) -> Option<RingKey> {
    let algorithm: Algorithm = entry.algorithm.parse().ok()?;
    let pkcs8 = Secret::new(base64_simd::STANDARD.decode_to_vec(&entry.pkcs8).ok()?);
    let is_same = |key: &&RingKey| key.signer.private_key().expose() == pkcs8.expose();
    let known = known.iter().find(is_same);
    let signer = match known {
        Some(known) => Arc::clone(&known.signer),
        None => Arc::new(Signer::from_pkcs8_der(pkcs8, algorithm).ok()?),
    };
    let state = match entry.state {
        State::Pending { signs_from } => KeyState::Pending { signs_from: UnixTime::from_secs(signs_from) },
        State::Active => KeyState::Active,
        State::Retiring { until } => KeyState::Retiring { until: UnixTime::from_secs(until) },
    };
    let is_in_state = |key: &&RingKey| std::mem::discriminant(&key.state) == std::mem::discriminant(&state);
    let seen_at = known.filter(is_in_state).map_or(elapsed, |key| key.seen_at);
    Some(RingKey { signer, state, seen_at, since: UnixTime::from_secs(entry.since) })
}
