//! The error for claims that do not have the requested type.

use std::fmt;

use serde::de::DeserializeOwned;

use super::field::{describe, faulty_field};

/// The token's claims do not have the type that the handler requests.
///
/// Names the field and the types, or the position in the JSON, but never the content: claims may be personal data.
///
/// ```
/// use countersign_core::claims::{ClaimsError, ClaimsErrorKind};
///
/// fn advice(error: &ClaimsError) -> &'static str {
///     match error.kind() {
///         ClaimsErrorKind::NewerSchema => "deploy this service before the issuer",
///         ClaimsErrorKind::UnknownSchema => "add an upgrade from the old schema",
///         _ => "compare the type with the claims",
///     }
/// }
/// # let _ = advice;
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct ClaimsError(Reason);

/// The kind of a [`ClaimsError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClaimsErrorKind {
    /// The JSON does not decode into the type.
    Form,
    /// The token's schema is newer than the newest one that the service knows.
    NewerSchema,
    /// The token's schema is older, and the service has no upgrade from it.
    UnknownSchema,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Reason {
    Form { line: usize, column: usize, category: &'static str },
    Field(Box<str>),
    NewerSchema { found: u32, known: u32 },
    UnknownSchema { found: u32 },
}

impl ClaimsError {
    pub(super) fn unreadable() -> Self {
        ClaimsError(Reason::Form { line: 1, column: 0, category: "not valid JSON" })
    }

    /// The error of the field at `path`.
    pub(super) fn at(path: &str, error: &serde_json::Error) -> Self {
        Self::field_or(describe(path, error), error)
    }

    /// The error of decoding `json` into `C`.
    #[cold]
    pub(super) fn decoding<C: DeserializeOwned>(json: &str, error: &serde_json::Error) -> Self {
        Self::field_or(error.is_data().then(|| faulty_field::<C>(json)).flatten(), error)
    }

    fn field_or(field: Option<String>, error: &serde_json::Error) -> Self {
        match field.filter(|_| error.is_data()) {
            Some(field) => ClaimsError(Reason::Field(field.into())),
            None => ClaimsError::from(error),
        }
    }

    pub(super) fn newer_schema(found: u32, known: u32) -> Self {
        ClaimsError(Reason::NewerSchema { found, known })
    }

    pub(super) fn unknown_schema(found: u32) -> Self {
        ClaimsError(Reason::UnknownSchema { found })
    }

    /// The kind, to match on.
    #[must_use]
    pub const fn kind(&self) -> ClaimsErrorKind {
        match self.0 {
            Reason::Form { .. } | Reason::Field(_) => ClaimsErrorKind::Form,
            Reason::NewerSchema { .. } => ClaimsErrorKind::NewerSchema,
            Reason::UnknownSchema { .. } => ClaimsErrorKind::UnknownSchema,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self.kind() {
            ClaimsErrorKind::Form => "claims_form",
            ClaimsErrorKind::NewerSchema => "newer_schema",
            ClaimsErrorKind::UnknownSchema => "unknown_schema",
        }
    }
}

impl fmt::Display for ClaimsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Form { line, column, category } => {
                write!(f, "the claims do not decode into the requested type: {category} at line {line} column {column}")
            }
            Reason::Field(field) => write!(f, "the claims do not decode into the requested type: {field}"),
            Reason::NewerSchema { found, known } => write!(
                f,
                "the claims are of schema {found}, and this service knows up to {known}; deploy services before the issuer"
            ),
            Reason::UnknownSchema { found } => {
                write!(
                    f,
                    "the claims are of schema {found}, and this service has no upgrade from it; add one or reissue the token"
                )
            }
        }
    }
}

/// As `Display`, so that `fn main() -> Result<(), ClaimsError>` prints a readable line.
impl fmt::Debug for ClaimsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ClaimsError {}

impl From<&serde_json::Error> for ClaimsError {
    fn from(error: &serde_json::Error) -> Self {
        let category = if error.is_data() { "a field is missing or has another type" } else { "not valid JSON" };
        ClaimsError(Reason::Form { line: error.line(), column: error.column(), category })
    }
}
