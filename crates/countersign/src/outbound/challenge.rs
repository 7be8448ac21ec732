//! The challenge of a 401 (RFC 6750 §3, RFC 9449 §7.1, RFC 9470), read as untrusted input.

use std::time::Duration;

use countersign_core::integration::safe_text;
use http::{HeaderMap, header};

use crate::response::HEADER;

/// The longest `WWW-Authenticate` value read, in bytes. Longer ones are ignored.
const MAX_CHALLENGE_BYTES: usize = 8 * 1024;

/// The stronger or fresher authentication of the user that a service requires (RFC 9470 §3).
///
/// ```
/// use countersign::outbound::{OutboundError, StepUpChallenge};
///
/// fn login_hint(error: &OutboundError) -> Option<String> {
///     error.required_step_up().map(|required: &StepUpChallenge| required.acr_values.join(" "))
/// }
/// # let _ = login_hint;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepUpChallenge {
    /// The accepted authentication contexts, best first, escaped and shortened.
    pub acr_values: Vec<String>,
    /// The longest time since the user authenticated.
    pub max_age: Option<Duration>,
}

/// Returns whether a refusal with these headers demands a nonce in the proof of a bound token (RFC 9449 §9).
///
/// The next request has the nonce. [`Outbound`](super::Outbound), the middleware and
/// [`RepeatOnNonceLayer`](super::RepeatOnNonceLayer) send it at once, around tonic's channel too. Without that layer, repeat a call of
/// tonic once: `status.metadata().clone().into_headers()` has the headers.
///
/// ```
/// use countersign::outbound::demands_nonce;
/// use http::{HeaderMap, HeaderValue, header};
///
/// let challenge = HeaderValue::from_static(r#"DPoP error="use_dpop_nonce", algs="ES256""#);
/// assert!(demands_nonce(&HeaderMap::from_iter([(header::WWW_AUTHENTICATE, challenge)])));
/// assert!(!demands_nonce(&HeaderMap::new()));
/// ```
#[must_use]
pub fn demands_nonce(headers: &HeaderMap) -> bool {
    Challenge::from_headers(headers, true) == Challenge::NonceRequired
}

/// The consequence of a challenge for the token that was sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// `invalid_token`, or no reason: another token may be accepted.
    InvalidToken,
    /// `insufficient_user_authentication`: only the user can help.
    StepUp(StepUpChallenge),
    /// `use_dpop_nonce`: the proof lacks a nonce, or has an old one.
    NonceRequired,
    /// Any other reason: another token of the same source does not help.
    Other,
}

impl Challenge {
    /// Reads the challenge for a token of the scheme `DPoP` if it is bound to a key, and of `Bearer` otherwise.
    ///
    /// A service that does not know `DPoP` states its reason for `Bearer`, which then counts for a bound token too.
    pub(super) fn from_headers(headers: &HeaderMap, is_bound: bool) -> Self {
        let of_scheme = |scheme| challenge_parameters(headers, scheme);
        let mut parameters = if is_bound { of_scheme("DPoP") } else { Vec::new() };
        if parameters.is_empty() {
            parameters = of_scheme("Bearer");
        }
        let of = |parameter: &str| {
            parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case(parameter)).map(|(_, value)| value)
        };
        match of("error").map(String::as_str) {
            // The transaction token was refused, which no token of this source replaces.
            Some("invalid_token") if of(HEADER).is_some() => Challenge::Other,
            None | Some("invalid_token") => Challenge::InvalidToken,
            Some("use_dpop_nonce") if is_bound => Challenge::NonceRequired,
            Some("insufficient_user_authentication") => Challenge::StepUp(StepUpChallenge {
                acr_values: of("acr_values").map_or(Vec::new(), |values| values.split(' ').map(safe_text).collect()),
                max_age: of("max_age").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs),
            }),
            Some(_) => Challenge::Other,
        }
    }
}

/// The parameters of all challenges of `scheme`, in order. Values over 8 KiB are ignored.
#[must_use]
pub fn challenge_parameters(headers: &HeaderMap, scheme: &str) -> Vec<(String, String)> {
    let values = headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let short = values.filter(|value| value.len() <= MAX_CHALLENGE_BYTES);
    short.flat_map(|value| parameters(value, scheme)).collect()
}

