//! The signature check of an inspected text: any compact JWS, whatever its payload.

use std::sync::Arc;

use super::inspection::Inspection;
use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::key::{KeySet, VerifyingKey};
use crate::token::{Compact, Header, decode_base64url};
use crate::verify::signature::matching_key;

/// The state of the signature of an inspected text.
///
/// `Valid` covers only the signature: not the issuer, the audience, the times, or the owner of the keys.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SignatureState {
    /// A key of the set verifies it, and form, header, algorithm and key meet every rule of a compact JWS.
    Valid,
    /// No key of the set verifies it, or a rule is broken.
    Invalid(VerifyError),
    /// Not checked, because no keys were given.
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
    /// If token and key both have a `kid`, they must agree; a key of another algorithm is never tried.
    ///
    /// ```
    /// use countersign_core::key::KeySet;
    ///
    /// let inspection = countersign_core::inspect::inspect("e30.e30.AA");
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
        return Err(VerifyError::new(Kind::Malformed, "the payload segment is not canonical base64url"));
    }
    let Some(algorithm) = header.algorithm else {
        return Err(VerifyError::new(Kind::AlgorithmNotAllowed, "alg is not a supported signature algorithm"));
    };
    let candidates: Vec<&Arc<VerifyingKey>> = keys.candidates(header.key_id.as_deref(), algorithm).collect();
    if candidates.is_empty() {
        return Err(VerifyError::new(
            Kind::UnknownKey,
            format!("none of the keys fits the token's kid and {algorithm}"),
        ));
    }
    matching_key(&compact, &candidates).map(drop)
}
