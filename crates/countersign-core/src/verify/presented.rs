//! Verification of a token that a request is about, and that is not its credential.

use std::sync::Arc;

use super::binding::{Binding, Possession};
use super::report::Report;
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

/// [`Verifier::explain`] for a token whose sender has proven this, or all that the token demands if it is `None`.
///
/// For tools that explain the proof by itself.
pub async fn explain_presented(verifier: &Verifier, token: &str, proven: Option<&Possession>) -> Report {
    let demanded = Possession::of(binding_named_by(token).as_deref());
    verifier.explain_with(token, proven.unwrap_or(&demanded)).await
}

/// The binding that an unverified token names.
fn named_binding(verifier: &Verifier, token: &str) -> Option<Box<Binding>> {
    read_binding(token, verifier.0.current.load().max_token_bytes)
}

/// The same for tools, which read tokens of any length.
pub(crate) fn binding_named_by(token: &str) -> Option<Box<Binding>> {
    read_binding(token, usize::MAX)
}

fn read_binding(token: &str, max_bytes: usize) -> Option<Box<Binding>> {
    let compact = Compact::split(token, max_bytes).ok()?;
    let payload = Payload::decode(compact.payload, &[]).ok()?;
    Binding::of(&payload).ok()?
}
