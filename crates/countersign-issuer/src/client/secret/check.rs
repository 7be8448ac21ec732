//! Comparison of a secret with an Argon2id or bcrypt hash.

use countersign_core::secret::Secret;

use super::SecretHash;
use super::argon2id::{self, DUMMY};
use super::bcrypt_hash;

/// The result of a slow check.
pub(in crate::client) struct Checked {
    pub(in crate::client) is_right: bool,
    /// The hash to store in place of one that is weaker than a new one.
    pub(in crate::client) upgraded: Option<SecretHash>,
}

/// Compares `secret` with `stored`. Takes 19 MiB and some tens of milliseconds, so never call it on an async worker.
///
/// `bcrypt_dummy` is set if any client has a bcrypt hash. Then each check makes one comparison of either kind, so that its
/// time reveals neither which client has which, nor which exists.
pub(in crate::client) fn check_slowly(stored: &str, bcrypt_dummy: Option<&str>, secret: &Secret<String>) -> Checked {
    let is_bcrypt = bcrypt_hash::cost(stored).is_some();
    let (by_argon2id, by_bcrypt) = if is_bcrypt {
        (argon2id::is_hash_of(DUMMY, secret), bcrypt_hash::is_hash_of(stored, secret))
    } else {
        let by_bcrypt = bcrypt_dummy.is_some_and(|dummy| bcrypt_hash::is_hash_of(dummy, secret));
        (argon2id::is_hash_of(stored, secret), by_bcrypt)
    };
    let is_right = if is_bcrypt { by_bcrypt } else { by_argon2id };
    let is_outdated = is_bcrypt || argon2id::is_outdated(stored);
    let upgraded = (is_right && is_outdated).then(|| SecretHash::hash(secret).ok()).flatten();
    Checked { is_right, upgraded }
}
