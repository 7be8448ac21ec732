//! Errors of keys as exit codes.

use countersign_apikey::{ApiKeyError, ApiKeyErrorKind};

use crate::exit::{Exit, Failure, Outcome};
use crate::output;

/// The exit code of an error, which is printed.
pub(super) fn failed(error: &ApiKeyError) -> Outcome {
    match error.kind() {
        ApiKeyErrorKind::Invalid => return Err(Failure::usage(error.detail())),
        _ => output::warn(&error.to_string()),
    }
    Ok(match error.kind() {
        ApiKeyErrorKind::StoreUnavailable => Exit::Undecided,
        _ => Exit::Rejected,
    })
}
