//! Exit codes and failures of commands.

use std::process::ExitCode;

/// The exit codes, shown at the end of every help page.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  accepted, or done
  1  rejected
  2  invalid use: a bad option, an unreadable file
  3  undecided: keys or service not reachable";

/// The documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Accepted, or done.
    Done,
    /// Rejected.
    Rejected,
    /// Invalid use of the command.
    Usage,
    /// Undecided, for example because keys are unreachable.
    Undecided,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Rejected => 1,
            Exit::Usage => 2,
            Exit::Undecided => 3,
        })
    }
}

/// The reason why a command has no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Invalid use, with a message that names the fix.
    Usage(String),
    /// The reader of the output has gone.
    Output,
}

impl Failure {
    /// Invalid use; `message` names the fix.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Failure::Usage(message.into())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Usage(message) => f.write_str(message),
            Failure::Output => f.write_str("the output was closed"),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(_: std::io::Error) -> Self {
        Failure::Output
    }
}

impl From<countersign::error::ConfigError> for Failure {
    fn from(error: countersign::error::ConfigError) -> Self {
        Failure::Usage(error.to_string())
    }
}

/// The result of a command.
pub(crate) type Outcome = Result<Exit, Failure>;
