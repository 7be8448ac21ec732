//! The level of a finding.

use crate::output::Tone;

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

    pub(super) const fn tone(self) -> Tone {
        match self {
            Level::Ok => Tone::Good,
            Level::Warning => Tone::Doubt,
            Level::Fault => Tone::Bad,
        }
    }
}
