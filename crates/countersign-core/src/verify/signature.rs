//! The one place where a signature is checked, on keys prepared beforehand.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::key::VerifyingKey;
use crate::token::{SignatureBuffer, Unverified};

/// The second proof type: a token whose signature matched a key, its claims not yet believed.
///
/// It can be made here only, from an [`Unverified`] and a key that checked it.
#[derive(Debug)]
pub struct Signed<'t> {
    pub(super) token: Unverified<'t>,
    pub(super) key: Arc<VerifyingKey>,
}

impl<'t> Signed<'t> {
    /// Checks the signature with the first of `keys` that matches; there are at most four.
    pub(super) fn check(token: Unverified<'t>, keys: &SmallVec<[&Arc<VerifyingKey>; 1]>) -> Result<Self, VerifyError> {
        let mut buffer = SignatureBuffer::new();
        let signature = token.signature(&mut buffer)?;
        let message = token.compact.signing_input.as_bytes();
        match keys.iter().find(|key| key.checks(message, signature)) {
            Some(key) => Ok(Signed { key: Arc::clone(key), token }),
            None => Err(VerifyError::new(Kind::BadSignature, "the signature does not match the issuer's key")),
        }
    }
}
