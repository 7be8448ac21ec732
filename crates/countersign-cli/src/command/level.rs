//! The level of a finding.

use crate::exit::Exit;
use crate::output::{Tone, toned};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Ok,
    Warning,
    Fault,
}

impl Level {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Fault => "fault",
        }
    }

    /// The beginning of the finding's line.
    pub(super) fn mark(self) -> String {
        let tone = match self {
            Level::Ok => Tone::Good,
            Level::Warning => Tone::Doubt,
            Level::Fault => Tone::Bad,
        };
        toned(tone, &format!("{:<7}", self.word()))
    }
}

/// The exit code after findings of these levels.
pub(super) fn exit(is_unreachable: bool, mut levels: impl Iterator<Item = Level>) -> Exit {
    match (is_unreachable, levels.any(|level| level == Level::Fault)) {
        (true, _) => Exit::Undecided,
        (false, true) => Exit::Rejected,
        (false, false) => Exit::Done,
    }
}
