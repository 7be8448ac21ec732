//! The rules for times: expiry, start of validity, issue and lifetime.

use std::time::Duration;

use super::super::compared::{Compared, time};
use super::rule::{Case, Rule};
use crate::clock::UnixTime;
use crate::error::{VerifyError, VerifyErrorKind as Kind};

/// Returns whether `expires` has passed at `now`: from that moment on (RFC 7519 §4.1.4), plus leeway.
pub(in crate::verify) fn is_expired(expires: UnixTime, leeway: Duration, now: UnixTime) -> bool {
    now >= expires.saturating_add(leeway)
}

/// Returns whether `not_before` is later than `now` plus leeway.
pub(in crate::verify) fn is_early(not_before: UnixTime, leeway: Duration, now: UnixTime) -> bool {
    not_before > now.saturating_add(leeway)
}

pub(super) const EXPIRY: Rule = Rule::Claims { name: "expiry", decide: expiry, compare: compare_expiry };

fn expiry(case: &Case<'_>) -> Result<(), VerifyError> {
    let Some(expires) = case.payload.expires else {
        return Err(VerifyError::new(Kind::MissingClaim, "exp is absent; every token needs an expiry"));
    };
    if is_expired(expires, case.issuer.leeway, case.valid_at) {
        let ago = case.valid_at.saturating_since(expires).as_secs();
        return Err(VerifyError::new(
            Kind::Expired,
            format!("expired {ago} s ago, with {} s of leeway", case.issuer.leeway.as_secs()),
        ));
    }
    Ok(())
}

fn compare_expiry(case: &Case<'_>) -> Compared {
    let earliest = case.valid_at.saturating_sub(case.issuer.leeway);
    Compared::new(format!("exp after {}", earliest.as_secs()), time(case.payload.expires))
}

pub(super) const NOT_BEFORE: Rule =
    Rule::Claims { name: "not before", decide: not_before, compare: compare_not_before };

fn not_before(case: &Case<'_>) -> Result<(), VerifyError> {
    match case.payload.not_before {
        Some(at) if is_early(at, case.issuer.leeway, case.valid_at) => {
            let ahead = at.saturating_since(case.valid_at).as_secs();
            Err(VerifyError::new(
                Kind::NotYetValid,
                format!("valid in {ahead} s, with {} s of leeway", case.issuer.leeway.as_secs()),
            ))
        }
        _ => Ok(()),
    }
}

fn compare_not_before(case: &Case<'_>) -> Compared {
    let latest = case.valid_at.saturating_add(case.issuer.leeway);
    Compared::new(format!("nbf absent or at most {}", latest.as_secs()), time(case.payload.not_before))
}

pub(super) const ISSUED_AT: Rule = Rule::Claims { name: "issued at", decide: issued_at, compare: compare_issued_at };

fn issued_at(case: &Case<'_>) -> Result<(), VerifyError> {
    let issued = case.payload.issued_at;
    if let Some(at) = issued.filter(|at| is_early(*at, case.issuer.leeway, case.valid_at)) {
        let ahead = at.saturating_since(case.valid_at).as_secs();
        let leeway = case.issuer.leeway.as_secs();
        let detail = format!("iat is {ahead} s in the future, with {leeway} s of leeway; compare clocks");
        return Err(VerifyError::new(Kind::IssuedInFuture, detail));
    }
    let Some(max_age) = case.issuer.max_age else { return Ok(()) };
    let Some(issued) = issued else {
        return Err(VerifyError::new(Kind::MissingClaim, "iat is absent, and the policy bounds the token's age"));
    };
    if case.now > issued.saturating_add(max_age).saturating_add(case.issuer.leeway) {
        let (ago, most) = (case.now.saturating_since(issued).as_secs(), max_age.as_secs());
        let leeway = case.issuer.leeway.as_secs();
        let detail = format!("issued {ago} s ago, at most {most} s are permitted, with {leeway} s of leeway");
        return Err(VerifyError::new(Kind::TooOld, detail));
    }
    Ok(())
}

fn compare_issued_at(case: &Case<'_>) -> Compared {
    let leeway = case.issuer.leeway;
    let latest = case.valid_at.saturating_add(leeway).as_secs();
    let expected = match case.issuer.max_age {
        None => format!("iat absent or at most {latest}"),
        Some(age) => {
            format!("iat from {} to {latest}", case.now.saturating_sub(age).saturating_sub(leeway).as_secs())
        }
    };
    Compared::new(expected, time(case.payload.issued_at))
}

pub(super) const LIFETIME: Rule = Rule::Claims { name: "lifetime", decide: lifetime, compare: compare_lifetime };

fn lifetime(case: &Case<'_>) -> Result<(), VerifyError> {
    let payload = case.payload;
    let Some(expires) = payload.expires else { return Ok(()) };
    for (name, start) in [("nbf", payload.not_before), ("iat", payload.issued_at)] {
        if let Some(start) = start.filter(|start| expires <= *start) {
            let early = start.saturating_since(expires).as_secs();
            let detail = format!("exp is not after {name}: it is {early} s before it");
            return Err(VerifyError::new(Kind::LifetimeTooLong, detail));
        }
    }
    let Some(bound) = case.issuer.lifetime_bound() else { return Ok(()) };
    let Some(issued) = payload.issued_at else {
        return Err(VerifyError::new(Kind::MissingClaim, "iat is absent, and the policy bounds the lifetime"));
    };
    let life = expires.saturating_since(issued);
    if life > bound {
        let detail = format!("lives {} s, at most {} s are permitted", life.as_secs(), bound.as_secs());
        return Err(VerifyError::new(Kind::LifetimeTooLong, detail));
    }
    Ok(())
}

fn compare_lifetime(case: &Case<'_>) -> Compared {
    let at_most = |bound: Duration| format!("at most {} s", bound.as_secs());
    let expected = case.issuer.lifetime_bound().map_or("positive".to_owned(), at_most);
    let life = case.payload.expires.zip(case.payload.issued_at).map(|(end, start)| end.saturating_since(start));
    Compared::new(expected, life.map_or("unknown".to_owned(), |life| format!("{} s", life.as_secs())))
}
