//! The keys of clients, read from the headers of their proofs and remembered.

use std::fmt;
use std::sync::Arc;

use super::error::{ProofError, ProofErrorKind as Kind};
use crate::algorithm::Algorithm;
use crate::cache::TextCache;
use crate::key::{Thumbprint, VerifyingKey};
use crate::redact::safe_text;
use crate::token::{ProofHeader, TokenType};

/// The number of remembered keys. Without its entry, a key is read again from the proof.
const MAX_KEYS: usize = 4_096;

/// The longest header segment that is remembered, in bytes.
const MAX_SEGMENT_BYTES: usize = 1_024;

/// The keys with which proofs were signed before. Only a proof whose signature was checked leaves its key.
pub struct ProofKeys(TextCache<Arc<ProofKey>>);

/// The public key of a client.
pub(super) struct ProofKey {
    algorithm: Algorithm,
    pub(super) key: Arc<VerifyingKey>,
    pub(super) thumbprint: Thumbprint,
}

impl ProofKeys {
    /// Remembers up to 4,096 keys.
    #[must_use]
    pub fn new() -> Self {
        ProofKeys(TextCache::new(MAX_KEYS))
    }

    /// The key of the proof with this header, and whether it was read just now.
    pub(super) fn read(&self, segment: &str, allowed: &[Algorithm]) -> Result<(Arc<ProofKey>, bool), ProofError> {
        if let Some(known) = self.0.get(segment).filter(|known| allowed.contains(&known.algorithm)) {
            return Ok((known, false));
        }
        ProofKey::read(segment, allowed).map(|key| (Arc::new(key), true))
    }

    /// Remembers the key of a proof whose signature matched.
    pub(super) fn insert(&self, segment: &str, key: &Arc<ProofKey>) {
        if segment.len() <= MAX_SEGMENT_BYTES {
            self.0.insert(segment, Arc::clone(key));
        }
    }
}

impl ProofKey {
    fn read(segment: &str, allowed: &[Algorithm]) -> Result<Self, ProofError> {
        let ProofHeader { header, jwk } = ProofHeader::decode(segment).map_err(|error| ProofError::of_form(&error))?;
        let algorithm = check_header(&header.token_type, header.algorithm, &header.algorithm_name, allowed)?;
        let bad = |detail: String| ProofError::new(Kind::BadKey, detail);
        let jwk = jwk.ok_or_else(|| bad("the header has no jwk".to_owned()))?;
        let key = Arc::new(VerifyingKey::from_jwk(&jwk).map_err(|error| bad(format!("jwk: {error}")))?);
        let other = || bad(format!("jwk is a key for {}, and alg is {algorithm}", key.algorithm()));
        let is_rsa = Algorithm::RSA.contains(&algorithm);
        let read = if is_rsa { key.read_as(algorithm).ok_or_else(other)? } else { &key };
        if !read.algorithm().serves(algorithm) {
            return Err(other());
        }
        let thumbprint = Thumbprint::from_base64url(key.thumbprint())
            .ok_or_else(|| bad("jwk is not an asymmetric key".to_owned()))?;
        Ok(ProofKey { algorithm, key: Arc::clone(read), thumbprint })
    }
}

/// Checks `typ` and `alg` of a proof's header.
fn check_header(
    token_type: &TokenType,
    algorithm: Option<Algorithm>,
    algorithm_name: &str,
    allowed: &[Algorithm],
) -> Result<Algorithm, ProofError> {
    if !matches!(token_type, TokenType::Other(name) if name.eq_ignore_ascii_case("dpop+jwt")) {
        let detail = format!("typ: expected dpop+jwt, found \"{}\"", safe_text(token_type.name()));
        return Err(ProofError::new(Kind::WrongType, detail));
    }
    algorithm.filter(|algorithm| allowed.contains(algorithm) && !algorithm.is_symmetric()).ok_or_else(|| {
        let name = algorithm.map_or(algorithm_name, |algorithm| algorithm.name());
        ProofError::new(Kind::AlgorithmNotAllowed, format!("alg \"{}\" is not allowed for proofs", safe_text(name)))
    })
}

impl Default for ProofKeys {
    fn default() -> Self {
        Self::new()
    }
}

/// Only the number: keys identify clients.
impl fmt::Debug for ProofKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofKeys").field("known", &self.0.len()).finish()
    }
}
