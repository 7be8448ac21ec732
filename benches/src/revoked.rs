//! A layer with a long list of revocations.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign::authenticate::AuthenticateLayer;
use countersign::clock::UnixTime;
use countersign::revocation::RevocationList;
use countersign_core::verify::Verifier;

use crate::sample::ISSUER;

/// The revoked identifiers, half of them tokens and half of them sessions.
const REVOKED: usize = 100_000;

/// A layer of `verifier` with a list that a feed keeps up to date, and that has none of the tokens that are measured.
///
/// # Panics
/// If the list has no room.
#[must_use]
pub fn layer(verifier: Verifier) -> AuthenticateLayer {
    let list = Arc::new(RevocationList::new());
    let layer = AuthenticateLayer::builder(verifier).revocation(Arc::clone(&list)).build().expect("a layer");
    list.feed(Duration::from_secs(86_400)).confirm();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let in_a_day = UnixTime::from_secs(now + 86_400);
    for number in 0..REVOKED / 2 {
        list.revoke_token(ISSUER, &format!("00000000-7c4a-7b21-9e5d-{number:012x}"), in_a_day).expect("room");
        list.revoke_session(ISSUER, &format!("11111111-54e3-4f8a-b6c9-{number:012x}"), in_a_day).expect("room");
    }
    layer
}
