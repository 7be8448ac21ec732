//! The rules for claims other than times.

use std::borrow::Cow;

use super::super::binding::{Binding, Possession};
use super::super::compared::{Compared, list, quoted, some_of, text};
use super::names::{NAMING_MEMBERS, refused_member};
use super::rule::{Case, Rule};
use super::transaction;
use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::policy::Profile;
use crate::policy::spiffe::{domain_of_id, trust_domain_id};
use crate::token::{ListClaim, Payload, RegisteredClaim, Text, TokenKind, TokenKinds, TokenType};

pub(super) const KIND: Rule = Rule::Claims { name: "kind", decide: kind, compare: compare_kind };

/// Refuses tokens whose claims declare another kind than the policy accepts, such as ID tokens and logout tokens.
#[inline]
fn kind(case: &Case<'_>) -> Result<(), VerifyError> {
    if let Some(other) = other_kind(case) {
        let is_id = matches!(other, TokenKind::Id | TokenKind::WithNonce);
        let kind = if is_id { Kind::IdToken } else { Kind::WrongType };
        let remedy = match other == TokenKind::Access && case.issuer.takes_only_id_tokens(case.token_type) {
            true => ": JWT as the only type stands for ID tokens, and the compatible profile accepts access tokens",
            false => "",
        };
        let detail = format!("its claims declare {}, which the policy does not accept{remedy}", other.name());
        return Err(VerifyError::new(kind, detail));
    }
    let Some((name, values)) = case.issuer.kind_claim.as_ref().filter(|_| !case.issuer.takes_any_type()) else {
        return Ok(());
    };
    let Some(found) = text_of(case, name) else {
        let expected = values.join(" or ");
        let detail = format!("the claim {name} is absent; expected {expected}");
        return Err(VerifyError::new(Kind::WrongType, detail));
    };
    let found = found.unwrap_or_else(Cow::Borrowed);
    match values.iter().any(|value| *value == found) {
        true => Ok(()),
        false => Err(VerifyError::mismatch(Kind::WrongType, name, &values.join(" or "), &found)),
    }
}

/// The first kind that the claims declare and the policy does not accept.
fn other_kind(case: &Case<'_>) -> Option<TokenKind> {
    let payload = case.payload;
    let names = |text: Option<Text>| text.is_some_and(|text| !payload.text(text).is_empty());
    let declared = payload.declared_kinds.kinds(names(payload.subject), names(payload.client_id));
    let id_token = TokenKinds::one(TokenKind::Id).and(TokenKind::WithNonce);
    if case.issuer.takes_only_id_tokens(case.token_type) && !declared.has_any(id_token) && has_access_claims(payload) {
        return Some(TokenKind::Access);
    }
    let declared = declared.beyond(case.issuer.permitted_kinds(case.token_type));
    declared.or_else(|| {
        // A client assertion names its author twice, and an untyped one has no other mark (RFC 7523 §3).
        let is_untyped = matches!(case.token_type, TokenType::Absent | TokenType::Jwt);
        let is_own = || payload.subject.zip(payload.issuer).is_some_and(|(a, b)| payload.text(a) == payload.text(b));
        let is_assertion = is_untyped && is_own() && client(case).is_ok_and(|client| client.is_none());
        (is_assertion && !case.issuer.takes_client_assertions()).then_some(TokenKind::ClientAssertion)
    })
}

/// Returns whether a claim is there that belongs into access tokens (RFC 9068 §2.2), or that only theirs have.
fn has_access_claims(payload: &Payload) -> bool {
    let has_scope = payload.scope != ListClaim::Absent || payload.scp != ListClaim::Absent;
    has_scope || payload.client_id.is_some() || payload.declared_kinds.is_like_access()
}

/// The client of the token, read by the issuer's mapping.
#[inline]
fn client<'c>(case: &Case<'c>) -> Result<Option<Cow<'c, str>>, VerifyError> {
    case.issuer.authorities.client(case.payload, case.claim_names)
}

fn compare_kind(case: &Case<'_>) -> Compared {
    Compared {
        expected: Some("claims of no other kind of token".to_owned()),
        found: other_kind(case).map(|other| format!("those of {}", other.name())),
    }
}

pub(super) const AUDIENCE: Rule = Rule::Claims { name: "audience", decide: audience, compare: compare_audience };

