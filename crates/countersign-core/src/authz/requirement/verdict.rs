//! Kleene's three-valued logic over the parts of a requirement, and parts that do not count.

use crate::authz::{Decision, Denial};

/// The result of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Met,
    Unmet(Denial),
    /// It cannot be evaluated: it refuses, and so does its negation.
    Unknown(Denial),
    /// In shadow mode: as if the part did not exist.
    Neutral,
}

impl Verdict {
    pub(super) fn met_if(met: bool, otherwise: impl FnOnce() -> Denial) -> Self {
        if met { Verdict::Met } else { Verdict::Unmet(otherwise()) }
    }

    /// Both must be met. Of two denials the stricter one stays.
    pub(super) fn and(self, other: Verdict) -> Verdict {
        use Verdict::{Met, Neutral, Unknown, Unmet};
        match (self, other) {
            (Neutral, verdict) | (verdict, Neutral) | (Met, verdict) | (verdict, Met) => verdict,
            (Unknown(first), Unknown(second)) => Unknown(first.stricter(second)),
            (Unmet(first) | Unknown(first), Unmet(second) | Unknown(second)) => Unmet(first.stricter(second)),
        }
    }

    /// One of them suffices. Of two denials the one that is easier to fix stays.
    pub(super) fn or(self, other: impl FnOnce() -> Verdict) -> Verdict {
        use Verdict::{Met, Neutral, Unknown, Unmet};
        if self == Met {
            return Met;
        }
        match (self, other()) {
            (Neutral, verdict) | (verdict, Neutral) => verdict,
            (_, Met) | (Met, _) => Met,
            (Unmet(first), Unmet(second)) => Unmet(first.easier(second)),
            (Unmet(first) | Unknown(first), Unmet(second) | Unknown(second)) => Unknown(first.easier(second)),
        }
    }

    pub(super) fn not(self) -> Verdict {
        match self {
            Verdict::Met => Verdict::Unmet(Denial::Forbidden),
            Verdict::Unmet(_) => Verdict::Met,
            same => same,
        }
    }

    pub(super) fn hidden(self) -> Verdict {
        match self {
            Verdict::Unmet(_) => Verdict::Unmet(Denial::NotFound),
            Verdict::Unknown(_) => Verdict::Unknown(Denial::NotFound),
            same => same,
        }
    }

    pub(super) fn is_denied(&self) -> bool {
        matches!(self, Verdict::Unmet(_) | Verdict::Unknown(_))
    }

    pub(super) fn decide(self) -> Decision {
        match self {
            Verdict::Met | Verdict::Neutral => Decision::Allowed,
            Verdict::Unmet(denial) | Verdict::Unknown(denial) => Decision::Denied(denial),
        }
    }
}
