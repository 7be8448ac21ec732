//! The checks of a report, with their remedies.

use countersign::error::VerifyErrorKind;
use countersign::proof::ProofErrorKind;
use countersign::verify::{Check, Outcome, Report, Verdict};

use crate::claim_text;
use crate::exit::Failure;
use crate::output::{self, Tone, toned};

/// The remedy for the stable code of a failed check.
pub(crate) fn remedy(code: &str) -> Option<&'static str> {
    let of_token = VerifyErrorKind::ALL.iter().find(|kind| kind.code() == code).map(|kind| kind.remedy());
    of_token.or_else(|| ProofErrorKind::ALL.iter().find(|kind| kind.code() == code).map(|kind| kind.remedy()))
}

/// The value of a check in words, if it is a time.
pub(crate) fn found_in_words(check: &Check, now: i64) -> Option<String> {
    let is_time = matches!(check.name, "expiry" | "not before" | "issued at" | "iat");
    check.found.as_deref()?.parse().ok().filter(|_| is_time).map(|at| claim_text::time(at, now))
}

/// Prints every check on its own line. The reason of the verdict is not repeated.
pub(crate) fn print_checks(report: &Report, now: i64) -> Result<(), Failure> {
    let reason = match &report.verdict {
        Verdict::Rejected { message, .. } | Verdict::Undecided { message, .. } => message.as_str(),
        _ => "",
    };
    report.checks.iter().try_for_each(|check| output::line(&line(check, reason, now)))
}

fn line(check: &Check, reason: &str, now: i64) -> String {
    let (mark, tone, why) = match &check.outcome {
        Outcome::Passed => ("ok  ", Tone::Good, None),
        Outcome::Failed { message, .. } if message != reason => ("FAIL", Tone::Bad, Some(message.clone())),
        Outcome::Failed { .. } => ("FAIL", Tone::Bad, None),
        _ => ("-   ", Tone::Quiet, None),
    };
    let found = check.found.as_ref().map(|found| match found_in_words(check, now) {
        Some(words) => format!("found {words} ({found})"),
        None => format!("found {found}"),
    });
    let parts = [check.expected.clone().filter(|expected| !expected.is_empty()), found, why];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
    let text = output::safe(&format!("{:<20} {text}", check.name));
    format!("{} {text}", toned(tone, mark))
}
