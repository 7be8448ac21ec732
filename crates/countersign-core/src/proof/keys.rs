//! The keys of clients, read from the headers of their proofs and remembered.

use std::fmt;
use std::sync::Arc;

use super::error::{ProofError, ProofErrorKind as Kind};
use crate::algorithm::Algorithm;
use crate::cache::TextCache;
use crate::key::{JwkFields, KeyRejected, PublicFields, Thumbprint, VerifyingKey, thumbprint};
use crate::redact::safe_text;
use crate::token::{ProofHeader, TokenType};

/// The number of remembered keys. Without its entry, a key is read again from the proof.
const MAX_KEYS: usize = 4_096;

/// The longest header segment that is remembered, in bytes.
const MAX_SEGMENT_BYTES: usize = 1_024;

/// The keys with which proofs were signed before. Only a proof that was accepted leaves its key.
pub struct ProofKeys(TextCache<Arc<ProofKey>>);

/// The public key of a client.
pub(super) struct ProofKey {
    algorithm: Algorithm,
    pub(super) thumbprint: Thumbprint,
    material: Material,
}

enum Material {
    Prepared(Arc<VerifyingKey>),
    /// An RSA key costs far more to prepare than any other check does, and its size is the client's choice: it is prepared for
    /// the signature of a token that is bound to it, and not before.
    Rsa(PublicFields),
}

/// The largest modulus of a client's RSA key, in bytes: each proof costs the service a check with it.
const MAX_RSA_BYTES: usize = 512;

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

    /// Remembers the key of a proof that was accepted.
    pub(super) fn insert(&self, segment: &str, key: ProofKey) {
        if segment.len() <= MAX_SEGMENT_BYTES {
            self.0.insert(segment, Arc::new(key));
        }
    }
}

impl ProofKey {
    pub(super) fn read(segment: &str, allowed: &[Algorithm]) -> Result<Self, ProofError> {
        let ProofHeader { header, jwk } = ProofHeader::decode(segment).map_err(|error| ProofError::of_form(&error))?;
        let algorithm = check_header(&header.token_type, header.algorithm, &header.algorithm_name, allowed)?;
        let jwk = jwk.ok_or_else(|| ProofError::new(Kind::BadKey, "the header has no jwk"))?;
        let fields: JwkFields =
            serde_json::from_str(&jwk).map_err(|_| ProofError::new(Kind::BadKey, "jwk: not a JSON Web Key"))?;
        fields.check_purpose().map_err(|error| bad_key(&error))?;
        let (public, own) = fields.public().map_err(|error| bad_key(&error))?;
        let is_named_otherwise = fields.algorithm_name().is_some() && !own.serves(algorithm);
        if is_named_otherwise || !public.fits(algorithm) {
            return Err(ProofError::new(Kind::BadKey, format!("jwk is a key for {own}, and alg is {algorithm}")));
        }
        public.check_rsa_size().map_err(|error| bad_key(&error))?;
        if matches!(&public, PublicFields::Rsa { n, .. } if n.len() > MAX_RSA_BYTES) {
            return Err(ProofError::new(Kind::BadKey, "jwk: the RSA modulus has more than 4096 bits"));
        }
        let thumbprint = Thumbprint::from_base64url(&thumbprint(&public, algorithm))
            .ok_or_else(|| ProofError::new(Kind::BadKey, "jwk has no thumbprint"))?;
        let material = match public {
            rsa @ PublicFields::Rsa { .. } => Material::Rsa(rsa),
            other => Material::Prepared(prepare(&other, algorithm)?),
        };
        Ok(ProofKey { algorithm, thumbprint, material })
    }

    /// The key, ready to check signatures.
    pub(super) fn prepared(&self) -> Result<Arc<VerifyingKey>, ProofError> {
        match &self.material {
            Material::Prepared(key) => Ok(Arc::clone(key)),
            Material::Rsa(public) => prepare(public, self.algorithm),
        }
    }

    /// The same key with what was prepared.
    pub(super) fn with(&self, key: Arc<VerifyingKey>) -> Self {
        ProofKey { algorithm: self.algorithm, thumbprint: self.thumbprint, material: Material::Prepared(key) }
    }
}

fn prepare(public: &PublicFields, algorithm: Algorithm) -> Result<Arc<VerifyingKey>, ProofError> {
    public.check_strength().map_err(|error| bad_key(&error))?;
    VerifyingKey::from_public(public, algorithm, None).map(Arc::new).map_err(|error| bad_key(&error))
}

fn bad_key(error: &KeyRejected) -> ProofError {
    ProofError::new(Kind::BadKey, format!("jwk: {error}"))
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
