//! The values that a check compares, for reports.

use std::sync::Arc;
use std::time::Duration;

use super::explain::shown;
use super::verifier::Verifier;
use crate::clock::UnixTime;
use crate::key::VerifyingKey;
use crate::policy::{Profile, TrustedIssuer};
use crate::token::{Header, ListClaim, Payload, Text};

/// The expected and the actual value, each if it fits on one line.
type Compared = (Option<String>, Option<String>);

/// The number of list items shown.
const SHOWN: usize = 4;

pub(super) fn issuer(verifier: &Verifier, payload: Option<&Payload>) -> Compared {
    let trusted = verifier.issuers().map(|issuer| issuer.issuer().to_owned());
    (Some(some_of(trusted)), payload.map(|payload| text(payload, payload.issuer)))
}

pub(super) fn key(header: Option<&Header>, keys: Option<&[&Arc<VerifyingKey>]>) -> Compared {
    let Some(header) = header else { return (None, None) };
    let expected = match (&header.key_id, header.algorithm) {
        (Some(key_id), Some(algorithm)) => Some(format!("{} for {algorithm}", shown(key_id))),
        (Some(key_id), None) => Some(shown(key_id)),
        (None, Some(algorithm)) => Some(format!("one key for {algorithm}")),
        (None, None) => None,
    };
    (expected, keys.map(|keys| some_of(keys.iter().map(|key| key.thumbprint().to_owned()))))
}

/// The values of the rule named `name`.
pub(super) fn rule(
    name: &str,
    header: Option<&Header>,
    payload: Option<&Payload>,
    issuer: &TrustedIssuer,
    now: UnixTime,
) -> Compared {
    match (name, header, payload) {
        ("algorithm", Some(header), _) => {
            let expected = some_of(issuer.algorithms.iter().map(|algorithm| algorithm.name().to_owned()));
            let found = header.algorithm.map_or_else(|| format!("\"{}\"", header.algorithm_name), |a| a.to_string());
            (Some(expected), Some(found))
        }
        ("type", Some(header), _) => {
            let expected = issuer.expected_types();
            let found = match &header.token_type {
                crate::token::TokenType::Other(name) => shown(name),
                named => named.name().to_owned(),
            };
            (Some(expected), Some(found))
        }
        (_, _, Some(payload)) => claims_rule(name, payload, issuer, now),
        _ => (None, None),
    }
}

fn claims_rule(name: &str, payload: &Payload, issuer: &TrustedIssuer, now: UnixTime) -> Compared {
    let leeway = issuer.leeway;
    match name {
        "kind" => {
            let expected = issuer.refuses_id_tokens().then(|| "no nonce, at_hash or c_hash".to_owned());
            (expected, payload.has_id_token_claims.then(|| "one of them".to_owned()))
        }
        "audience" => {
            let expected = match issuer.any_audience {
                true => "any audience (danger)".to_owned(),
                false => some_of(issuer.audiences.iter().cloned()),
            };
            (Some(expected), Some(list(payload, &payload.audience)))
        }
        "expiry" => {
            let earliest = now.saturating_sub(leeway);
            (Some(format!("exp after {}", earliest.as_secs())), Some(time(payload.expires)))
        }
        "not before" => {
            let latest = now.saturating_add(leeway);
            (Some(format!("nbf absent or at most {}", latest.as_secs())), Some(time(payload.not_before)))
        }
        "issued at" => {
            let latest = now.saturating_add(leeway).as_secs();
            let expected = match issuer.max_age {
                None => format!("iat absent or at most {latest}"),
                Some(age) => {
                    format!("iat from {} to {latest}", now.saturating_sub(age).saturating_sub(leeway).as_secs())
                }
            };
            (Some(expected), Some(time(payload.issued_at)))
        }
        "lifetime" => {
            let expected = issuer.lifetime_bound().map_or("positive".to_owned(), at_most);
            let life = payload.expires.zip(payload.issued_at).map(|(end, start)| end.saturating_since(start));
            (Some(expected), Some(life.map_or("unknown".to_owned(), |life| format!("{} s", life.as_secs()))))
        }
        "required claims" => {
            let of_profile: &[&str] = match issuer.profile {
                Profile::AccessToken => &["iat", "sub", "client_id", "jti"],
                _ => &[],
            };
            let values = issuer.required_values.iter().map(|(name, value)| format!("{name} {}", shown(value)));
            let names = of_profile.iter().map(|&name| name.to_owned()).chain(issuer.required.iter().cloned());
            let names = names.chain(values);
            (Some(some_of(names)), None)
        }
        "subject" => {
            let prefixes = &issuer.refused_subject_prefixes;
            let mut expected = Vec::new();
            if !prefixes.is_empty() {
                expected.push(format!("sub not beginning with {}", some_of(prefixes.iter().cloned())));
            }
            if !issuer.allowed_clients.is_empty() {
                expected.push(format!("client_id {}", some_of(issuer.allowed_clients.iter().cloned())));
            }
            let found = format!("{}, client {}", text(payload, payload.subject), text(payload, payload.client_id));
            (Some(expected.join("; ")).filter(|rules| !rules.is_empty()), Some(found))
        }
        "proof of possession" => {
            let found = if payload.has_confirmation { "cnf" } else { "no cnf" };
            (Some("no cnf".to_owned()), Some(found.to_owned()))
        }
        _ => (None, None),
    }
}

fn at_most(bound: Duration) -> String {
    format!("at most {} s", bound.as_secs())
}

fn time(time: Option<UnixTime>) -> String {
    time.map_or("nothing".to_owned(), |time| time.as_secs().to_string())
}

fn text(payload: &Payload, claim: Option<Text>) -> String {
    claim.map_or("nothing".to_owned(), |text| shown(payload.text(text)))
}

fn list(payload: &Payload, claim: &ListClaim) -> String {
    match claim {
        ListClaim::Absent => "nothing".to_owned(),
        ListClaim::Wrong => "neither a string nor a list of strings".to_owned(),
        found => some_of(payload.texts(found).map(shown)),
    }
}

/// The first few, and how many more there are.
fn some_of(mut items: impl Iterator<Item = String>) -> String {
    let first: Vec<String> = items.by_ref().take(SHOWN).collect();
    match (first.is_empty(), items.count()) {
        (true, _) => "none".to_owned(),
        (false, 0) => first.join(", "),
        (false, more) => format!("{} and {more} more", first.join(", ")),
    }
}
