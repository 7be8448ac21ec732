//! Verification of a token that a request is about, and that is not its credential.

use std::sync::Arc;

use super::binding::{Binding, Possession};
use super::verified::Verified;
use super::verifier::Verifier;
use crate::error::VerifyError;
use crate::token::{Compact, Payload};

/// Verifies `token`, whatever it is bound to: for a token service that describes, revokes or exchanges tokens of others.
///
/// Nobody has proven to possess what it is bound to: the caller decides about [`Verified::binding`].
///
/// # Errors
/// As [`Verifier::verify`], for a sender who has proven all that the token demands.
pub async fn verify_presented(verifier: &Verifier, token: &str) -> Result<Arc<Verified>, VerifyError> {
    let possession = Possession::of(named_binding(verifier, token).as_deref());
    verifier.verify_with(token, &possession).await
}

/// The binding that an unverified token names.
fn named_binding(verifier: &Verifier, token: &str) -> Option<Box<Binding>> {
    let revision = verifier.0.current.load();
    let compact = Compact::split(token, revision.max_token_bytes).ok()?;
    let payload = Payload::decode(compact.payload, &[]).ok()?;
    Binding::of(&payload).ok()?
}
