//! The checks of a report, with their remedies.

use countersign::error::VerifyErrorKind;
use countersign::verify::{Check, Outcome, Report};

use crate::exit::Failure;
use crate::output::{self, Tone, toned};

/// The remedy for the stable code of a failed check.
pub(crate) fn remedy(code: &str) -> Option<&'static str> {
    VerifyErrorKind::ALL.iter().find(|kind| kind.code() == code).map(|kind| kind.remedy())
}

/// Prints every check on its own line.
pub(crate) fn print_checks(report: &Report) -> Result<(), Failure> {
    report.checks.iter().try_for_each(print_check)
}

fn print_check(check: &Check) -> Result<(), Failure> {
    let (mark, tone, why) = match &check.outcome {
        Outcome::Passed => ("ok  ", Tone::Good, String::new()),
        Outcome::Failed { message, .. } => ("FAIL", Tone::Bad, format!(": {message}")),
        _ => ("-   ", Tone::Quiet, String::new()),
    };
    let expected = check.expected.as_deref().unwrap_or_default();
    let found = check.found.as_ref().map(|found| format!("; found {found}")).unwrap_or_default();
    let text = output::safe(&format!("{:<20} {expected}{found}{why}", check.name));
    output::line(&format!("{} {text}", toned(tone, mark)))
}
