//! The signature check, the only one in this crate.

use std::sync::Arc;

use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::key::VerifyingKey;
use crate::token::{Compact, MAX_SIGNATURE_BYTES, Unverified};

/// The second proof type: a token whose signature matched a key, whose claims are not trusted yet.
///
/// Only this module makes one, from an [`Unverified`] token and a key that checked it.
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

/// The longest signature except of ML-DSA and of RSA keys above 4,096 bits, in bytes.
const MAX_SHORT_BYTES: usize = 512;

/// The first of `keys` that verifies the signature of the token.
pub(crate) fn matching_key(token: &Compact<'_>, keys: &[&Arc<VerifyingKey>]) -> Result<Arc<VerifyingKey>, VerifyError> {
    // The buffer is zeroed first; only ML-DSA and long RSA keys pay for the long one.
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
