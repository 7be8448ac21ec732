//! The rules of a policy, cheap ones first. All of them run before the signature check.

use std::borrow::Cow;
use std::time::Duration;

use crate::clock::UnixTime;
use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::policy::{Profile, TrustedIssuer};
use crate::token::{Header, ListClaim, Payload};

/// The claims of a token, the policy of its issuer, and the time.
pub(super) struct Case<'a> {
    pub(super) payload: &'a Payload,
    pub(super) issuer: &'a TrustedIssuer,
    pub(super) claim_names: &'a [Box<str>],
    /// Prefixes of subjects, each with the one issuer that may use it.
    pub(super) reserved_subjects: &'a [(String, String)],
    pub(super) now: UnixTime,
}

/// One rule: its name, and the function that decides.
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) decide: Decide,
}

/// The input of a rule. A report can apply the rules of one kind if the other part is unreadable.
#[derive(Clone, Copy)]
pub(super) enum Decide {
    Header(fn(&Header, &TrustedIssuer) -> Result<(), VerifyError>),
    Claims(fn(&Case<'_>) -> Result<(), VerifyError>),
}

/// Every rule, in the order of evaluation.
pub(super) const RULES: &[Rule] = &[
    Rule { name: "algorithm", decide: Decide::Header(algorithm) },
    Rule { name: "type", decide: Decide::Header(token_type) },
    Rule { name: "kind", decide: Decide::Claims(kind) },
    Rule { name: "audience", decide: Decide::Claims(audience) },
    Rule { name: "expiry", decide: Decide::Claims(expiry) },
    Rule { name: "not before", decide: Decide::Claims(not_before) },
    Rule { name: "issued at", decide: Decide::Claims(issued_at) },
    Rule { name: "lifetime", decide: Decide::Claims(lifetime) },
    Rule { name: "required claims", decide: Decide::Claims(required_claims) },
    Rule { name: "subject", decide: Decide::Claims(subject) },
    Rule { name: "proof of possession", decide: Decide::Claims(confirmation) },
];

/// Evaluates the rules up to the first refusal.
pub(super) fn check(header: &Header, case: &Case<'_>) -> Result<(), VerifyError> {
    RULES.iter().try_for_each(|rule| match rule.decide {
        Decide::Header(decide) => decide(header, case.issuer),
        Decide::Claims(decide) => decide(case),
    })
}

/// Returns whether `expires` has passed at `now`: from that moment on (RFC 7519 §4.1.4), plus leeway.
pub(super) fn is_expired(expires: UnixTime, leeway: Duration, now: UnixTime) -> bool {
    now >= expires.saturating_add(leeway)
}

/// Returns whether `not_before` is later than `now` plus leeway.
pub(super) fn is_early(not_before: UnixTime, leeway: Duration, now: UnixTime) -> bool {
    not_before > now.saturating_add(leeway)
}

fn algorithm(header: &Header, issuer: &TrustedIssuer) -> Result<(), VerifyError> {
    match header.algorithm {
        Some(algorithm) if issuer.algorithms.contains(&algorithm) => Ok(()),
        Some(algorithm) => Err(VerifyError::new(
            Kind::AlgorithmNotAllowed,
            format!("alg {algorithm} is not on the issuer's list of {} algorithms", issuer.algorithms.len()),
        )),
        None => Err(VerifyError::mismatch(
            Kind::AlgorithmNotAllowed,
            "alg",
            "a signature algorithm",
            &header.algorithm_name,
        )),
    }
}

fn token_type(header: &Header, issuer: &TrustedIssuer) -> Result<(), VerifyError> {
    if issuer.takes_type(&header.token_type) {
        return Ok(());
    }
    Err(VerifyError::mismatch(Kind::WrongType, "typ", &issuer.expected_types(), header.token_type.name()))
}

/// Refuses ID tokens, which are for clients, not for services.
fn kind(case: &Case<'_>) -> Result<(), VerifyError> {
    if case.payload.has_id_token_claims && case.issuer.refuses_id_tokens() {
        return Err(VerifyError::new(
            Kind::IdToken,
            "it has nonce, at_hash or c_hash, so it is an ID token, not an access token",
        ));
    }
    Ok(())
}

fn audience(case: &Case<'_>) -> Result<(), VerifyError> {
    if case.issuer.any_audience {
        return Ok(());
    }
    let payload = case.payload;
    let expected = || case.issuer.audiences.join(" or ");
    match &payload.audience {
        ListClaim::Absent if case.issuer.client_id_for_absent_audience => {
            let client = payload.client_id.map_or("", |text| payload.text(text));
            if !client.is_empty() && case.issuer.audiences.iter().any(|audience| audience == client) {
                return Ok(());
            }
            Err(VerifyError::mismatch(Kind::WrongAudience, "client_id in place of aud", &expected(), client))
        }
        ListClaim::Absent => {
            Err(VerifyError::new(Kind::WrongAudience, format!("aud: expected {}, found none", expected())))
        }
        ListClaim::Wrong => Err(VerifyError::new(Kind::WrongAudience, "aud is neither a string nor a list of strings")),
        found => {
            if payload.texts(found).any(|name| case.issuer.audiences.iter().any(|audience| audience == name)) {
                return Ok(());
            }
            let found: Vec<&str> = payload.texts(found).take(4).collect();
            Err(VerifyError::mismatch(Kind::WrongAudience, "aud", &expected(), &found.join(" ")))
        }
    }
}

fn expiry(case: &Case<'_>) -> Result<(), VerifyError> {
    let Some(expires) = case.payload.expires else {
        return Err(VerifyError::new(Kind::MissingClaim, "exp is absent; every token needs an expiry"));
    };
    if is_expired(expires, case.issuer.leeway, case.now) {
        let ago = case.now.saturating_since(expires).as_secs();
        return Err(VerifyError::new(
            Kind::Expired,
            format!("expired {ago} s ago, with {} s of leeway", case.issuer.leeway.as_secs()),
        ));
    }
    Ok(())
}

fn not_before(case: &Case<'_>) -> Result<(), VerifyError> {
    match case.payload.not_before {
        Some(at) if is_early(at, case.issuer.leeway, case.now) => {
            let ahead = at.saturating_since(case.now).as_secs();
            Err(VerifyError::new(
                Kind::NotYetValid,
                format!("valid in {ahead} s, with {} s of leeway", case.issuer.leeway.as_secs()),
            ))
        }
        _ => Ok(()),
    }
}

fn issued_at(case: &Case<'_>) -> Result<(), VerifyError> {
    let issued = case.payload.issued_at;
    if issued.is_some_and(|at| is_early(at, case.issuer.leeway, case.now)) {
        return Err(VerifyError::new(Kind::IssuedInFuture, "iat is in the future; compare clocks"));
    }
    let Some(max_age) = case.issuer.max_age else { return Ok(()) };
    let Some(issued) = issued else {
        return Err(VerifyError::new(Kind::MissingClaim, "iat is absent, and the policy bounds the token's age"));
    };
    if case.now > issued.saturating_add(max_age).saturating_add(case.issuer.leeway) {
        return Err(VerifyError::new(Kind::TooOld, format!("issued more than {} s ago", max_age.as_secs())));
    }
    Ok(())
}

fn lifetime(case: &Case<'_>) -> Result<(), VerifyError> {
    let payload = case.payload;
    let Some(expires) = payload.expires else { return Ok(()) };
    if payload.not_before.is_some_and(|start| expires <= start)
        || payload.issued_at.is_some_and(|start| expires <= start)
    {
        return Err(VerifyError::new(Kind::LifetimeTooLong, "exp is not after iat and nbf"));
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

fn required_claims(case: &Case<'_>) -> Result<(), VerifyError> {
    let payload = case.payload;
    let missing = |name: &str| Err(VerifyError::new(Kind::MissingClaim, format!("{name} is absent or empty")));
    if case.issuer.profile == Profile::AccessToken {
        if payload.issued_at.is_none() {
            return missing("iat");
        }
        for (name, claim) in [("sub", payload.subject), ("client_id", payload.client_id), ("jti", payload.token_id)] {
            if claim.is_none_or(|text| payload.text(text).is_empty()) {
                return missing(name);
            }
        }
    }
    for name in &case.issuer.required {
        let registered = match name.as_str() {
            "iss" | "aud" | "exp" => true, // always required, checked by other rules
            "sub" => payload.subject.is_some(),
            "jti" => payload.token_id.is_some(),
            "client_id" => payload.client_id.is_some(),
            "acr" => payload.acr.is_some(),
            "amr" => payload.amr != ListClaim::Absent,
            "iat" => payload.issued_at.is_some(),
            "nbf" => payload.not_before.is_some(),
            "auth_time" => payload.auth_time.is_some(),
            "scope" => payload.scope != ListClaim::Absent,
            "scp" => payload.scp != ListClaim::Absent,
            "act" => payload.actor.is_some(),
            other => payload.captured(case.claim_names, other).is_some(),
        };
        if !registered {
            return missing(name);
        }
    }
    for (name, value) in &case.issuer.required_values {
        match text_of(case, name) {
            None => return missing(name),
            Some(Ok(found)) if found == *value => {}
            Some(Ok(found)) => return Err(VerifyError::mismatch(Kind::WrongClaim, name, value, &found)),
            Some(Err(json)) => return Err(VerifyError::mismatch(Kind::WrongClaim, name, value, json)),
        }
    }
    Ok(())
}

/// A top-level claim that is a string; of another type, its JSON.
fn text_of<'c>(case: &Case<'c>, name: &str) -> Option<Result<Cow<'c, str>, &'c str>> {
    let payload = case.payload;
    let registered = match name {
        "sub" => payload.subject,
        "jti" => payload.token_id,
        "client_id" => payload.client_id,
        "acr" => payload.acr,
        _ => None,
    };
    if let Some(text) = registered {
        return Some(Ok(Cow::Borrowed(payload.text(text))));
    }
    let json = payload.captured(case.claim_names, name)?;
    Some(serde_json::from_str(json).map(Cow::Owned).map_err(|_| json))
}

fn subject(case: &Case<'_>) -> Result<(), VerifyError> {
    let payload = case.payload;
    let subject = payload.subject.map_or("", |text| payload.text(text));
    if case.issuer.refused_subject_prefixes.iter().any(|prefix| subject.starts_with(prefix.as_str())) {
        return Err(VerifyError::new(Kind::SubjectNotAllowed, "sub starts with a prefix that this issuer may not use"));
    }
    let is_others = |(prefix, owner): &(String, String)| subject.starts_with(prefix) && case.issuer.issuer() != owner;
    if case.reserved_subjects.iter().any(is_others) {
        return Err(VerifyError::new(
            Kind::SubjectNotAllowed,
            "sub starts with a prefix that is reserved for another issuer",
        ));
    }
    let client = payload.client_id.map_or("", |text| payload.text(text));
    let allowed = &case.issuer.allowed_clients;
    if !allowed.is_empty() && !allowed.iter().any(|name| name == client) {
        return Err(VerifyError::mismatch(Kind::SubjectNotAllowed, "client_id", "an allowed client", client));
    }
    Ok(())
}

/// Refuses tokens that are bound to a key: proofs of possession are not supported.
fn confirmation(case: &Case<'_>) -> Result<(), VerifyError> {
    if case.payload.has_confirmation {
        return Err(VerifyError::new(
            Kind::ProofRequired,
            "it is bound to a key (cnf) and cannot be used as a plain bearer token",
        ));
    }
    Ok(())
}
