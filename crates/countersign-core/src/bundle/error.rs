//! The reason why a bundle is refused.

use std::borrow::Cow;
use std::fmt;

use crate::error::ConfigError;

/// The reason why a bundle is refused: a kind with a stable code, and a text for operators.
///
/// It repeats nothing secret. Text of the document is escaped and cut.
///
/// ```
/// use countersign_core::bundle::{BundleErrorKind, BundleVerifier};
/// use countersign_core::clock::UnixTime;
/// # use countersign_core::key::{Algorithm, KeySet};
/// # use countersign_core::mint::Signer;
/// # let keys = KeySet::new([Signer::generate(Algorithm::ES256)?.verifying_key()?]);
/// let bundles = BundleVerifier::new("orders-production", keys)?;
/// let error = bundles.verify("{\"issuers\":[]}", UnixTime::from_secs(1_800_000_000)).unwrap_err();
/// assert_eq!(error.kind(), BundleErrorKind::Malformed);
/// assert_eq!(error.code(), "bundle_malformed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct BundleError {
    kind: BundleErrorKind,
    detail: Cow<'static, str>,
}

/// The kinds of [`BundleError`], in the order of the checks.
///
/// ```
/// use countersign_core::bundle::BundleErrorKind;
///
/// assert_eq!(BundleErrorKind::OlderRevision.code(), "bundle_older_revision");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BundleErrorKind {
    /// Longer than [`MAX_BUNDLE_BYTES`](super::MAX_BUNDLE_BYTES).
    TooLarge,
    /// Not a compact JWS with the members of a bundle. An unsigned policy is one of these, and so is a cut document.
    Malformed,
    /// Its `typ` is that of another kind of document.
    WrongType,
    /// No pinned key has its `kid` and algorithm.
    UnknownKey,
    /// The signature is not one of the pinned key.
    BadSignature,
    /// It is for another fleet.
    WrongFleet,
    /// It was created in the future, by the clock of this machine.
    NotYetCreated,
    /// Its time is over.
    Expired,
    /// Its policy is not one, or has a field that this version does not know.
    InvalidPolicy,
    /// A later revision was accepted before.
    OlderRevision,
    /// Another document with the same revision was accepted before.
    SameRevision,
}

impl BundleErrorKind {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            BundleErrorKind::TooLarge => "bundle_too_large",
            BundleErrorKind::Malformed => "bundle_malformed",
            BundleErrorKind::WrongType => "bundle_wrong_type",
            BundleErrorKind::UnknownKey => "bundle_unknown_key",
            BundleErrorKind::BadSignature => "bundle_bad_signature",
            BundleErrorKind::WrongFleet => "bundle_wrong_fleet",
            BundleErrorKind::NotYetCreated => "bundle_not_yet_created",
            BundleErrorKind::Expired => "bundle_expired",
            BundleErrorKind::InvalidPolicy => "bundle_invalid_policy",
            BundleErrorKind::OlderRevision => "bundle_older_revision",
            BundleErrorKind::SameRevision => "bundle_same_revision",
        }
    }
}

impl BundleError {
    pub(super) fn new(kind: BundleErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        BundleError { kind, detail: detail.into() }
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> BundleErrorKind {
        self.kind
    }

    /// The stable code of the kind.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.kind.code()
    }
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.detail)
    }
}

impl std::error::Error for BundleError {}

/// On field `policy_bundle`.
impl From<BundleError> for ConfigError {
    fn from(error: BundleError) -> Self {
        ConfigError::new("policy_bundle", error.to_string())
    }
}
