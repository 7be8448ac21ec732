//! The report of every check of a token, as data and as text.

use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::error::VerifyError;

/// The result of every check of one token, made by [`Verifier::explain`](super::Verifier::explain).
///
/// For operators and tools. It contains the claims (never the signature), so it must not be sent to a caller. Its `Debug`
/// omits header and claims.
///
/// Serialised, it is `{"verdict":"accepted","header":{…},"claims":{…},"checks":[…]}`, or
/// `{"verdict":"rejected","code":"expired","message":"…",…,"checks":[…]}`; `undecided` is written as `rejected` is.
#[derive(Clone)]
#[non_exhaustive]
pub struct Report {
    /// The decision that production makes.
    pub verdict: Verdict,
    /// The header, if it is JSON.
    pub header: Option<Value>,
    /// The claims, if they are JSON. Trust them only if the verdict is `Accepted`.
    pub claims: Option<Value>,
    /// Every check, in the order of the pipeline.
    pub checks: Vec<Check>,
}

/// The decision that production makes about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The token is accepted.
    Accepted,
    /// The token is refused by the first check that failed.
    Rejected {
        /// The stable code; see [`VerifyError::code`].
        code: &'static str,
        /// The detail for the operator.
        message: String,
    },
    /// The keys of its issuer are unavailable, so it cannot be verified.
    Undecided {
        /// The stable code; see [`VerifyError::code`].
        code: &'static str,
        /// The detail for the operator.
        message: String,
    },
}

/// One check and its result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// Its name, such as `expiry`.
    pub name: &'static str,
    /// The result of the check.
    pub outcome: Outcome,
    /// The value that the policy expects, if it fits on one line.
    pub expected: Option<String>,
    /// The value in the token, safe to log.
    pub found: Option<String>,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The token passed the rule.
    Passed,
    /// The token broke the rule, or the rule could not be decided.
    Failed {
        /// The stable code; see [`VerifyError::code`].
        code: &'static str,
        /// The detail for the operator.
        message: String,
    },
    /// An earlier failure left no input for the check.
    NotReached,
}

impl Verdict {
    /// `accepted`, `rejected` or `undecided`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Verdict::Accepted => "accepted",
            Verdict::Rejected { .. } => "rejected",
            Verdict::Undecided { .. } => "undecided",
        }
    }

    /// The code of the first check that failed.
    #[must_use]
    pub const fn code(&self) -> Option<&'static str> {
        match self {
            Verdict::Accepted => None,
            Verdict::Rejected { code, .. } | Verdict::Undecided { code, .. } => Some(code),
        }
    }
}

impl Outcome {
    /// `passed`, `failed` or `not_reached`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed { .. } => "failed",
            Outcome::NotReached => "not_reached",
        }
    }
}

impl From<&VerifyError> for Verdict {
    fn from(error: &VerifyError) -> Self {
        let (code, message) = (error.code(), error.detail().to_owned());
        match error.is_unavailable() {
            true => Verdict::Undecided { code, message },
            false => Verdict::Rejected { code, message },
        }
    }
}

impl From<&VerifyError> for Outcome {
    fn from(error: &VerifyError) -> Self {
        Outcome::Failed { code: error.code(), message: error.detail().to_owned() }
    }
}

/// Adds the check of a status to the report of an accepted token; `verdict` becomes that of the report.
///
/// ```
/// use countersign_core::integration::add_status_check;
/// use countersign_core::verify::{Report, Verdict};
///
/// fn revoked(report: &mut Report) {
///     let (code, message) = ("revoked", "its index in the status list says so".to_owned());
///     add_status_check(report, Some("index 7 of https://id.example.com/lists/1".to_owned()), Verdict::Rejected { code, message });
/// }
/// # let _ = revoked;
/// ```
pub fn add_status_check(report: &mut Report, found: Option<String>, verdict: Verdict) {
    let outcome = match &verdict {
        Verdict::Accepted => Outcome::Passed,
        Verdict::Rejected { code, message } | Verdict::Undecided { code, message } => {
            Outcome::Failed { code, message: message.clone() }
        }
    };
    let expected = Some("valid by the status list".to_owned());
    report.checks.push(Check { name: "status", outcome, expected, found });
    report.verdict = verdict;
}

impl Report {
    /// Returns whether production accepts the token.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.verdict == Verdict::Accepted
    }

    /// The check of this name.
    #[must_use]
    pub fn check(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("verdict", self.verdict.name())?;
        if let Verdict::Rejected { code, message } | Verdict::Undecided { code, message } = &self.verdict {
            map.serialize_entry("code", code)?;
            map.serialize_entry("message", message)?;
        }
        if let Some(header) = &self.header {
            map.serialize_entry("header", header)?;
        }
        if let Some(claims) = &self.claims {
            map.serialize_entry("claims", claims)?;
        }
        map.serialize_entry("checks", &self.checks)?;
        map.end()
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", self.name)?;
        map.serialize_entry("outcome", self.outcome.name())?;
        if let Outcome::Failed { code, message } = &self.outcome {
            map.serialize_entry("code", code)?;
            map.serialize_entry("message", message)?;
        }
        if let Some(expected) = &self.expected {
            map.serialize_entry("expected", expected)?;
        }
        if let Some(found) = &self.found {
            map.serialize_entry("found", found)?;
        }
        map.end()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Accepted => f.write_str("accepted"),
            Verdict::Rejected { code, message } | Verdict::Undecided { code, message } => {
                write!(f, "{} ({code}): {message}", self.name())
            }
        }
    }
}

/// A table with one line per check, then the verdict.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: fn(&Check) -> &str, title: &str| {
            self.checks.iter().map(|check| column(check).chars().count()).max().unwrap_or(0).max(title.len())
        };
        let (names, results) = (width(|check| check.name, "check"), width(|check| check.outcome.cell(), "result"));
        let expectations = width(Check::expectation, "expected");
        writeln!(f, "{:names$}  {:results$}  {:expectations$}  found", "check", "result", "expected")?;
        for check in &self.checks {
            let (name, result, expected) = (check.name, check.outcome.cell(), check.expectation());
            let found = check.found.as_deref().unwrap_or("-");
            writeln!(f, "{name:names$}  {result:results$}  {expected:expectations$}  {found}")?;
        }
        write!(f, "verdict: {}", self.verdict)
    }
}

impl Check {
    fn expectation(&self) -> &str {
        self.expected.as_deref().unwrap_or("-")
    }
}

impl Outcome {
    fn cell(&self) -> &str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed { code, .. } => code,
            Outcome::NotReached => "not reached",
        }
    }
}

/// Verdict and outcomes, without header and claims.
impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcomes: Vec<(&str, &str)> = self.checks.iter().map(|check| (check.name, check.outcome.name())).collect();
        f.debug_struct("Report")
            .field("verdict", &self.verdict.name())
            .field("checks", &outcomes)
            .finish_non_exhaustive()
    }
}
