//! The error for claims that do not have the requested type.

use std::fmt;

/// The token's claims do not have the type that the handler requests.
///
/// Names the position in the JSON but never the content: claims may be personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct ClaimsError(Reason);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Reason {
    /// The JSON does not decode.
    Form { line: usize, column: usize, category: &'static str },
    /// The token's schema is newer than the newest known.
    NewerSchema { found: u32, known: u32 },
    /// The token's schema is older, and not in the chain of upgrades.
    UnknownSchema { found: u32 },
}

impl ClaimsError {
    pub(super) fn newer_schema(found: u32, known: u32) -> Self {
        ClaimsError(Reason::NewerSchema { found, known })
    }

    pub(super) fn unknown_schema(found: u32) -> Self {
        ClaimsError(Reason::UnknownSchema { found })
    }

    /// Returns whether the token's schema is newer than the newest one that the service knows.
    #[must_use]
    pub fn is_newer_schema(&self) -> bool {
        matches!(self.0, Reason::NewerSchema { .. })
    }

    /// Returns whether the token's schema is older and the service has no upgrade from it.
    #[must_use]
    pub fn is_unknown_schema(&self) -> bool {
        matches!(self.0, Reason::UnknownSchema { .. })
    }
}

impl fmt::Display for ClaimsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Form { line, column, category } => {
                write!(f, "the claims do not decode into the requested type: {category} at line {line} column {column}")
            }
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

impl std::error::Error for ClaimsError {}

impl From<&serde_json::Error> for ClaimsError {
    fn from(error: &serde_json::Error) -> Self {
        let category = if error.is_data() { "a field is missing or has another type" } else { "not valid JSON" };
        ClaimsError(Reason::Form { line: error.line(), column: error.column(), category })
    }
}
