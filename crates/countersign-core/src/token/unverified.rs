//! The first proof type: a token of the right form, nothing of it believed.

use std::fmt;

use super::compact::Compact;
use super::header::Header;
use super::payload::Payload;
use super::{MAX_SIGNATURE_BYTES, base64url};
use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::key::Algorithm;
use crate::redact::safe_text;

/// A token of the right form whose signature nobody has checked.
///
/// It may be asked which algorithm, key and issuer it *claims*, to choose how to judge it, and for nothing else: no
/// guard or extractor takes it, and its claims cannot be had from it.
pub struct Unverified<'t> {
    pub(crate) compact: Compact<'t>,
    pub(crate) header: Header,
    pub(crate) payload: Payload,
}

impl<'t> Unverified<'t> {
    /// Reads a compact JWS without judging it.
    ///
    /// # Errors
    /// `too_large`, `malformed`, `jwe_unsupported`, `critical_header`, `nested_unsupported`, `invalid_claim`.
    pub fn parse(token: &'t str) -> Result<Self, VerifyError> {
        Self::parse_within(token, super::MAX_TOKEN_BYTES, &[])
    }

    pub(crate) fn parse_within(token: &'t str, max_bytes: usize, wanted: &[Box<str>]) -> Result<Self, VerifyError> {
        let not_base64url =
            |which: &str| VerifyError::new(Kind::Malformed, format!("the {which} segment is no canonical base64url"));
        let compact = Compact::split(token, max_bytes)?;
        let mut buffer = [0; HEADER_ON_STACK];
        let header = match base64url::decode_into(compact.header, &mut buffer) {
            Some(json) => Header::parse(json)?,
            None => Header::parse(&base64url::decode(compact.header).ok_or_else(|| not_base64url("header"))?)?,
        };
        let payload = base64url::decode(compact.payload).ok_or_else(|| not_base64url("payload"))?;
        let payload = Payload::parse(payload, wanted)?;
        Ok(Unverified { compact, header, payload })
    }

    /// The algorithm that the token names, where it is one of ours.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.header.algorithm
    }

    /// The key that the token names.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.header.key_id.as_deref()
    }

    /// The issuer that the token names.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.payload.issuer.as_ref().map(|issuer| self.payload.text(issuer))
    }

    /// Decodes the signature into `buffer`.
    pub(crate) fn signature<'b>(&self, buffer: &'b mut SignatureBuffer) -> Result<&'b [u8], VerifyError> {
        base64url::decode_into(self.compact.signature, &mut buffer.0).ok_or_else(|| {
            VerifyError::new(Kind::Malformed, "the signature segment is no canonical base64url, or too long")
        })
    }
}

/// Decoded headers are rarely longer; those that are take an allocation.
const HEADER_ON_STACK: usize = 512;

/// Room for the longest signature.
pub(crate) struct SignatureBuffer([u8; MAX_SIGNATURE_BYTES]);

impl SignatureBuffer {
    pub(crate) const fn new() -> Self {
        SignatureBuffer([0; MAX_SIGNATURE_BYTES])
    }
}

impl fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unverified")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.key_id().map(safe_text))
            .field("issuer", &self.issuer().map(safe_text))
            .finish_non_exhaustive()
    }
}