fn audience(case: &Case<'_>) -> Result<(), VerifyError> {
    if case.issuer.any_audience {
        return Ok(());
    }
    let payload = case.payload;
    let expected = || case.issuer.audiences.join(" or ");
    match &payload.audience {
        ListClaim::Absent if case.issuer.client_id_for_absent_audience => {
            let client = client(case)?.unwrap_or_default();
            let is_known = !case.issuer.authorities.is_client_elsewhere(|name| payload.is_elsewhere(name));
            if is_known && !client.is_empty() && case.issuer.audiences.iter().any(|audience| *audience == client) {
                return Ok(());
            }
            Err(VerifyError::mismatch(Kind::WrongAudience, "client_id in place of aud", &expected(), &client))
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

fn compare_audience(case: &Case<'_>) -> Compared {
    let expected = match case.issuer.any_audience {
        true => "any audience (danger)".to_owned(),
        false => some_of(case.issuer.audiences.iter().cloned()),
    };
    Compared::new(expected, list(case.payload, &case.payload.audience))
}

pub(super) const REQUIRED_CLAIMS: Rule =
    Rule::Claims { name: "required claims", decide: required_claims, compare: compare_required_claims };

fn required_claims(case: &Case<'_>) -> Result<(), VerifyError> {
    transaction::required(case)?;
    let payload = case.payload;
    let missing = |name: &str| Err(VerifyError::new(Kind::MissingClaim, format!("{name} is absent or empty")));
    if case.issuer.profile == Profile::AccessToken {
        if payload.issued_at.is_none() {
            return missing("iat");
        }
        for (name, claim) in [("sub", payload.subject), ("jti", payload.token_id)] {
            if claim.is_none_or(|text| payload.text(text).is_empty()) {
                return missing(name);
            }
        }
    }
    if case.issuer.requires_client(case.token_type) && client(case)?.is_none_or(|client| client.is_empty()) {
        return missing(&case.issuer.authorities.client_claims());
    }
    for name in &case.issuer.required {
        let is_present = match RegisteredClaim::from_name(name) {
            // always required, checked by other rules
            Some(RegisteredClaim::Issuer | RegisteredClaim::Audience | RegisteredClaim::Expires) => true,
            registered => registered
                .and_then(|claim| payload.has(claim))
                .unwrap_or_else(|| payload.captured(case.claim_names, name).is_some_and(|json| json != "null")),
        };
        if !is_present {
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
    for (name, values) in &case.issuer.allowed_values {
        let wrong =
            |found: &str| Err(VerifyError::mismatch(Kind::WrongClaim, name, "one of the allowed values", found));
        match text_of(case, name) {
            None => return missing(name),
            Some(Ok(found)) if values.iter().any(|value| *value == found) => {}
            Some(Ok(found)) => return wrong(&found),
            Some(Err(json)) => return wrong(json),
        }
    }
    Ok(())
}

fn compare_required_claims(case: &Case<'_>) -> Compared {
    let of_profile: &[&str] = match case.issuer.profile {
        _ if case.issuer.transactions.is_some() => &transaction::REQUIRED,
        Profile::AccessToken => &["iat", "sub", "jti"],
        _ => &[],
    };
    let client = case.issuer.requires_client(case.token_type).then(|| case.issuer.authorities.client_claims());
    let values = case.issuer.required_values.iter().map(|(name, value)| format!("{name} {}", quoted(value)));
    let names =
        of_profile.iter().map(|&name| name.to_owned()).chain(client).chain(case.issuer.required.iter().cloned());
    Compared { expected: Some(some_of(names.chain(values))), found: None }
}

/// A top-level claim that is a string; of another type, its JSON.
fn text_of<'c>(case: &Case<'c>, name: &str) -> Option<Result<Cow<'c, str>, &'c str>> {
    let payload = case.payload;
    if let Some(text) = RegisteredClaim::from_name(name).and_then(|claim| payload.text_claim(claim)) {
        return Some(Ok(Cow::Borrowed(text)));
    }
    let json = payload.captured(case.claim_names, name)?;
    Some(serde_json::from_str(json).map(Cow::Owned).map_err(|_| json))
}

pub(super) const SUBJECT: Rule = Rule::Claims { name: "subject", decide: subject, compare: compare_subject };

fn subject(case: &Case<'_>) -> Result<(), VerifyError> {
    let payload = case.payload;
    let starts_with = |prefixes: &[String], name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()));
    let is_others = |(_, owner): &&(String, String)| case.issuer.issuer() != owner;
    let reserved = case.reserved_subjects.iter().filter(is_others);
    if !case.issuer.refused_subject_prefixes.is_empty() || reserved.clone().next().is_some() {
        let is_refused = |name: &str| starts_with(&case.issuer.refused_subject_prefixes, name);
        if let Some(member) = refused_member(payload, &is_refused) {
            let detail = format!("{member} starts with a prefix that this issuer may not use");
            return Err(VerifyError::new(Kind::SubjectNotAllowed, detail));
        }
        let is_reserved = |name: &str| reserved.clone().any(|(prefix, _)| name.starts_with(prefix.as_str()));
        if let Some(member) = refused_member(payload, &is_reserved) {
            let detail = format!("{member} starts with a prefix that is reserved for another issuer");
            return Err(VerifyError::new(Kind::SubjectNotAllowed, detail));
        }
        if let Some(member) = NAMING_MEMBERS.into_iter().find(|member| payload.is_elsewhere(member)) {
            let detail =
                format!("{member} is not in the token, which says that it is elsewhere; its prefix is unknown");
            return Err(VerifyError::new(Kind::SubjectNotAllowed, detail));
        }
    }
    if let Some(domain) = &case.issuer.trust_domain {
        let subject = payload.subject.map_or("", |text| payload.text(text));
        if trust_domain_id(subject).and_then(domain_of_id) != Some(domain) {
            let expected = format!("the SPIFFE ID of a workload in trust domain {domain}");
            return Err(VerifyError::mismatch(Kind::SubjectNotAllowed, "sub", &expected, subject));
        }
    }
    let client = client(case)?.unwrap_or_default();
    let is_others_client = |(prefix, _): &(String, String)| client.starts_with(prefix.as_str());
    if starts_with(&case.issuer.refused_subject_prefixes, &client) || reserved.clone().any(is_others_client) {
        let detail = "the client starts with a prefix that this issuer may not use";
        return Err(VerifyError::new(Kind::SubjectNotAllowed, detail));
    }
    let allowed = &case.issuer.allowed_clients;
    if !allowed.is_empty() && case.issuer.authorities.is_client_elsewhere(|name| payload.is_elsewhere(name)) {
        let claims = case.issuer.authorities.client_claims();
        return Err(VerifyError::new(
            Kind::SubjectNotAllowed,
            format!("{claims}: not in the token, which says that it is elsewhere"),
        ));
    }
    if !allowed.is_empty() && !allowed.iter().any(|name| *name == client) {
        let claims = case.issuer.authorities.client_claims();
        return Err(VerifyError::mismatch(Kind::SubjectNotAllowed, &claims, "an allowed client", &client));
    }
    Ok(())
}

fn compare_subject(case: &Case<'_>) -> Compared {
    let (payload, issuer) = (case.payload, case.issuer);
    let mut expected = Vec::new();
    if !issuer.refused_subject_prefixes.is_empty() {
        let prefixes = some_of(issuer.refused_subject_prefixes.iter().cloned());
        expected.push(format!("sub not beginning with {prefixes}"));
    }
    if let Some(domain) = &issuer.trust_domain {
        expected.push(format!("sub a SPIFFE ID of {}", quoted(domain)));
    }
    if !issuer.allowed_clients.is_empty() {
        expected.push(format!(
            "{} {}",
            issuer.authorities.client_claims(),
            some_of(issuer.allowed_clients.iter().cloned())
        ));
    }
    let client = client(case).ok().flatten().map_or("nothing".to_owned(), |client| quoted(&client));
    let found = format!("{}, client {client}", text(payload, payload.subject));
    Compared { expected: Some(expected.join("; ")).filter(|rules| !rules.is_empty()), found: Some(found) }
}

pub(super) const PROOF_OF_POSSESSION: Rule =
    Rule::Claims { name: "proof of possession", decide: confirmation, compare: compare_confirmation };

/// Checks that the sender possesses what the token is bound to.
fn confirmation(case: &Case<'_>) -> Result<(), VerifyError> {
    match Binding::of(case.payload)? {
        Some(binding) => case.possession.check(&binding),
        None if case.issuer.proof_required => {
            let detail = "it is not bound to a key (cnf), and the policy of its issuer demands that";
            Err(VerifyError::new(Kind::NotBound, detail))
        }
        None => case.possession.check_unbound(),
    }
}

fn compare_confirmation(case: &Case<'_>) -> Compared {
    let expected = match Binding::of(case.payload) {
        Ok(None) if case.issuer.proof_required => "cnf",
        Ok(None) => "no cnf",
        Ok(Some(binding)) => Possession::of(Some(&binding)).words(),
        Err(_) => "cnf with jkt or x5t#S256",
    };
    let found = match (case.payload.confirmation, Binding::of(case.payload)) {
        (None, _) => "no cnf".to_owned(),
        (Some(_), Ok(Some(binding))) => format!("cnf with {}; {}", binding.names(), case.possession.words()),
        (Some(json), _) => format!("cnf {}; {}", quoted(case.payload.text(json)), case.possession.words()),
    };
    Compared::new(expected, found)
}
