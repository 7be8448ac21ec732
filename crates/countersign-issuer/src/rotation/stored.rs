//! Keys as text for a store, and back.

use std::sync::Arc;

use countersign_core::clock::UnixTime;
use countersign_core::key::Algorithm;
use countersign_core::mint::Signer;
use countersign_core::secret::Secret;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::KeyState;
use super::ring::Held;
use crate::store::{StoreError, StoreKey};

/// The form of the text below.
const FORM: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    form: u32,
    issuer: String,
    keys: Vec<Entry>,
}

/// One key; its private half is wiped with it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    algorithm: String,
    pkcs8: String,
    state: State,
    /// When it began to sign, for the schedule.
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

/// The keys of `issuer` as text, sealed where there is a key for that.
pub(super) fn encode(held: &[Held], issuer: &str, seal: Option<&StoreKey>) -> Result<Vec<u8>, StoreError> {
    let keys = held.iter().map(|key| Entry {
        algorithm: key.signer.algorithm().name().to_owned(),
        pkcs8: base64_simd::STANDARD.encode_to_string(key.signer.private_key().expose()),
        state: match key.state {
            KeyState::Pending { signs_from } => State::Pending { signs_from: signs_from.as_secs() },
            KeyState::Active => State::Active,
            KeyState::Retiring { until } => State::Retiring { until: until.as_secs() },
        },
        since: key.since.as_secs(),
    });
    let document = Document { form: FORM, issuer: issuer.to_owned(), keys: keys.collect() };
    let text = serde_json::to_vec(&document).map_err(|_| StoreError::new("the keys cannot be written as text"))?;
    let text = Zeroizing::new(text);
    match seal {
        Some(key) => key.seal(&text, issuer).ok_or(StoreError::new("the keys could not be sealed")),
        None => Ok(text.to_vec()),
    }
}

/// The keys behind `text`. Those among `known` are not parsed again.
pub(super) fn decode(
    text: &[u8],
    issuer: &str,
    seal: Option<&StoreKey>,
    known: &[Held],
) -> Result<Vec<Held>, StoreError> {
    const UNREADABLE: StoreError = StoreError::fixed("the stored keys are not readable");
    let opened = match (seal, StoreKey::is_sealed(text)) {
        (Some(key), true) => {
            key.open(text, issuer).ok_or(StoreError::new("the stored keys do not open with this store_key"))?
        }
        (None, false) => text.to_vec(),
        (None, true) => return Err(StoreError::new("the stored keys are sealed; give their store_key")),
        // Else whoever can write there could slip in keys of his own.
        (Some(_), false) => return Err(StoreError::new("the stored keys are not sealed, but a store_key was given")),
    };
    let document: Document = serde_json::from_slice(&Zeroizing::new(opened)).map_err(|_| UNREADABLE)?;
    if document.form != FORM || document.issuer != issuer {
        return Err(StoreError::new("the stored keys are of another issuer or version"));
    }
    document.keys.iter().map(|entry| held(entry, known).ok_or(UNREADABLE)).collect()
}

fn held(entry: &Entry, known: &[Held]) -> Option<Held> {
    let algorithm: Algorithm = entry.algorithm.parse().ok()?;
    let pkcs8 = Secret::new(base64_simd::STANDARD.decode_to_vec(&entry.pkcs8).ok()?);
    let is_same = |key: &&Held| key.signer.private_key().expose() == pkcs8.expose();
    let signer = match known.iter().find(is_same) {
        Some(known) => Arc::clone(&known.signer),
        None => Arc::new(Signer::from_pkcs8_der(pkcs8, algorithm).ok()?),
    };
    let state = match entry.state {
        State::Pending { signs_from } => KeyState::Pending { signs_from: UnixTime::from_secs(signs_from) },
        State::Active => KeyState::Active,
        State::Retiring { until } => KeyState::Retiring { until: UnixTime::from_secs(until) },
    };
    Some(Held { signer, state, since: UnixTime::from_secs(entry.since) })
}
