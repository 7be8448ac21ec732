//! The header of a request's proof.

use memchr::memchr;

use super::error::{ProofError, ProofErrorKind as Kind};

/// The only proof of a request, from the values of its header `DPoP`.
///
/// # Errors
/// `proof_missing` if there is none, or more than one; `proof_malformed` if it is not ASCII.
pub fn only_proof<'h>(values: impl IntoIterator<Item = &'h [u8]>) -> Result<&'h str, ProofError> {
    let missing = |detail: &'static str| ProofError::new(Kind::Missing, detail);
    let mut values = values.into_iter();
    let value = values.next().ok_or_else(|| missing("the request has no DPoP header"))?;
    if values.next().is_some() {
        return Err(missing("the request has more than one DPoP header"));
    }
    let text = std::str::from_utf8(value).ok().filter(|text| text.is_ascii());
    match text.ok_or_else(|| ProofError::new(Kind::Malformed, "the DPoP header is not ASCII"))? {
        "" => Err(missing("the DPoP header is empty")),
        // No character of a JWT; a proxy may have joined two headers.
        text if memchr(b',', text.as_bytes()).is_some() => {
            Err(missing("the request has more than one proof in its DPoP header"))
        }
        text => Ok(text),
    }
}
