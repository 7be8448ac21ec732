//! The one place where a signature is checked, on keys prepared beforehand.

use std::sync::Arc;

use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::key::VerifyingKey;
use crate::token::{Compact, MAX_SIGNATURE_BYTES, Unverified};

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

/// Enough for all but ML-DSA and RSA of more than 4,096 bits.
const MAX_SHORT_BYTES: usize = 512;

/// The first of `keys` whose signature over the token is the one it has.
pub(super) fn matching_key(token: &Compact<'_>, keys: &[&Arc<VerifyingKey>]) -> Result<Arc<VerifyingKey>, VerifyError> {
    // The buffer is zeroed first: the long one at the cost of ML-DSA alone.
    match token.signature.len() * 3 / 4 {
        ..=MAX_SHORT_BYTES => matching_key_within::<MAX_SHORT_BYTES>(token, keys),
        _ => matching_key_within::<MAX_SIGNATURE_BYTES>(token, keys),
    }
}

fn matching_key_within<const BYTES: usize>(
    token: &Compact<'_>,
    keys: &[&Arc<VerifyingKey>],
) -> Result<Arc<VerifyingKey>, VerifyError> {
    let mut buffer = [0; BYTES];
    let signature = token.signature(&mut buffer)?;
    let message = token.signing_input.as_bytes();
    match keys.iter().find(|key| key.checks(message, signature)) {
        Some(key) => Ok(Arc::clone(key)),
        None => Err(VerifyError::new(Kind::BadSignature, "the signature does not match the issuer's key")),
    }
}
