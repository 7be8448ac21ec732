//! The error for data that is not a requirement.

use std::fmt;

/// Data that is not a requirement, as [`Requirement::from_json`](super::Requirement::from_json) reports it.
///
/// ```
/// use countersign_core::authz::{Requirement, RequirementErrorKind};
///
/// let error = Requirement::from_json(r#"{"claims_where":"a golden plan"}"#).unwrap_err();
/// assert_eq!(error.kind(), RequirementErrorKind::OnlyCode);
/// assert!(error.to_string().contains("a golden plan"));
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct RequirementError {
    kind: RequirementErrorKind,
    detail: String,
}

/// The kinds of [`RequirementError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequirementErrorKind {
    /// Not JSON, or not of the documented form.
    Malformed,
    /// The member names no kind of requirement that this version knows.
    UnknownKind,
    /// `claims_where`, a condition that only code can make.
    OnlyCode,
    /// Empty `all_of` or `any_of`, or an `at_least` with a count out of range.
    Faulty,
    /// More levels than are read.
    TooDeep,
    /// More parts or bytes than are read.
    TooLarge,
}

impl RequirementError {
    pub(super) fn new(kind: RequirementErrorKind, detail: String) -> Self {
        RequirementError { kind, detail }
    }

    /// The kind, to match on.
    #[must_use]
    pub const fn kind(&self) -> RequirementErrorKind {
        self.kind
    }
}

impl fmt::Display for RequirementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// As `Display`, so that `fn main() -> Result<(), RequirementError>` prints a readable line.
impl fmt::Debug for RequirementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for RequirementError {}
