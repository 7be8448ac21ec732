//! The rules for transaction tokens beyond those for every token (draft-ietf-oauth-transaction-tokens-10 §6.2).

use super::rule::Case;
use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::token::ListClaim;

/// The claims that every transaction token has, besides those that other rules require.
pub(super) const REQUIRED: [&str; 5] = ["iat", "txn", "sub", "scope", "req_wl"];

/// The longest `txn` and `req_wl`, in bytes: both are in every log line of the transaction.
const MAX_NAME_BYTES: usize = 256;

/// Checks the claims of a transaction token; other tokens have none of these rules.
#[inline]
pub(super) fn required(case: &Case<'_>) -> Result<(), VerifyError> {
    if case.issuer.transactions.is_none() { Ok(()) } else { check(case) }
}

#[cold]
fn check(case: &Case<'_>) -> Result<(), VerifyError> {
    let payload = case.payload;
    issuer(case)?;
    if payload.audience.items().len() > 1 {
        let detail = "aud names several trust domains; a transaction token is valid in exactly one";
        return Err(VerifyError::new(Kind::WrongAudience, detail));
    }
    if payload.issued_at.is_none() {
        return Err(missing("iat"));
    }
    name(case, "txn")?;
    if payload.subject.is_none_or(|text| payload.text(text).is_empty()) {
        return Err(missing("sub"));
    }
    match &payload.scope {
        ListClaim::Absent => return Err(missing("scope")),
        ListClaim::One(text) if payload.text(*text).trim_matches(' ').is_empty() => return Err(missing("scope")),
        ListClaim::One(_) => {}
        ListClaim::Many(_) | ListClaim::Wrong => {
            return Err(VerifyError::new(Kind::InvalidClaim, "scope is not a string of scopes separated by spaces"));
        }
    }
    name(case, "req_wl")?;
    for claim in ["tctx", "rctx"] {
        let is_object = |json: &str| json.starts_with('{');
        if payload.captured(case.claim_names, claim).is_some_and(|json| !is_object(json)) {
            return Err(VerifyError::new(Kind::InvalidClaim, format!("{claim} is not a JSON object")));
        }
    }
    Ok(())
}

/// The token names its service exactly as the policy does, or not at all.
fn issuer(case: &Case<'_>) -> Result<(), VerifyError> {
    let has_issuer = case.issuer.transactions.is_some_and(|rules| rules.has_issuer);
    match case.payload.issuer.map(|text| case.payload.text(text)) {
        Some(found) if !has_issuer => {
            let expected = "absent, since the policy names no issuer of transaction tokens";
            Err(VerifyError::mismatch(Kind::UnknownIssuer, "iss", expected, found))
        }
        None if has_issuer => {
            let detail = "iss is absent, and the policy names the issuer of transaction tokens";
            Err(VerifyError::new(Kind::MissingClaim, detail))
        }
        _ => Ok(()),
    }
}

/// A claim that is a name: a string of visible ASCII, not empty and not too long.
fn name(case: &Case<'_>, claim: &'static str) -> Result<(), VerifyError> {
    let Some(json) = case.payload.captured(case.claim_names, claim).filter(|json| *json != "null") else {
        return Err(missing(claim));
    };
    match serde_json::from_str::<String>(json) {
        Ok(text) if text.is_empty() => Err(missing(claim)),
        Ok(text) if text.len() <= MAX_NAME_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(()),
        _ => {
            let detail = format!("{claim} is not a string of at most {MAX_NAME_BYTES} visible ASCII characters");
            Err(VerifyError::new(Kind::InvalidClaim, detail))
        }
    }
}

fn missing(claim: &str) -> VerifyError {
    VerifyError::new(Kind::MissingClaim, format!("{claim} is absent or empty"))
}
