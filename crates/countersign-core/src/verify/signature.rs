//! The one place where a signature is checked, on keys prepared beforehand.

use std::sync::Arc;

use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::key::VerifyingKey;
use crate::token::{Compact, SignatureBuffer, Unverified};

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
    pub(super) fn check(token: Unverified<'t>, keys: &[&Arc<VerifyingKey>]) -> Result<Self, VerifyError> {
        let key = matching_key(&token.compact, keys)?;
        Ok(Signed { key, token })
    }
}

/// The first of `keys` whose signature over the token is the one it has.
pub(super) fn matching_key(token: &Compact<'_>, keys: &[&Arc<VerifyingKey>]) -> Result<Arc<VerifyingKey>, VerifyError> {
    let mut buffer = SignatureBuffer::new();
    let signature = token.signature(&mut buffer)?;
    let message = token.signing_input.as_bytes();
    match keys.iter().find(|key| key.checks(message, signature)) {
        Some(key) => Ok(Arc::clone(key)),
        None => Err(VerifyError::new(Kind::BadSignature, "the signature does not match the issuer's key")),
    }
}
