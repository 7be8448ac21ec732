//! The description of what a token service refused: where, for which client, and what to do.

use countersign_core::integration::safe_text;
use reqwest::Url;

use crate::client::Credential;

/// The number of consecutive characters that a description may have in common with something secret.
const MAX_SHARED: usize = 5;

/// The advice about a proof that a service refuses.
const PROOF_REFUSED: &str = "the service does not take the proof: compare the clocks, this address with the one that it has of \
     itself, and the algorithm of the key with those that it supports";

/// The advice about a proof that a service demands.
const PROOF_MISSING: &str = "the service binds the tokens of this client to a key (DPoP): set dpop";

/// The longest part of a description that is compared, in characters. Less of it is shown.
const MAX_COMPARED: usize = 256;

/// The request that was refused.
pub(super) struct Refused<'a> {
    pub(super) endpoint: &'a Url,
    pub(super) client: Option<(&'a str, &'a Credential)>,
    pub(super) scopes: &'a [String],
    pub(super) is_exchange: bool,
    /// The request had a proof, so that the token is bound to a key.
    pub(super) is_bound: bool,
}

impl Refused<'_> {
    /// The end of the error's text. `code` is the OAuth code, and `description` is of the service and safe to print.
    pub(super) fn context(&self, code: Option<&str>, description: Option<&str>) -> String {
        let described = description.map(|text| format!(": \"{text}\"")).unwrap_or_default();
        // Without the query, which may hold a secret.
        let endpoint = format!("{}{}", self.endpoint.origin().ascii_serialization(), self.endpoint.path());
        let client = self.client.map(|(id, _)| format!(" by client \"{}\"", safe_text(id))).unwrap_or_default();
        let fix = code.and_then(|code| self.fix(code, description)).map(|fix| format!("; {fix}")).unwrap_or_default();
        format!("{described}; asked at {}{client}{fix}", cut(&endpoint))
    }

    fn fix(&self, code: &str, description: Option<&str>) -> Option<String> {
        // Services have several codes for what is wrong with a proof.
        if description.is_some_and(|text| text.to_ascii_lowercase().contains("dpop")) && code != "use_dpop_nonce" {
            return Some(if self.is_bound { PROOF_REFUSED } else { PROOF_MISSING }.to_owned());
        }
        let grant = if self.is_exchange { "token exchange" } else { "this grant" };
        Some(match code {
            "invalid_client" => {
                let credential =
                    self.client.map_or_else(|| "credential".to_owned(), |(_, credential)| credential.in_words());
                format!("compare the client's id and its {credential} with those at the token service")
            }
            "unauthorized_client" => format!("allow the client {grant} at the token service"),
            "unsupported_grant_type" => format!("enable {grant} at the token service, if it has it"),
            "invalid_grant" if self.is_exchange => {
                "the service does not take the caller's token: is it for this client, and from this issuer?".to_owned()
            }
            "invalid_grant" => {
                "the service does not take the assertion: compare its issuer, audience and times".to_owned()
            }
            "invalid_scope" if self.scopes.is_empty() => "name the scopes to request".to_owned(),
            "invalid_scope" => {
                let scopes = safe_text(&self.scopes.join(" "));
                format!("allow the client these scopes, or request others: {scopes}")
            }
            "invalid_target" => "the service does not know the audience or resource, or not for this client".to_owned(),
            "use_dpop_nonce" => "the service demands a nonce in the proof, and gave no usable one".to_owned(),
            "invalid_dpop_proof" => PROOF_REFUSED.to_owned(),
            "invalid_request" => "a parameter is missing or too many: audience, resource or scope".to_owned(),
            _ => return None,
        })
    }
}

/// A service's description of an error, escaped and short; `None` if it repeats a part of something secret.
///
/// A service may put what it received into the description.
pub(super) fn description<'s>(text: &str, mut secrets: impl Iterator<Item = &'s str>) -> Option<String> {
    let compared: String = text.chars().take(MAX_COMPARED).collect::<String>().to_ascii_lowercase();
    let repeats = secrets.any(|secret| repeats(&compared, &secret.to_ascii_lowercase()));
    (!text.trim().is_empty() && !repeats).then(|| safe_text(text.trim()))
}

/// Returns whether `text` has more than a few consecutive characters of `secret`, or all of them.
fn repeats(text: &str, secret: &str) -> bool {
    let secret: Vec<char> = secret.chars().collect();
    let length = secret.len().min(MAX_SHARED + 1);
    length > 0 && secret.windows(length).any(|part| text.contains(&part.iter().collect::<String>()))
}

fn cut(endpoint: &str) -> String {
    /// The longest address shown, in characters.
    const MAX_SHOWN: usize = 200;
    endpoint.chars().take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s10_01_a_description_that_repeats_a_part_of_a_secret_is_not_shown() {
        let secrets = || ["s3cret-value", "Basic b3JkZXJzOnMzY3JldA==", "pin"].into_iter();
        for shown in ["AADSTS7000215: Invalid client secret provided", "unknown client", "a pi and an n"] {
            assert_eq!(description(shown, secrets()).as_deref(), Some(shown));
        }
        for hidden in ["got s3cret-value", "S3CRET", "ret-value is wrong", "b3JkZXJz", "your PIN", "", " "] {
            assert_eq!(description(hidden, secrets()), None, "{hidden}");
        }
        let long = format!("{} s3cret-value", "x".repeat(300));
        let shown = description(&long, secrets()).expect("cut before it");
        assert!(shown.chars().count() <= 65 && !shown.contains('s'), "{shown}");
        assert_eq!(description("a\u{1b}[31m\nb", secrets()).as_deref(), Some("a\\u{1b}[31m\\nb"));
        let at_the_cut = format!("{} s3cret-value", "x".repeat(60));
        assert_eq!(description(&at_the_cut, secrets()), None, "a part of it would be shown");
    }
}
