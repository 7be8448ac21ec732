//! All rules in the order of evaluation.

use super::rule::{Case, Rule};
use super::{claims, header, times};
use crate::error::VerifyError;
use crate::token::Header;

/// Every rule, cheap ones first. All of them run before the signature check.
pub(in crate::verify) const RULES: &[Rule] = &[
    header::ALGORITHM,
    header::TYPE,
    claims::KIND,
    claims::AUDIENCE,
    times::EXPIRY,
    times::NOT_BEFORE,
    times::ISSUED_AT,
    times::LIFETIME,
    claims::REQUIRED_CLAIMS,
    claims::SUBJECT,
    claims::PROOF_OF_POSSESSION,
];

/// Evaluates the rules up to the first refusal.
pub(in crate::verify) fn check(header: &Header, case: &Case<'_>) -> Result<(), VerifyError> {
    RULES.iter().try_for_each(|rule| rule.decide(header, case))
}

/// Evaluates only the rules for claims: an authority vouches for them in place of a signature.
pub(in crate::verify) fn check_claims(case: &Case<'_>) -> Result<(), VerifyError> {
    RULES.iter().try_for_each(|rule| rule.decide_claims(case))
}
