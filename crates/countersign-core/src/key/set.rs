//! Bounded sets of keys, found by `kid` and algorithm. An unusable entry is skipped and listed.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde::Deserialize;
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::jwk::JwkFields;
use super::material::VerifyingKey;
use super::rejected::{KeyRejected, KeyRejectedKind as Kind, SkippedKey};
use crate::algorithm::Algorithm;
use crate::redact::safe_text;

/// The largest number of keys used of one set; further ones are skipped.
pub const MAX_KEYS: usize = 128;

/// The largest JWKS document read, in bytes.
pub const MAX_JWKS_BYTES: usize = 256 * 1024;

/// The largest number of keys of one `kid` and algorithm that are tried.
const MAX_TRIED: usize = 4;

/// The approximate memory of a key's places in a set, in bytes.
const ENTRY_OVERHEAD: usize = 160;

/// The public keys of an issuer at one time.
pub struct KeySet {
    /// With a fast hash: it contains only names that the issuer chose, at most 128.
    by_id: HashMap<Box<str>, SmallVec<[Arc<VerifyingKey>; 1]>, RandomState>,
    all: Vec<Arc<VerifyingKey>>,
    skipped: Vec<SkippedKey>,
}

/// The result of a search for a token's key in a set.
pub(crate) enum Lookup<'s> {
    /// Keys that may have signed it, at most four.
    Found(SmallVec<[&'s Arc<VerifyingKey>; 1]>),
    /// The `kid` exists, but for another algorithm.
    OtherAlgorithm {
        /// The token's algorithm is symmetric and every key of this `kid` is public: no newer set can have such a key.
        is_confusion: bool,
    },
    /// The token has no `kid`, and several keys fit.
    Ambiguous,
    /// The set has no such `kid`; or the token has none, and no key fits.
    Missing,
}

#[derive(Deserialize)]
struct RawSet<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

impl KeySet {
    /// A set of the first 128 of these keys.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Self {
        let mut set = KeySet { by_id: HashMap::default(), all: Vec::new(), skipped: Vec::new() };
        for key in keys {
            set.insert(key);
        }
        set
    }

    /// Reads a JWK Set (RFC 7517 §5). Entries that cannot be used are skipped and listed, never fatal.
    ///
    /// # Errors
    /// If the document is larger than 256 KiB, is not an object with an array `keys`, or has no usable key: such a
    /// document must not replace a good set.
    ///
    /// ```
    /// use countersign_core::key::KeySet;
    ///
    /// let set = KeySet::from_jwks(
    ///     br#"{"keys":[{"kty":"XYZ"},{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
    /// )?;
    /// assert_eq!((set.len(), set.skipped().len()), (1, 1));
    /// # Ok::<(), countersign_core::key::KeyRejected>(())
    /// ```
    pub fn from_jwks(json: &[u8]) -> Result<Self, KeyRejected> {
        Self::read(json, |set, raw| {
            raw.keys.into_iter().for_each(|entry| set.read_entry(entry.get(), JwkFields::check_purpose));
            Ok(())
        })
    }

    /// Reads the entries of a document within its bounds with `add`.
    fn read(
        json: &[u8],
        add: impl FnOnce(&mut Self, RawSet<'_>) -> Result<(), KeyRejected>,
    ) -> Result<Self, KeyRejected> {
        if json.len() > MAX_JWKS_BYTES {
            return Err(KeyRejected::new(Kind::TooLarge, "the key set is larger than 256 KiB"));
        }
        let raw: RawSet<'_> = serde_json::from_slice(json)
            .map_err(|_| KeyRejected::new(Kind::Malformed, "not a JWK Set: expected an object with an array keys"))?;
        if raw.keys.is_empty() {
            return Err(KeyRejected::new(Kind::NoKeys, "the key set is empty: the issuer states that it has no keys"));
        }
        let mut set = KeySet::new([]);
        add(&mut set, raw)?;
        if set.all.is_empty() {
            return Err(KeyRejected::empty(set.skipped));
        }
        Ok(set)
    }

    /// Reads the keys for JWT-SVIDs from the trust bundle of a SPIFFE trust domain: a JWK Set in which each key states its use.
    ///
    /// Only keys with `use` `jwt-svid` count; each needs a `kid`. Keys for X.509-SVIDs are passed over. Keys without a `use`, or
    /// with another one, are skipped and listed, as the specification demands (SPIFFE Trust Domain and Bundle §4.2).
    ///
    /// # Errors
    /// As [`from_jwks`](Self::from_jwks); a bundle without a key for JWT-SVIDs states that there is none.
    ///
    /// ```
    /// use countersign_core::key::KeySet;
    ///
    /// let bundle = br#"{"spiffe_sequence":1,"spiffe_refresh_hint":300,"keys":[
    ///     {"use":"x509-svid","kty":"EC","crv":"P-256","x5c":[]},
    ///     {"use":"jwt-svid","kid":"k1","kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    /// assert_eq!(KeySet::from_spiffe_bundle(bundle)?.len(), 1);
    /// assert!(KeySet::from_jwks(bundle).is_err(), "not the keys of any other issuer");
    /// # Ok::<(), countersign_core::key::KeyRejected>(())
    /// ```
    pub fn from_spiffe_bundle(json: &[u8]) -> Result<Self, KeyRejected> {
        Self::read(json, |set, raw| {
            let of_tokens = |entry: &&RawValue| !is_for_x509_svids(entry.get());
            let entries: Vec<_> = raw.keys.into_iter().filter(of_tokens).collect();
            if entries.is_empty() {
                return Err(KeyRejected::new(Kind::NoKeys, "the trust bundle has no key for JWT-SVIDs"));
            }
            entries.into_iter().for_each(|entry| set.read_entry(entry.get(), JwkFields::check_svid_purpose));
            Ok(())
        })
    }

    fn read_entry(&mut self, entry: &str, check_purpose: fn(&JwkFields) -> Result<(), KeyRejected>) {
        if self.all.len() == MAX_KEYS {
            return self.skip(None, KeyRejected::new(Kind::TooLarge, "beyond the first 128 keys"), None);
        }
        match serde_json::from_str::<JwkFields>(entry) {
            Ok(fields) => match check_purpose(&fields).and_then(|()| VerifyingKey::from_checked_fields(&fields)) {
                Ok(key) => self.insert(key),
                Err(reason) => self.skip(fields.key_id(), reason, Some(&fields)),
            },
            Err(_) => self.skip(
                None,
                KeyRejected::new(Kind::Malformed, "not a JWK: no object, a duplicate member or a wrong type"),
                None,
            ),
        }
    }

    fn insert(&mut self, key: VerifyingKey) {
        if self.all.len() == MAX_KEYS {
            let reason = KeyRejected::new(Kind::TooLarge, "beyond the first 128 keys");
            return self.skip(key.key_id(), reason, None);
        }
        let key = Arc::new(key);
        if let Some(key_id) = key.key_id() {
            self.by_id.entry(key_id.into()).or_default().push(Arc::clone(&key));
        }
        self.all.push(key);
    }

    fn skip(&mut self, key_id: Option<&str>, reason: KeyRejected, fields: Option<&JwkFields>) {
        if self.skipped.len() < MAX_KEYS {
            let key_id = key_id.map(safe_text).unwrap_or_default();
            let is_private_key = fields.is_some_and(JwkFields::is_secret);
            let is_for_encryption = fields.is_some_and(JwkFields::is_for_encryption);
            self.skipped.push(SkippedKey { key_id, reason, is_private_key, is_for_encryption });
        }
    }

    /// The keys that may check a token with this `kid` and algorithm.
    ///
    /// A `kid` never falls back to another key; without one, exactly one key must fit. RSA keys
    /// without `alg` count as keys of `unlabelled_rsa`.
    pub(crate) fn find(&self, key_id: Option<&str>, algorithm: Algorithm, unlabelled_rsa: Algorithm) -> Lookup<'_> {
        let read = |key| VerifyingKey::read_as(key, unlabelled_rsa);
        let fits = |key: &&Arc<VerifyingKey>| key.algorithm().serves(algorithm);
        match key_id {
            Some(key_id) => match self.by_id.get(key_id) {
                None => Lookup::Missing,
                Some(keys) => {
                    let found: SmallVec<_> = keys.iter().filter_map(read).filter(fits).take(MAX_TRIED).collect();
                    if found.is_empty() {
                        let is_public = || keys.iter().all(|key| !key.algorithm().is_symmetric());
                        return Lookup::OtherAlgorithm { is_confusion: algorithm.is_symmetric() && is_public() };
                    }
                    Lookup::Found(found)
                }
            },
            None => {
                let found: SmallVec<_> = self.all.iter().filter_map(read).filter(fits).take(2).collect();
                match found.len() {
                    0 => Lookup::Missing,
                    1 => Lookup::Found(found),
                    _ => Lookup::Ambiguous,
                }
            }
        }
    }

    /// The keys of `algorithm` whose `kid` does not contradict `key_id`, at most four. For tools, which may have a
    /// key without `kid`; a verifier uses [`find`](Self::find), which is stricter.
    pub(crate) fn candidates(
        &self,
        key_id: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &Arc<VerifyingKey>> {
        let agrees = move |key: &VerifyingKey| key_id.is_none_or(|named| key.key_id().is_none_or(|own| own == named));
        self.all.iter().filter(move |key| key.algorithm().serves(algorithm) && agrees(key)).take(MAX_TRIED)
    }

    /// Every usable key.
    pub fn keys(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.all.iter().map(AsRef::as_ref)
    }

    /// The number of usable keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns whether no key is usable.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The entries that are not used, at most 128 of them.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// The approximate memory that the set takes, in bytes, with its list of skipped entries.
    ///
    /// ```
    /// use countersign_core::key::KeySet;
    ///
    /// assert!(KeySet::new([]).memory_bytes() < 1_000);
    /// ```
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let keys = self.all.iter().map(|key| key.memory_bytes() + key.key_id().map_or(0, str::len) + ENTRY_OVERHEAD);
        let skipped = self.skipped.iter().map(|skipped| size_of::<SkippedKey>() * 2 + skipped.key_id.capacity());
        size_of::<Self>() + keys.sum::<usize>() + skipped.sum::<usize>()
    }

    /// Returns whether `other` has the same keys under the same names.
    #[must_use]
    pub fn has_same_keys(&self, other: &KeySet) -> bool {
        let same = |(mine, theirs): (&Arc<VerifyingKey>, &Arc<VerifyingKey>)| {
            let public = mine.thumbprint() == theirs.thumbprint() && !mine.algorithm().is_symmetric();
            let same_algorithm =
                mine.algorithm() == theirs.algorithm() && mine.is_unlabelled() == theirs.is_unlabelled();
            public && mine.key_id() == theirs.key_id() && same_algorithm
        };
        self.all.len() == other.all.len() && self.all.iter().zip(&other.all).all(same)
    }
}

/// Returns whether an entry of a trust bundle states that it is for X.509-SVIDs.
fn is_for_x509_svids(entry: &str) -> bool {
    #[derive(Deserialize)]
    struct Purpose<'a> {
        #[serde(rename = "use", borrow)]
        purpose: Option<std::borrow::Cow<'a, str>>,
    }
    serde_json::from_str(entry).is_ok_and(|Purpose { purpose }| purpose.as_deref() == Some("x509-svid"))
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet").field("keys", &self.all).field("skipped", &self.skipped).finish_non_exhaustive()
    }
}
