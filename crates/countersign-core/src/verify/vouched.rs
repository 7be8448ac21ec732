//! Claims that an authority vouches for in place of a signature, such as the answer of an introspection endpoint.

use std::sync::Arc;

use super::binding::{Binding, Possession};
use super::revision::{Current, Revision};
use super::rules::{self, Case};
use super::verified::Verified;
use super::verifier::Verifier;
use crate::cache::Share;
use crate::clock::{Clock, UnixTime};
use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::token::{CredentialKind, Payload, TokenType};

/// The longest claims, in bytes. Ends of strings have 16 bits.
const MAX_BYTES: usize = u16::MAX as usize;

/// Checks `claims`, a JSON object, by all rules of the configured `issuer` except those of a header and a signature.
///
/// The caller of this function has asked an authority that speaks for the issuer. The claims may lack `iss`; if they have it,
/// it must be that of the issuer. They count as those of an access token.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::integration::vouch;
/// use countersign_core::token::CredentialKind;
/// use countersign_core::{key::StaticKeys, policy::NeedsAudience, verify::Verifier};
///
/// let issuer = NeedsAudience::new("https://id.example.com", Arc::new(StaticKeys::new([]))).audience("orders");
/// let verifier = Verifier::new(issuer)?;
/// let claims = br#"{"sub":"ann","aud":"orders","exp":4000000000}"#;
/// let caller = vouch(&verifier, "https://id.example.com", CredentialKind::Opaque, claims.to_vec());
/// assert_eq!(caller.map(|caller| caller.subject().to_owned()).as_deref().ok(), Some("ann"));
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
///
/// # Errors
/// The kinds of [`VerifyErrorKind`](crate::error::VerifyErrorKind) that concern claims.
pub fn vouch(
    verifier: &Verifier,
    issuer: &str,
    kind: CredentialKind,
    claims: Vec<u8>,
) -> Result<Arc<Verified>, VerifyError> {
    let clock = &verifier.0.clock;
    let verified = verifier.0.current.load().vouch(issuer, kind, claims, clock);
    verified.map_err(|error| verifier.refuse(error.after_signature()))
}

/// The same caller with a reference count of its own, for a thread that has it apart.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::integration::view_of;
/// use countersign_core::verify::Verified;
///
/// fn for_another_thread(caller: &Arc<Verified>) -> Arc<Verified> {
///     let view = view_of(caller);
///     assert_eq!(view.subject(), caller.subject());
///     view
/// }
/// # let _ = for_another_thread;
/// ```
#[must_use]
pub fn view_of(verified: &Arc<Verified>) -> Arc<Verified> {
    Verified::view(verified)
}

/// Returns whether a caller for whom an authority vouched is still within its times, and the rules by which it was checked are
/// those in force. If not, [`vouch_again`] decides.
#[must_use]
#[inline]
pub fn is_vouched_now(verifier: &Verifier, verified: &Verified) -> bool {
    verified.is_timely(verifier.0.clock.now()) && verifier.has_rules_of(verified)
}

/// Returns the caller if the sender of a request has proven what the claims are bound to.
///
/// # Errors
/// `proof_required`, `proof_mismatch` and `not_bound`.
pub fn check_sender(
    verifier: &Verifier,
    verified: Arc<Verified>,
    sender: &Possession,
) -> Result<Arc<Verified>, VerifyError> {
    let checked = match verified.binding() {
        Some(binding) => sender.check(binding),
        None => sender.check_unbound(),
    };
    match checked {
        Ok(()) => Ok(verified),
        Err(error) => Err(verifier.refuse(error.after_signature())),
    }
}

/// Checks the same claims by the rules in force. The authority is not asked.
///
/// # Errors
/// As [`vouch`].
pub fn vouch_again(verifier: &Verifier, verified: &Verified) -> Result<Arc<Verified>, VerifyError> {
    vouch(verifier, verified.issuer(), verified.token_kind(), verified.kept_json().as_bytes().to_vec())
}

/// The JSON of the claims for which an authority vouches; `None` for a signed token.
#[must_use]
pub fn vouched_claims(verified: &Verified) -> Option<&str> {
    verified.key_label().is_none().then(|| verified.kept_json())
}

/// Returns whether both are the same caller with the same authorities.
#[must_use]
pub fn has_same_authorities(one: &Verified, other: &Verified) -> bool {
    one.subject() == other.subject() && one.has_authorities_of(other)
}

/// The memory of a verified caller, in bytes.
#[must_use]
pub fn verified_bytes(verified: &Verified) -> usize {
    size_of::<Verified>() + verified.heap_bytes()
}

impl Verifier {
    /// Returns whether the issuer and its rules are those by which the caller was checked.
    fn has_rules_of(&self, verified: &Verified) -> bool {
        match &self.0.current {
            Current::Fixed(_) => true,
            Current::Replaceable(_) => self.0.current.load().has(verified.trusted_issuer()),
        }
    }

    /// Returns whether the rules in force accept the caller with the same authorities.
    pub(super) fn still_vouches(&self, verified: &Verified) -> bool {
        self.has_rules_of(verified) || vouch_again(self, verified).is_ok_and(|again| again.has_authorities_of(verified))
    }
}

impl Revision {
    fn vouch(
        &self,
        issuer: &str,
        kind: CredentialKind,
        claims: Vec<u8>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<Verified>, VerifyError> {
        if claims.len() > MAX_BYTES {
            return Err(VerifyError::new(Kind::TooLarge, "the claims are longer than 64 KiB"));
        }
        let issuer = self.issuers.get(issuer).ok_or_else(|| {
            VerifyError::new(Kind::UnknownIssuer, "the issuer that vouches for the claims is no longer configured")
        })?;
        let payload = Payload::parse(claims, &self.claim_names)?;
        if let Some(named) = payload.issuer.map(|named| payload.text(named))
            && named != issuer.issuer()
        {
            return Err(VerifyError::mismatch(Kind::UnknownIssuer, "iss", issuer.issuer(), named));
        }
        let now: UnixTime = clock.now();
        // The caller of a request is compared with the binding by `check_sender`, since one answer serves many requests.
        let possession = &Possession::of(Binding::of(&payload)?.as_deref());
        let case = Case {
            payload: &payload,
            token_type: &TokenType::AccessToken,
            issuer,
            claim_names: &self.claim_names,
            reserved_subjects: &self.reserved_subjects,
            possession,
            now,
            valid_at: now,
        };
        rules::check_claims(&case)?;
        let caller = self.names.read(issuer, &payload, &self.claim_names)?;
        Ok(Verified::vouched(kind, &payload, caller, Arc::clone(issuer), self.decoded.clone(), Arc::clone(clock)))
    }
}
