//! A DPoP proof and its checks, in their order (RFC 9449 §4.3).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::error::{ProofError, ProofErrorKind as Kind};
use super::keys::{ProofKey, ProofKeys};
use super::target::ExternalUrl;
use crate::algorithm::Algorithm;
use crate::clock::UnixTime;
use crate::digest::sha256;
use crate::key::{Thumbprint, VerifyingKey};
use crate::redact::safe_text;
use crate::token::{Compact, ProofClaims};
use crate::verify::Verified;
use crate::verify::signature::matching_key;

/// The longest proof, in bytes.
pub(super) const MAX_PROOF_BYTES: usize = 8 * 1024;

/// The longest `jti`, in bytes.
pub(super) const MAX_ID_BYTES: usize = 256;

/// The longest age of a proof by default.
const MAX_AGE: Duration = Duration::from_secs(60);

/// The longest time by which the client's clock may be ahead.
pub(super) const MAX_AHEAD: Duration = Duration::from_secs(10);

/// The algorithms and times of proofs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofRules {
    algorithms: Vec<Algorithm>,
    max_age: Duration,
}

impl Default for ProofRules {
    /// All asymmetric algorithms of [`Algorithm::DEFAULT`]; proofs of at most 60 s.
    fn default() -> Self {
        ProofRules { algorithms: Algorithm::DEFAULT.to_vec(), max_age: MAX_AGE }
    }
}

impl ProofRules {
    /// Allows exactly these algorithms. Symmetric ones prove nothing, and are never accepted (RFC 9449 §4.3).
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Sets how old a proof may be. Default: 60 s.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// The allowed algorithms, for challenges and metadata.
    #[must_use]
    pub fn allowed(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// The longest age of a proof.
    #[must_use]
    pub fn oldest(&self) -> Duration {
        self.max_age
    }
}

/// The request that a proof has to be for.
#[derive(Clone, Copy, Debug)]
pub struct ProofRequest<'r> {
    /// The method, such as `GET`.
    pub method: &'r str,
    /// The external addresses of the service.
    pub external_urls: &'r [ExternalUrl],
    /// The path below them.
    pub path: &'r str,
}

/// A proof that fits the request, whose signature was not checked.
///
/// Nothing is proven before [`check_signature`](Self::check_signature). The checks are separate, so that the cheap ones, and
/// those of the token, come before the signature.
pub struct DpopProof {
    text: Box<str>,
    key: Arc<ProofKey>,
    is_new_key: bool,
    /// The key, once the signature was checked with it.
    prepared: Option<Arc<VerifyingKey>>,
    claims: ProofClaims,
    issued_at: UnixTime,
    ends_at: UnixTime,
}

impl DpopProof {
    /// Reads a proof, and checks what needs neither the token nor the signature.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn read(
        text: &str,
        rules: &ProofRules,
        keys: &ProofKeys,
        request: ProofRequest<'_>,
        now: UnixTime,
    ) -> Result<Self, ProofError> {
        let compact = Compact::split(text, MAX_PROOF_BYTES).map_err(|error| ProofError::of_form(&error))?;
        let (key, is_new_key) = keys.read(compact.header, &rules.algorithms)?;
        let claims = ProofClaims::decode(compact.payload).map_err(|error| ProofError::of_form(&error))?;
        let issued_at = check_times(&claims, rules, now)?;
        check_id(&claims)?;
        check_method(&claims, request.method)?;
        check_uri(&claims, request)?;
        let ends_at = issued_at.saturating_add(rules.max_age);
        Ok(DpopProof { text: text.into(), key, is_new_key, prepared: None, claims, issued_at, ends_at })
    }

    /// Checks that the proof was made for this access token.
    ///
    /// # Errors
    /// `proof_wrong_token`.
    pub fn check_token(&self, token: &str) -> Result<(), ProofError> {
        check_token_hash(&self.claims, || sha256(token))
    }

    /// The same for a token that was verified before: its hash is kept with it if a cache holds it.
    ///
    /// # Errors
    /// `proof_wrong_token`.
    pub fn check_verified_token(&self, verified: &Verified, token: &str) -> Result<(), ProofError> {
        check_token_hash(&self.claims, || verified.token_hash().copied().unwrap_or_else(|| sha256(token)))
    }

    /// The thumbprint of the key with which the proof claims to be signed.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.key.thumbprint
    }

    /// Checks that the proof is still new, for a request that waited.
    ///
    /// # Errors
    /// `proof_not_fresh`.
    pub fn check_fresh(&self, now: UnixTime) -> Result<(), ProofError> {
        let is_over = now > self.ends_at || self.claims.expires.is_some_and(|expires| expires <= now);
        if is_over {
            Err(ProofError::new(Kind::NotFresh, "too old, after the request waited for keys"))
        } else {
            Ok(())
        }
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// `proof_bad_signature`, and `proof_bad_key` for an RSA key that is weak.
    pub fn check_signature(&mut self) -> Result<(), ProofError> {
        let compact = Compact::split(&self.text, MAX_PROOF_BYTES).map_err(|error| ProofError::of_form(&error))?;
        let key = self.key.prepared()?;
        matching_key(&compact, &[&key])
            .map_err(|error| ProofError::new(Kind::BadSignature, error.detail().to_owned()))?;
        self.prepared = Some(key);
        Ok(())
    }

    /// Remembers the key of this proof, which was accepted, so that its next proof costs less.
    pub fn remember(&self, keys: &ProofKeys) {
        let Some(key) = self.prepared.as_ref().filter(|_| self.is_new_key) else { return };
        if let Some((header, _)) = self.text.split_once('.') {
            keys.insert(header, self.key.with(Arc::clone(key)));
        }
    }

    /// The nonce of the service, if the proof has one.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.claims.nonce()
    }

    /// The identifier (`jti`), which is unique for the key.
    #[must_use]
    pub fn id(&self) -> &str {
        self.claims.token_id().unwrap_or_default() // checked when it was read
    }

    /// The time at which the proof was made, by the client's clock.
    #[must_use]
    pub fn issued_at(&self) -> UnixTime {
        self.issued_at
    }

    /// The last time at which the proof is accepted.
    #[must_use]
    pub fn ends_at(&self) -> UnixTime {
        self.ends_at
    }
}

