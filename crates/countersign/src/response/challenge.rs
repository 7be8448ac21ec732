//! The header `WWW-Authenticate` (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3, RFC 9728 §5.1).

use countersign_core::authz::Denial;
use countersign_core::error::VerifyErrorKind;
use http::{HeaderMap, HeaderValue, header};

use super::refusal::Refusal;

/// The parameter that names the header with the refused token, if that is not the one of the challenge's scheme.
pub(crate) const HEADER: &str = "header";

/// Returns whether a challenge value can hold this text: one or more of `%x20-21 / %x23-5B / %x5D-7E`.
pub(crate) fn is_quotable(text: &str) -> bool {
    !text.is_empty() && text.chars().all(may_be_quoted)
}

fn quotable(text: &str) -> String {
    text.chars().filter(|character| may_be_quoted(*character)).collect()
}

fn may_be_quoted(character: char) -> bool {
    matches!(character, ' '..='!' | '#'..='[' | ']'..='~')
}

/// The content of the challenges of a layer.
pub(super) struct Offer<'o> {
    pub(super) realm: &'o str,
    pub(super) resource_metadata: Option<&'o str>,
    /// The algorithms of proofs, if the scheme `DPoP` is taken.
    pub(super) dpop: Option<&'o str>,
    /// The scopes that every request needs, with spaces between them.
    pub(super) scopes: Option<&'o str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Bearer,
    Dpop,
}

/// Returns whether a request was sent with the scheme `DPoP`.
pub(super) fn sent_dpop(request: &HeaderMap) -> bool {
    let line = request.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    line.and_then(|line| line.get(..5)).is_some_and(|start| start.eq_ignore_ascii_case(b"dpop "))
}

/// The challenges for this refusal: with every 401, and with a 400 or 403 that names an error.
pub(super) fn challenges(refusal: &Refusal, offer: &Offer<'_>, sent_dpop: bool) -> Vec<HeaderValue> {
    let has_error = refusal.challenge_error().is_some();
    let schemes: &[Scheme] = match (offer.dpop, refusal) {
        (None, _) if has_error || matches!(refusal, Refusal::NoToken) => &[Scheme::Bearer],
        (Some(_), Refusal::NoToken) => &[Scheme::Bearer, Scheme::Dpop],
        (Some(_), Refusal::Proof { .. } | Refusal::Denied(Denial::ProofRequired)) if has_error => &[Scheme::Dpop],
        (Some(_), _) if has_error && sent_dpop => &[Scheme::Dpop],
        // Another bearer token would not help.
        (Some(_), Refusal::Token(error)) if error.kind() == VerifyErrorKind::NotBound => &[Scheme::Dpop],
        // A token that is bound to a key is taken with its proof.
        (Some(_), Refusal::Token(_)) if has_error => &[Scheme::Bearer, Scheme::Dpop],
        (Some(_), _) if has_error => &[Scheme::Bearer],
        _ => &[],
    };
    let named = schemes.iter().enumerate();
    named.filter_map(|(index, scheme)| challenge(refusal, offer, *scheme, index == 0)).collect()
}

fn challenge(refusal: &Refusal, offer: &Offer<'_>, scheme: Scheme, names_error: bool) -> Option<HeaderValue> {
    let name = if scheme == Scheme::Dpop { "DPoP" } else { "Bearer" };
    let mut text = format!("{name} realm=\"{}\"", offer.realm);
    let mut add = |name: &str, value: &str| text.push_str(&format!(", {name}=\"{}\"", quotable(value)));
    if let Some(error) = refusal.challenge_error().filter(|_| names_error) {
        add("error", error);
        add("error_description", refusal.title());
    }
    if matches!(refusal, Refusal::Transaction(_) | Refusal::MalformedTransaction) {
        add(HEADER, "Txn-Token"); // the caller's own token is fine: another one would not help
    }
    match refusal {
        Refusal::NoToken | Refusal::Token(_) => {
            if let Some(scopes) = offer.scopes {
                add("scope", scopes);
            }
        }
        Refusal::Denied(Denial::Scopes(scopes)) => add("scope", &scopes.join(" ")),
        Refusal::Denied(Denial::StepUp { max_age, acr_values }) => {
            if !acr_values.is_empty() {
                add("acr_values", &acr_values.join(" "));
            }
            if let Some(max_age) = max_age {
                add("max_age", &max_age.as_secs().to_string());
            }
        }
        _ => {}
    }
    if let Some(algorithms) = offer.dpop.filter(|_| scheme == Scheme::Dpop) {
        add("algs", algorithms);
    }
    if let Some(url) = offer.resource_metadata {
        add("resource_metadata", url);
    }
    HeaderValue::from_str(&text).ok()
}