/// The parameters of the challenges of `scheme` in one header value. It skips what it cannot read.
fn parameters(value: &str, scheme: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut in_scheme = false;
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, after) = split_token(rest);
        if word.is_empty() {
            match rest.chars().next() {
                None => return found,
                Some(odd) => rest = &rest[odd.len_utf8()..],
            }
            continue;
        }
        match after.trim_start().strip_prefix('=') {
            None => {
                in_scheme = word.eq_ignore_ascii_case(scheme);
                rest = after;
            }
            Some(after) => {
                let (value, after) = split_value(after.trim_start());
                if in_scheme {
                    found.push((word.to_owned(), value));
                }
                rest = after;
            }
        }
    }
}

fn split_token(text: &str) -> (&str, &str) {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/:".contains(c);
    text.split_at(text.find(|c| !is_token(c)).unwrap_or(text.len()))
}

/// A token or a quoted string, unescaped.
fn split_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, rest) = split_token(text);
        return (token.to_owned(), rest);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, character)) = chars.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]), // after an ASCII quote: a boundary
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => value.push(character),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&'static str]) -> Challenge {
        let headers = values.iter().map(|value| (header::WWW_AUTHENTICATE, value.parse().expect("a value")));
        Challenge::from_headers(&headers.collect(), false)
    }

    #[test]
    fn s7_21_a_bound_token_has_the_challenge_of_its_scheme() {
        let of = |values: &[&'static str]| {
            let headers = values.iter().map(|value| (header::WWW_AUTHENTICATE, value.parse().expect("a value")));
            Challenge::from_headers(&headers.collect(), true)
        };
        for demanded in [
            r#"DPoP error="use_dpop_nonce""#,
            r#"Bearer error="invalid_token", dpop algs="ES256 PS256", error="use_dpop_nonce""#,
        ] {
            assert_eq!(of(&[demanded]), Challenge::NonceRequired, "{demanded}");
        }
        assert_eq!(of(&["Bearer", r#"DPoP error="use_dpop_nonce""#]), Challenge::NonceRequired);
        let proof_refused = [r#"Bearer error="invalid_token""#, r#"DPoP algs="ES256", error="invalid_dpop_proof""#];
        assert_eq!(of(&proof_refused), Challenge::Other, "another token does not help");
        assert_eq!(of(&[r#"DPoP error="invalid_token", algs="ES256""#]), Challenge::InvalidToken);
        assert_eq!(of(&[r#"Bearer error="insufficient_scope""#]), Challenge::Other);
        assert_eq!(of(&[]), Challenge::InvalidToken);
        let unbound = [(header::WWW_AUTHENTICATE, r#"Bearer error="use_dpop_nonce""#.parse().expect("a value"))];
        assert_eq!(Challenge::from_headers(&unbound.into_iter().collect(), false), Challenge::Other);
    }

    #[test]
    fn s7_20_challenges_are_read_in_every_spelling() {
        for renew in [
            &[][..],
            &["Bearer"],
            &["bearer error = invalid_token"],
            &[r#"Basic realm="error=\"x\", Bearer", Bearer realm="a, b", error="invalid_token""#],
            &["Basic abc==", r#"Bearer error="invalid_token""#],
            &[r#"Digest error="insufficient_scope""#],
        ] {
            assert_eq!(of(renew), Challenge::InvalidToken, "{renew:?}");
        }
        for other in [
            r#"Bearer error="insufficient_scope", scope="a""#,
            r#"Bearer realm="x",error="invalid_request""#,
            r#"Negotiate abc==, Bearer error="insufficient_scope""#,
            r#"Bearer realm="x" error="insufficient_scope""#,
        ] {
            assert_eq!(of(&[other]), Challenge::Other, "{other}");
        }
        let step_up = r#"Bearer error="insufficient_user_authentication", acr_values="gold silver", max_age="60""#;
        let expected = StepUpChallenge {
            acr_values: vec!["gold".into(), "silver".into()],
            max_age: Some(Duration::from_secs(60)),
        };
        assert_eq!(of(&[step_up]), Challenge::StepUp(expected));
    }

    #[test]
    fn unfinished_and_odd_challenges_end() {
        for odd in ["Bearer error=\"", "Bearer error=\"a\\", "=,=;\"\"", "Bearer ===", "\"", "Bearer error"] {
            let _ = parameters(odd, "bearer");
        }
    }
}
