//! The first proof type: a well-formed token of which nothing is trusted.

use std::fmt;

use super::compact::Compact;
use super::header::Header;
use super::payload::Payload;
use crate::algorithm::Algorithm;
use crate::error::VerifyError;
use crate::redact::safe_text;

/// A well-formed token whose signature was not checked.
///
/// It reveals only the algorithm, key and issuer that it *claims*, to choose how to check it. No guard or extractor
/// accepts it, and its claims are not accessible.
pub struct Unverified<'t> {
    pub(crate) compact: Compact<'t>,
    pub(crate) header: Header,
    pub(crate) payload: Payload,
}

impl<'t> Unverified<'t> {
    /// Parses a compact JWS without checking it.
    ///
    /// # Errors
    /// `too_large`, `malformed`, `jwe_unsupported`, `critical_header`, `nested_unsupported`, `invalid_claim`.
    pub fn parse(token: &'t str) -> Result<Self, VerifyError> {
        let compact = Compact::split(token, super::MAX_TOKEN_BYTES)?;
        let header = Header::decode(compact.header)?;
        let payload = Payload::decode(compact.payload, &[])?;
        Ok(Unverified { compact, header, payload })
    }

    /// The algorithm that the token names, if it is supported.
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
        self.payload.issuer.map(|issuer| self.payload.text(issuer))
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
