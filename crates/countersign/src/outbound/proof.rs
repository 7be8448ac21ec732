//! The header that proves possession of the key of a token (RFC 9449).

use countersign_core::mint::{ProofDraft, Signer};
use http::{HeaderName, HeaderValue};

use super::error::{OutboundError, OutboundErrorKind};

/// The header with the proof.
pub(super) const DPOP: HeaderName = HeaderName::from_static("dpop");

/// Signs a proof. The value is marked sensitive, so `Debug` of the headers hides it.
pub(super) fn signed(proof: &ProofDraft<'_>, signer: &Signer) -> Result<HeaderValue, OutboundError> {
    let failed = |why: String| OutboundError::new(OutboundErrorKind::ProofNotSigned, why);
    let proof = proof.sign(signer).map_err(|error| failed(error.to_string()))?;
    let value = HeaderValue::try_from(proof);
    let mut value = value.map_err(|_| failed("the proof does not fit into a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
