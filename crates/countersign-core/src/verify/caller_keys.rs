//! The keys of a token's caller in budgets.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use super::binding::Binding;
use super::verified::Verified;

/// The keys of the token's issuer, client and subject, for a [`NestedBudget`](crate::integration::NestedBudget): hashes with a
/// random seed of this process.
///
/// A token without a client counts with the key that it is bound to, and a client that calls for itself has no subject beside
/// it. They are computed once for a bound token.
///
/// ```
/// use countersign_core::integration::{NestedBudget, NestedPermit, OverBudget, caller_keys};
/// use countersign_core::verify::Verified;
///
/// fn admit(requests: &NestedBudget<3>, token: &Verified) -> Result<NestedPermit<3>, OverBudget> {
///     requests.acquire(caller_keys(token))
/// }
/// # let _ = admit;
/// ```
#[must_use]
#[inline]
pub fn caller_keys(token: &Verified) -> [Option<u64>; 3] {
    match token.known_caller_keys() {
        Some(known) => *known.get_or_init(|| hash(token)),
        None => hash(token),
    }
}

fn hash(token: &Verified) -> [Option<u64>; 3] {
    static SEED: OnceLock<RandomState> = OnceLock::new();
    let seed = SEED.get_or_init(RandomState::new);
    let of = |name: &[u8]| seed.hash_one(name);
    let client = token.client_id().filter(|client| !client.is_empty());
    let subject = Some(token.subject()).filter(|subject| client != Some(subject));
    let key = token.binding().and_then(Binding::key);
    [
        Some(of(token.issuer().as_bytes())),
        client.map(|client| of(client.as_bytes())).or_else(|| key.map(|key| of(key.as_bytes()))),
        subject.map(|subject| of(subject.as_bytes())),
    ]
}
