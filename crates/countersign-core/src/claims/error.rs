//! Why claims are not of the requested type.

use std::fmt;

/// The token's claims are not of the type that the handler asks for.
///
/// Says where, never what: claims may be personal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct ClaimsError(Why);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Why {
    /// The JSON does not decode.
    Form { line: usize, column: usize, category: &'static str },
    /// The token's schema is newer than the newest known.
    NewerSchema { found: u32, known: u32 },
    /// The token's schema is older, and not in the chain of upgrades.
    UnknownSchema { found: u32 },
}

impl ClaimsError {
    pub(super) fn newer_schema(found: u32, known: u32) -> Self {
        ClaimsError(Why::NewerSchema { found, known })
    }

    pub(super) fn unknown_schema(found: u32) -> Self {
        ClaimsError(Why::UnknownSchema { found })
    }

    /// Whether the token is of a newer schema than the service knows.
    #[must_use]
    pub fn is_newer_schema(&self) -> bool {
        matches!(self.0, Why::NewerSchema { .. })
    }

    /// Whether the token is of an older schema that the service has no upgrade from.
    #[must_use]
    pub fn is_unknown_schema(&self) -> bool {
        matches!(self.0, Why::UnknownSchema { .. })
    }
}

impl fmt::Display for ClaimsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Why::Form { line, column, category } => {
                write!(f, "the claims do not decode into the requested type: {category} at line {line} column {column}")
            }
            Why::NewerSchema { found, known } => write!(
                f,
                "the claims are of schema {found}, and this service knows up to {known}; deploy services before the issuer"
            ),
            Why::UnknownSchema { found } => {
                write!(f, "the claims are of schema {found}, which this service has no upgrade from")
            }
        }
    }
}

impl std::error::Error for ClaimsError {}

impl From<&serde_json::Error> for ClaimsError {
    fn from(error: &serde_json::Error) -> Self {
        let category = if error.is_data() { "a field is missing or of another type" } else { "not readable" };
        ClaimsError(Why::Form { line: error.line(), column: error.column(), category })
    }
}
