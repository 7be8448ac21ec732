//! A signature check for tools, on any compact JWS: what its payload says is no matter here.

use std::sync::Arc;

use super::signature::matching_key;
use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::key::{KeySet, VerifyingKey};
use crate::token::{Compact, Header, Inspection, decode_base64url};

/// The state of the signature of an inspected text.
///
/// `Valid` speaks of the signature only: not of issuer, audience, times, or whose the keys are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SignatureState {
    /// A key of the set made it, and form, header, algorithm and key keep every rule for a compact JWS.
    Valid,
    /// No key of the set made it, or a rule is broken.
    Invalid(VerifyError),
    /// Nobody has looked: no keys were given.
    Unchecked,
}

impl SignatureState {
    /// `valid`, `invalid` or `unchecked`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            SignatureState::Valid => "valid",
            SignatureState::Invalid(_) => "invalid",
            SignatureState::Unchecked => "unchecked",
        }
    }
}

impl Inspection<'_> {
    /// Checks the signature with the keys of `keys`; `None` leaves it unchecked.
    ///
    /// Where token and key both have a `kid`, they must agree; a key of another algorithm is never tried.
    ///
    /// ```
    /// use countersign_core::key::KeySet;
    ///
    /// let inspection = countersign_core::token::inspect("e30.e30.AA");
    /// assert_eq!(inspection.signature(None).name(), "unchecked");
    /// assert_eq!(inspection.signature(Some(&KeySet::new([]))).name(), "invalid");
    /// ```
    #[must_use]
    pub fn signature(&self, keys: Option<&KeySet>) -> SignatureState {
        match keys.map(|keys| check(self.text(), keys)) {
            None => SignatureState::Unchecked,
            Some(Ok(())) => SignatureState::Valid,
            Some(Err(error)) => SignatureState::Invalid(error),
        }
    }
}

fn check(text: &str, keys: &KeySet) -> Result<(), VerifyError> {
    let compact = Compact::split(text, Inspection::MAX_BYTES)?;
    let header = Header::decode(compact.header)?;
    if decode_base64url(compact.payload).is_none() {
        return Err(VerifyError::new(Kind::Malformed, "the payload segment is no canonical base64url"));
    }
    let Some(algorithm) = header.algorithm else {
        return Err(VerifyError::new(Kind::AlgorithmNotAllowed, "alg names no signature algorithm"));
    };
    let candidates: Vec<&Arc<VerifyingKey>> = keys.candidates(header.key_id.as_deref(), algorithm).collect();
    if candidates.is_empty() {
        return Err(VerifyError::new(Kind::UnknownKey, format!("no key given fits the token's kid and {algorithm}")));
    }
    matching_key(&compact, &candidates).map(drop)
}
