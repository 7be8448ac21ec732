//! Why claims are not of the wanted type.

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
}

impl fmt::Display for ClaimsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Why::Form { line, column, category } => {
                write!(f, "the claims do not decode into the wanted type: {category} at line {line} column {column}")
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
