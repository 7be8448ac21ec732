//! Error types with stable codes.

mod code;
mod config;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

pub use code::VerifyErrorKind;
pub use config::{ConfigError, Fault};

use crate::redact::safe_text;

/// The reason for refusing a token.
///
/// `code()` is stable and meant for programs. The detail (`Display`) is meant for the operator's log. Neither contains the
/// token; text taken from it is escaped and truncated.
///
/// ```
/// use countersign_core::error::{VerifyError, VerifyErrorKind};
///
/// fn status(error: &VerifyError) -> u16 {
///     if error.is_unavailable() { 503 } else { 401 }
/// }
/// # let _ = status;
/// ```
#[derive(Clone)]
#[must_use]
pub struct VerifyError {
    kind: VerifyErrorKind,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
    is_signature_verified: bool,
}

impl VerifyError {
    pub(crate) fn new(kind: VerifyErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        VerifyError { kind, detail: detail.into(), retry_after: None, is_signature_verified: false }
    }

    /// Reports a mismatch of `what`.
    ///
    /// `expected` is trusted text; `found` is untrusted and escaped here.
    pub(crate) fn mismatch(kind: VerifyErrorKind, what: &str, expected: &str, found: &str) -> Self {
        VerifyError::new(kind, format!("{what}: expected {expected}, found \"{}\"", safe_text(found)))
    }

    /// Creates the error for unavailable keys; the caller retries after `retry_after`.
    pub fn unavailable(retry_after: Duration, detail: impl Into<Cow<'static, str>>) -> Self {
        VerifyError { retry_after: Some(retry_after), ..VerifyError::new(VerifyErrorKind::KeysUnavailable, detail) }
    }

    /// Creates the error for an introspection endpoint that cannot be asked now, or whose answer cannot be used; the caller
    /// retries after `retry_after`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use countersign_core::error::VerifyError;
    ///
    /// assert!(VerifyError::not_introspected(Duration::from_secs(1), "status 500").is_unavailable());
    /// ```
    pub fn not_introspected(retry_after: Duration, detail: impl Into<Cow<'static, str>>) -> Self {
        let kind = VerifyErrorKind::IntrospectionUnavailable;
        VerifyError { retry_after: Some(retry_after), ..VerifyError::new(kind, detail) }
    }

    /// The authorization server does not vouch for the token.
    ///
    /// ```
    /// use countersign_core::error::VerifyError;
    ///
    /// assert_eq!(VerifyError::not_active().code(), "not_active");
    /// ```
    pub fn not_active() -> Self {
        VerifyError::new(VerifyErrorKind::NotActive, "the introspection endpoint does not answer active: true")
    }

    /// No key of a store of API keys is the one that was sent.
    ///
    /// ```
    /// use countersign_core::error::VerifyError;
    ///
    /// assert_eq!(VerifyError::unknown_api_key().code(), "not_active");
    /// ```
    pub fn unknown_api_key() -> Self {
        VerifyError::new(VerifyErrorKind::NotActive, "the store of API keys has no such key")
    }

    /// The API key has ended.
    ///
    /// ```
    /// use countersign_core::error::VerifyError;
    ///
    /// assert_eq!(VerifyError::api_key_expired().code(), "expired");
    /// ```
    pub fn api_key_expired() -> Self {
        VerifyError::new(VerifyErrorKind::Expired, "the API key has ended").after_signature()
    }

    /// Creates the error for a store of API keys that cannot be read now; the caller retries after `retry_after`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use countersign_core::error::VerifyError;
    ///
    /// assert!(VerifyError::api_keys_unavailable(Duration::from_secs(1), "no answer").is_unavailable());
    /// ```
    pub fn api_keys_unavailable(retry_after: Duration, detail: impl Into<Cow<'static, str>>) -> Self {
        let kind = VerifyErrorKind::ApiKeysUnavailable;
        VerifyError { retry_after: Some(retry_after), ..VerifyError::new(kind, detail) }
    }

    /// A credential that cannot be a token of the kinds that are taken, refused without asking anybody.
    ///
    /// ```
    /// use countersign_core::error::VerifyError;
    ///
    /// assert_eq!(VerifyError::impossible("too short").code(), "malformed");
    /// ```
    pub fn impossible(detail: impl Into<Cow<'static, str>>) -> Self {
        VerifyError::new(VerifyErrorKind::Malformed, detail)
    }

    /// The token was revoked; `detail` states for the log how the revocation identified it.
    ///
    /// ```
    /// use countersign_core::error::VerifyError;
    ///
    /// assert_eq!(VerifyError::revoked("by its jti").code(), "revoked");
    /// ```
    pub fn revoked(detail: impl Into<Cow<'static, str>>) -> Self {
        VerifyError::new(VerifyErrorKind::Revoked, detail).after_signature()
    }

    /// The token is suspended; `detail` states for the log what states it.
    ///
    /// ```
    /// use countersign_core::error::VerifyError;
    ///
    /// assert_eq!(VerifyError::suspended("by its status list").code(), "suspended");
    /// ```
    pub fn suspended(detail: impl Into<Cow<'static, str>>) -> Self {
        VerifyError::new(VerifyErrorKind::Suspended, detail).after_signature()
    }

    /// The token was made for another service than `expected`, which a layer found after the policy had accepted the token.
    ///
    /// ```
    /// use countersign_core::error::VerifyError;
    ///
    /// assert_eq!(VerifyError::wrong_audience("https://mcp.example.com/mcp").code(), "wrong_audience");
    /// ```
    pub fn wrong_audience(expected: &str) -> Self {
        let detail = format!("aud: expected {expected}, which the policy does not demand; make it the audience");
        VerifyError::new(VerifyErrorKind::WrongAudience, detail).after_signature()
    }

    /// Marks the error as one of a token whose signature was verified, for a layer that checked it in another way.
    ///
    /// ```
    /// use countersign_core::error::VerifyError;
    ///
    /// assert!(VerifyError::revoked("signed out").after_signature().is_signature_verified());
    /// ```
    pub fn after_signature(self) -> Self {
        VerifyError { is_signature_verified: true, ..self }
    }

    /// Returns whether the signature was verified before the token was refused.
    ///
    /// If not, anybody may have written the token, and the reason for the refusal must not reach the caller: it would
    /// show which issuers and audiences are trusted. Callers learn that a token has expired only if this is true.
    #[must_use]
    pub const fn is_signature_verified(&self) -> bool {
        self.is_signature_verified
    }

    /// The kind, to match on.
    #[must_use]
    pub const fn kind(&self) -> VerifyErrorKind {
        self.kind
    }

    /// The stable code, such as `expired`; the table is at [`VerifyErrorKind`].
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// The description for the operator, without the code.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns whether the token was left unverified (503, retry), not refused (401).
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        self.kind.is_unavailable()
    }

    /// The delay before a retry, if [`is_unavailable`](Self::is_unavailable).
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.detail)
    }
}

/// As `Display`, so that `fn main() -> Result<(), VerifyError>` prints a readable line.
impl fmt::Debug for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for VerifyError {}
