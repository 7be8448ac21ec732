//! The header `WWW-Authenticate` (RFC 6750 §3, RFC 9470 §3, RFC 9728 §5.1).

use countersign_core::authz::Denial;
use http::HeaderValue;

use super::refusal::Refusal;

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

/// The challenge for this refusal: with every 401, and with a 400 or 403 that names an error.
pub(super) fn challenge(refusal: &Refusal, realm: &str, resource_metadata: Option<&str>) -> Option<HeaderValue> {
    let error = refusal.challenge_error();
    if error.is_none() && !matches!(refusal, Refusal::NoToken) {
        return None;
    }
    let mut text = format!("Bearer realm=\"{realm}\"");
    let mut add = |name: &str, value: &str| text.push_str(&format!(", {name}=\"{}\"", quotable(value)));
    if let Some(error) = error {
        add("error", error);
        add("error_description", refusal.title());
    }
    match refusal {
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
    if let Some(url) = resource_metadata {
        add("resource_metadata", url);
    }
    HeaderValue::from_str(&text).ok()
}