pub(super) fn check_times(claims: &ProofClaims, rules: &ProofRules, now: UnixTime) -> Result<UnixTime, ProofError> {
    let not_fresh = |detail: String| Err(ProofError::new(Kind::NotFresh, detail));
    let Some(issued_at) = claims.issued_at else {
        return Err(ProofError::new(Kind::Malformed, "the proof has no iat"));
    };
    let (age, ahead) = (now.saturating_since(issued_at), issued_at.saturating_since(now));
    if age > rules.max_age {
        return not_fresh(format!("made {} s ago, at most {} s are permitted", age.as_secs(), rules.max_age.as_secs()));
    }
    if ahead > MAX_AHEAD {
        return not_fresh(format!("made {} s in the future; compare the clocks", ahead.as_secs()));
    }
    if claims.expires.is_some_and(|expires| expires <= now) {
        return not_fresh("exp is over".to_owned());
    }
    if claims.not_before.is_some_and(|start| start.saturating_since(now) > MAX_AHEAD) {
        return not_fresh("nbf is in the future".to_owned());
    }
    Ok(issued_at)
}

pub(super) fn check_id(claims: &ProofClaims) -> Result<(), ProofError> {
    match claims.token_id() {
        None | Some("") => Err(ProofError::new(Kind::Malformed, "the proof has no jti")),
        Some(id) if id.len() > MAX_ID_BYTES => Err(ProofError::new(Kind::Malformed, "jti is longer than 256 bytes")),
        Some(_) => Ok(()),
    }
}

pub(super) fn check_method(claims: &ProofClaims, method: &str) -> Result<(), ProofError> {
    match claims.method() {
        None => Err(ProofError::new(Kind::Malformed, "the proof has no htm")),
        Some(found) if found == method => Ok(()),
        Some(found) => {
            let detail = format!("htm: expected {}, found \"{}\"", safe_text(method), safe_text(found));
            Err(ProofError::new(Kind::WrongMethod, detail))
        }
    }
}

pub(super) fn check_uri(claims: &ProofClaims, request: ProofRequest<'_>) -> Result<(), ProofError> {
    let Some(found) = claims.uri() else {
        return Err(ProofError::new(Kind::Malformed, "the proof has no htu"));
    };
    if request.external_urls.iter().any(|url| url.has_target(found, request.path)) {
        return Ok(());
    }
    let expected: Vec<String> =
        request.external_urls.iter().map(|url| format!("{}{}", url.as_str(), safe_text(request.path))).collect();
    let detail = format!("htu: expected {}, found \"{}\"", expected.join(" or "), safe_text(shown_uri(found)));
    Err(ProofError::new(Kind::WrongUri, detail))
}

/// An address without query, fragment and user, which may hold secrets.
pub(super) fn shown_uri(uri: &str) -> &str {
    let uri = uri.split(['?', '#']).next().unwrap_or_default();
    uri.rsplit_once('@').map_or(uri, |(_, rest)| rest)
}

pub(super) fn check_token_hash(claims: &ProofClaims, expected: impl Fn() -> [u8; 32]) -> Result<(), ProofError> {
    let Some(hash) = claims.token_hash() else {
        return Err(ProofError::new(Kind::WrongToken, "the proof has no ath"));
    };
    match Thumbprint::from_base64url(hash) {
        Some(hash) if hash.0 == expected() => Ok(()),
        _ => Err(ProofError::new(Kind::WrongToken, "ath is not the hash of the access token")),
    }
}

/// Omits the proof.
impl fmt::Debug for DpopProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopProof").field("issued_at", &self.issued_at.as_secs()).finish_non_exhaustive()
    }
}
