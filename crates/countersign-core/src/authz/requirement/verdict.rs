//! Kleene's three-valued logic over the parts of a requirement, and parts that do not count.

use super::facts::Unknown as Reason;
use crate::authz::{Decision, Denial};

/// The result of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Met,
    Unmet(Denial),
    /// It cannot be evaluated: it refuses, and so does its negation.
    Unknown(Denial, Reason),
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
            (Unknown(first, reason), Unknown(second, _)) => Unknown(first.stricter(second), reason),
            (Unmet(first) | Unknown(first, _), Unmet(second) | Unknown(second, _)) => Unmet(first.stricter(second)),
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
            (Unknown(first, reason), Unmet(second) | Unknown(second, _)) | (Unmet(first), Unknown(second, reason)) => {
                Unknown(first.easier(second), reason)
            }
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
            Verdict::Unknown(_, reason) => Verdict::Unknown(Denial::NotFound, reason),
            same => same,
        }
    }

    /// No other token of the caller changes the transaction, so a denial asks for none.
    pub(super) fn of_transaction(self) -> Verdict {
        let plain = |denial| if denial == Denial::NotFound { denial } else { Denial::Forbidden };
        match self {
            Verdict::Unmet(denial) => Verdict::Unmet(plain(denial)),
            Verdict::Unknown(denial, reason) => Verdict::Unknown(plain(denial), reason),
            same => same,
        }
    }

    pub(super) fn is_denied(&self) -> bool {
        matches!(self, Verdict::Unmet(_) | Verdict::Unknown(..))
    }

    pub(super) fn decide(self) -> Decision {
        match self {
            Verdict::Met | Verdict::Neutral => Decision::Allowed,
            Verdict::Unmet(denial) | Verdict::Unknown(denial, _) => Decision::Denied(denial),
        }
    }
}
