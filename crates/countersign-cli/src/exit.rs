//! How a command ends.

use std::process::ExitCode;

/// The documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Accepted, or done.
    Done,
    /// Rejected.
    Rejected,
    /// The question itself was wrong.
    Question,
    /// It could not be decided.
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

/// Why a command has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was asked makes no sense, and what to mend.
    Question(String),
    /// Whoever reads our output has gone.
    Output,
}

impl Failure {
    /// The question was wrong: says what to mend.
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

/// What commands return.
pub(crate) type Outcome = Result<Exit, Failure>;
