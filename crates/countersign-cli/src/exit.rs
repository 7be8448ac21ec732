//! Exit codes and failures of commands.

use std::process::ExitCode;

/// The documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Accepted, or done.
    Done,
    /// Rejected.
    Rejected,
    /// Invalid use of the command.
    Question,
    /// Undecided, for example because keys are unreachable.
    Undecided,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Rejected => 1,
            Exit::Question => 2,
            Exit::Undecided => 3,
        })
    }
}

/// The reason why a command has no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Invalid use, with a message that names the fix.
    Question(String),
    /// The reader of the output has gone.
    Output,
}

impl Failure {
    /// Invalid use; `message` names the fix.
    pub(crate) fn question(message: impl Into<String>) -> Self {
        Failure::Question(message.into())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Question(message) => f.write_str(message),
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
        Failure::Question(error.to_string())
    }
}

/// The result of a command.
pub(crate) type Outcome = Result<Exit, Failure>;
