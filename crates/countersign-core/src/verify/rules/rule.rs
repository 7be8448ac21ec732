//! One rule: its decision and, side by side, the values that it compares.

use super::super::binding::Possession;
use super::super::compared::Compared;
use crate::clock::UnixTime;
use crate::error::VerifyError;
use crate::policy::TrustedIssuer;
use crate::token::{Header, Payload, TokenType};

/// The claims of a token, the policy of its issuer, and the time.
pub(in crate::verify) struct Case<'a> {
    pub(in crate::verify) payload: &'a Payload,
    /// The `typ` of the header; absent if the header is unreadable.
    pub(in crate::verify) token_type: &'a TokenType,
    pub(in crate::verify) issuer: &'a TrustedIssuer,
    pub(in crate::verify) claim_names: &'a [Box<str>],
    /// Prefixes of subjects, each with the one issuer that may use it.
    pub(in crate::verify) reserved_subjects: &'a [(String, String)],
    /// The proven possession of the sender.
    pub(in crate::verify) possession: &'a Possession,
    pub(in crate::verify) now: UnixTime,
    /// The time at which the token must be valid: that of its enqueueing, or now.
    pub(in crate::verify) valid_at: UnixTime,
}

/// A rule for the header or for the claims. A report applies the rules of one part even if the other is unreadable.
///
/// `decide` is what verification runs. `compare` only describes it; without one, no rule can be written.
pub(in crate::verify) enum Rule {
    Header {
        name: &'static str,
        decide: fn(&Header, &TrustedIssuer) -> Result<(), VerifyError>,
        compare: fn(&Header, &TrustedIssuer) -> Compared,
    },
    Claims {
        name: &'static str,
        decide: fn(&Case<'_>) -> Result<(), VerifyError>,
        compare: fn(&Case<'_>) -> Compared,
    },
}

impl Rule {
    /// The name of the rule in reports.
    pub(in crate::verify) fn name(&self) -> &'static str {
        match self {
            Rule::Header { name, .. } | Rule::Claims { name, .. } => name,
        }
    }

    /// Returns whether the rule is for claims, and not for a header.
    pub(in crate::verify) const fn is_for_claims(&self) -> bool {
        matches!(self, Rule::Claims { .. })
    }

    /// The decision.
    #[inline]
    pub(super) fn decide(&self, header: &Header, case: &Case<'_>) -> Result<(), VerifyError> {
        match self {
            Rule::Header { decide, .. } => decide(header, case.issuer),
            Rule::Claims { decide, .. } => decide(case),
        }
    }

    /// The decision of a rule for claims; one for the header decides nothing.
    pub(super) fn decide_claims(&self, case: &Case<'_>) -> Result<(), VerifyError> {
        match self {
            Rule::Header { .. } => Ok(()),
            Rule::Claims { decide, .. } => decide(case),
        }
    }

    /// The decision with the compared values; `None` if the part that the rule checks is unreadable.
    pub(in crate::verify) fn explain(
        &self,
        issuer: &TrustedIssuer,
        header: Option<&Header>,
        case: Option<&Case<'_>>,
    ) -> Option<(Result<(), VerifyError>, Compared)> {
        match self {
            Rule::Header { decide, compare, .. } => {
                header.map(|header| (decide(header, issuer), compare(header, issuer)))
            }
            Rule::Claims { decide, compare, .. } => case.map(|case| (decide(case), compare(case))),
        }
    }
}
