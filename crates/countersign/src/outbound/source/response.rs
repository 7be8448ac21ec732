//! Token responses (RFC 6749 §5, RFC 8693 §2.2), accepted only if complete.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::mint::Signer;
use countersign_core::secret::Secret;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::token::OutboundToken;
use crate::fetch::FetchedResponse;
use crate::outbound::error::{OutboundError, OutboundErrorKind};
use crate::refresh::RefreshPolicy;

/// The longest error code repeated. Those of RFC 6749, 8693 and 8707 have at most 25 letters.
const MAX_CODE_BYTES: usize = 40;

/// The kinds of token that may be sent to a service (RFC 8693 §3). An ID token or a refresh token may not.
const ACCESS_TOKENS: [&str; 2] =
    ["urn:ietf:params:oauth:token-type:access_token", "urn:ietf:params:oauth:token-type:jwt"];

/// The problem of a token that is not bound, and its fix.
const NOT_BOUND: &str = "the token service issued a Bearer token, which is not bound to the key; enable DPoP for the client \
     there, leave out dpop, or accept_bearer_tokens";

#[derive(Deserialize)]
struct Granted {
    access_token: Secreted,
    token_type: String,
    expires_in: Option<Value>,
    scope: Option<String>,
    issued_token_type: Option<String>,
}

#[derive(Deserialize)]
struct Denied {
    error: String,
    error_description: Option<String>,
}

/// Deserializes directly into a hidden value.
struct Secreted(Secret<String>);

impl<'de> Deserialize<'de> for Secreted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|value| Secreted(Secret::new(value)))
    }
}

/// The requirements on a token response.
pub(super) struct Expected<'a> {
    /// An exchange must state `issued_token_type`.
    pub(super) is_exchange: bool,
    /// The key that the token must be bound to, if a proof was sent.
    pub(super) signer: Option<&'a Arc<Signer>>,
    /// A token that is not bound to the key is accepted too.
    pub(super) accepts_bearer: bool,
    pub(super) policy: &'a RefreshPolicy,
}

/// The token in a response, with its lifetime within the policy.
///
/// `on_unreadable_lifetime` is called if the response states a lifetime that cannot be read.
pub(super) fn token_in(
    answer: &FetchedResponse,
    expected: &Expected<'_>,
    on_unreadable_lifetime: impl FnOnce(),
) -> Result<OutboundToken, OutboundError> {
    if answer.status != StatusCode::OK {
        return Err(failure_of(answer));
    }
    let granted: Granted = object(&answer.body).ok_or_else(|| {
        OutboundError::refused("the token response is not a JSON object with access_token and token_type")
    })?;
    match granted.issued_token_type.as_deref() {
        None | Some("") if expected.is_exchange => {
            return Err(OutboundError::refused("the exchange response lacks issued_token_type"));
        }
        Some(kind) if !kind.is_empty() && !ACCESS_TOKENS.contains(&kind) => {
            return Err(OutboundError::refused("the token response has another kind of token than an access token"));
        }
        _ => {}
    }
    // `N_A` and proof-of-possession tokens must not be sent as `Bearer`, nor unbound ones as `DPoP`.
    let is_of = |scheme: &str| granted.token_type.eq_ignore_ascii_case(scheme);
    let signer = match expected.signer {
        Some(signer) if is_of("DPoP") => Some(signer),
        Some(_) if is_of("Bearer") && expected.accepts_bearer => None,
        Some(_) if is_of("Bearer") => {
            return Err(OutboundError::new(OutboundErrorKind::TokenNotBound, NOT_BOUND));
        }
        Some(_) => return Err(OutboundError::refused("the token response has a token_type other than DPoP")),
        None if is_of("Bearer") => None,
        None => return Err(OutboundError::refused("the token response has a token_type other than Bearer")),
    };
    let stated = granted.expires_in.as_ref().map_or(Some(Stated::Absent), seconds).unwrap_or_else(|| {
        on_unreadable_lifetime();
        Stated::Absent
    });
    let lifetime = match stated {
        Stated::Absent => expected.policy.default_lifetime,
        Stated::Seconds(seconds) => Duration::from_secs(seconds).min(expected.policy.max_lifetime),
    };
    let (value, lifetime) = (&granted.access_token.0, Some(lifetime));
    let token = match signer {
        Some(signer) => OutboundToken::from_dpop(value, lifetime, Arc::clone(signer)),
        None => OutboundToken::from_bearer(value, lifetime),
    };
    Ok(token?.with_scope(granted.scope))
}

/// The transaction token in a response (draft-ietf-oauth-transaction-tokens-10 §5.4), which is not verified yet.
#[cfg(feature = "txn")]
pub(super) fn transaction_in(answer: &FetchedResponse) -> Result<Secret<String>, OutboundError> {
    if answer.status != StatusCode::OK {
        return Err(failure_of(answer));
    }
    let granted: Granted = object(&answer.body).ok_or_else(|| {
        OutboundError::refused("the token response is not a JSON object with access_token and token_type")
    })?;
    if granted.issued_token_type.as_deref() != Some(super::exchange::TXN_TOKEN) {
        return Err(OutboundError::refused("the token response has no transaction token"));
    }
    match granted.token_type.eq_ignore_ascii_case("N_A") {
        true => Ok(granted.access_token.0),
        false => Err(OutboundError::refused("the token response has a token_type other than N_A")),
    }
}

fn failure_of(answer: &FetchedResponse) -> OutboundError {
    match denied_in(answer) {
        Some(denied) => OutboundError::oauth(code_of(&denied)),
        None => answer.unexpected_status().into(),
    }
}

/// Returns whether the token service demands a nonce in the proof (RFC 9449 §8).
pub(super) fn is_nonce_demanded(answer: &FetchedResponse) -> bool {
    denied_in(answer).is_some_and(|denied| denied.error == "use_dpop_nonce")
}

/// Returns whether the token service refused the client itself.
pub(super) fn is_invalid_client(answer: &FetchedResponse) -> bool {
    let is_refusal = matches!(answer.status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED);
    is_refusal && object::<Denied>(&answer.body).is_some_and(|denied| denied.error == "invalid_client")
}

/// The description of a refusal, as it was received.
pub(super) fn description_in(answer: &FetchedResponse) -> Option<String> {
    denied_in(answer)?.error_description
}

/// The refusal of the service, if the response is one.
fn denied_in(answer: &FetchedResponse) -> Option<Denied> {
    match answer.status {
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => object(&answer.body),
        _ => None,
    }
}

/// The error code, if it is one: a service may echo a secret into it.
fn code_of(denied: &Denied) -> String {
    let is_code = denied.error.len() <= MAX_CODE_BYTES
        && denied.error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_code { denied.error.clone() } else { "not an error code".to_owned() }
}

/// Reads only a JSON object: serde reads an array into a struct too.
fn object<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Option<T> {
    let is_object = body.trim_ascii_start().first() == Some(&b'{');
    if is_object { serde_json::from_slice(body).ok() } else { None }
}

/// A stated lifetime.
#[derive(Debug, PartialEq)]
enum Stated {
    Absent,
    /// Zero is a token for the calls that wait for it only.
    Seconds(u64),
}

/// Seconds as a number or as decimal text. Fractions are rounded down, and negative numbers are zero.
fn seconds(expires_in: &Value) -> Option<Stated> {
    let seconds = match expires_in {
        Value::Null => return Some(Stated::Absent),
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().map(rounded_down))?,
        Value::String(text) => {
            let text = text.trim();
            let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'));
            text.parse().ok().or_else(|| text.parse().ok().filter(|_| is_decimal).map(rounded_down))?
        }
        _ => return None,
    };
    Some(Stated::Seconds(seconds))
}

/// The whole seconds; those that do not fit are the most that do.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the conversion saturates")]
fn rounded_down(seconds: f64) -> u64 {
    seconds.floor() as u64
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn answer(status: u16, body: &str) -> FetchedResponse {
        let status = StatusCode::from_u16(status).expect("a status");
        let url = "https://id.example/token".parse().expect("a URL");
        FetchedResponse { status, headers: HeaderMap::new(), body: body.to_owned().into(), url }
    }

    fn read(answer: &FetchedResponse, is_exchange: bool) -> Result<OutboundToken, OutboundError> {
        let policy = RefreshPolicy::for_tokens();
        token_in(answer, &Expected { is_exchange, signer: None, accepts_bearer: false, policy: &policy }, || {})
    }

    #[test]
    fn s7_07_only_a_whole_answer_is_a_token() {
        for good in
            [r#"{"access_token":"t","token_type":"bearer"}"#, r#" {"access_token":"t","token_type":"BEARER","x":1}"#]
        {
            assert!(read(&answer(200, good), false).is_ok(), "{good}");
        }
        for bad in [
            r#"{"access_token":"t"}"#,
            r#"{"token_type":"bearer"}"#,
            r#"{"access_token":"t","token_type":"mac"}"#,
            r#"{"access_token":"t","token_type":"N_A"}"#,
            r#"{"access_token":"","token_type":"bearer"}"#,
            r#"{"access_token":"a\r\nb","token_type":"bearer"}"#,
            r#"{"access_token":"a b","token_type":"bearer"}"#,
            r#"{"access_token":"a","access_token":"b","token_type":"bearer"}"#,
            r#"["t","bearer",null,null,null]"#,
            "<html>sign in</html>",
            "",
        ] {
            let error = read(&answer(200, bad), false).expect_err(bad);
            assert_eq!(error.code(), "token_refused", "{bad}");
        }
        assert!(read(&answer(201, r#"{"access_token":"t","token_type":"bearer"}"#), false).is_err());
    }

    #[cfg(feature = "txn")]
    #[test]
    fn s9_09_only_a_transaction_token_is_one() {
        let with = |token_type: &str, issued: &str| {
            let body = format!(r#"{{"access_token":"t","token_type":"{token_type}","issued_token_type":"{issued}"}}"#);
            transaction_in(&answer(200, &body)).map(|token| token.expose().clone())
        };
        let (txn, access) = (super::super::exchange::TXN_TOKEN, ACCESS_TOKENS[0]);
        assert_eq!(with("N_A", txn).expect("a token"), "t");
        assert_eq!(with("n_a", txn).expect("a token"), "t");
        for (token_type, issued) in [("Bearer", txn), ("N_A", access), ("Bearer", access), ("N_A", ""), ("", txn)] {
            assert_eq!(with(token_type, issued).expect_err("none").code(), "token_refused", "{token_type} {issued}");
        }
        assert!(transaction_in(&answer(200, r#"{"access_token":"t","token_type":"N_A"}"#)).is_err());
        assert_eq!(
            transaction_in(&answer(400, r#"{"error":"invalid_target"}"#)).expect_err("refused").oauth_error(),
            Some("invalid_target")
        );
        // And in the place of an access token, a transaction token is none.
        assert!(read(&answer(200, r#"{"access_token":"t","token_type":"N_A"}"#), false).is_err());
    }

    #[test]
    fn s7_27_a_token_that_is_not_bound_is_no_token_unless_it_is_accepted() {
        let signer = Arc::new(Signer::generate(countersign_core::key::Algorithm::ES256).expect("a key"));
        let policy = RefreshPolicy::for_tokens();
        let read = |token_type: &str, accepts_bearer| {
            let expected = Expected { is_exchange: false, signer: Some(&signer), accepts_bearer, policy: &policy };
            let body = format!(r#"{{"access_token":"t","token_type":"{token_type}"}}"#);
            token_in(&answer(200, &body), &expected, || {})
        };
        for bound in ["DPoP", "dpop", "DPOP"] {
            for accepts_bearer in [false, true] {
                let token = read(bound, accepts_bearer).expect("bound");
                assert_eq!((token.expose(), token.header().to_str().ok()), ("t", Some("DPoP t")));
                assert!(token.signer().is_some());
            }
        }
        let error = read("bearer", false).expect_err("not bound");
        assert_eq!((error.kind(), error.code()), (OutboundErrorKind::TokenNotBound, "token_not_bound"));
        let token = read("Bearer", true).expect("accepted");
        assert!(token.signer().is_none() && token.header() == "Bearer t");
        for other in ["N_A", "mac", "DPoP ", ""] {
            assert_eq!(read(other, true).expect_err(other).code(), "token_refused");
        }
        let unasked = r#"{"access_token":"t","token_type":"DPoP"}"#;
        assert_eq!(self::read(&answer(200, unasked), false).expect_err("no key").code(), "token_refused");
    }

    #[test]
    fn s7_08_lives_are_read_without_overflow() {
        let seconds = |json: &str| seconds(&serde_json::from_str(json).expect(json));
        for (json, expected) in [
            ("300", 300),
            ("\"300\"", 300),
            ("\" 300\\t\"", 300),
            ("300.0", 300),
            ("299.998", 299),
            ("\"300.0\"", 300),
            ("\"299.998\"", 299),
            ("0", 0),
            ("0.9", 0),
            ("-5", 0),
            ("-0.5", 0),
            ("\"-1\"", 0),
            ("1e3", 1000),
            ("1e20", u64::MAX),
            ("\"99999999999999999999999\"", u64::MAX),
            ("18446744073709551615", u64::MAX),
            ("18446744073709551616", u64::MAX),
        ] {
            assert_eq!(seconds(json), Some(Stated::Seconds(expected)), "{json}");
        }
        assert_eq!(seconds("null"), Some(Stated::Absent));
        for unreadable in [
            "\"soon\"",
            "\"\"",
            "\" \"",
            "\"3,600\"",
            "\"2026-11-28T12:00:00Z\"",
            "\"1e3\"",
            "\"inf\"",
            "\"NaN\"",
            "true",
            "[300]",
            "{}",
        ] {
            assert_eq!(seconds(unreadable), None, "{unreadable}");
        }
    }

    #[test]
    fn s7_08_a_life_that_cannot_be_read_is_that_of_an_absent_one_and_reported() {
        let lifetime = |expires_in: &str| {
            let body = format!(r#"{{"access_token":"t","token_type":"bearer","expires_in":{expires_in}}}"#);
            let mut reports = 0;
            let policy = RefreshPolicy::for_tokens();
            let expected = Expected { is_exchange: false, signer: None, accepts_bearer: false, policy: &policy };
            let token = token_in(&answer(200, &body), &expected, || reports += 1);
            (token.expect("a token").lifetime().map(|lifetime| lifetime.as_secs()), reports)
        };
        for (expires_in, expected) in [("\"soon\"", 60), ("[]", 60)] {
            assert_eq!(lifetime(expires_in), (Some(expected), 1), "{expires_in}");
        }
        for (expires_in, expected) in [("null", 60), ("-1", 0), ("3600.5", 3600), ("1e20", 86_400)] {
            assert_eq!(lifetime(expires_in), (Some(expected), 0), "{expires_in}");
        }
    }

    #[test]
    fn s7_23_an_exchange_says_what_it_issued() {
        let without = r#"{"access_token":"t","token_type":"bearer"}"#;
        let with = r#"{"access_token":"t","token_type":"bearer","issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}"#;
        assert!(read(&answer(200, without), true).is_err());
        assert!(read(&answer(200, without), false).is_ok() && read(&answer(200, with), false).is_ok());
        assert!(read(&answer(200, with), true).is_ok());
        assert!(read(&answer(200, &with.replace(":access_token\"}", ":jwt\"}")), true).is_ok());
        for other in ["id_token", "refresh_token", "saml2", "access_token ", "Access_token"] {
            let other = with.replace(":access_token\"}", &format!(":{other}\"}}"));
            assert!(read(&answer(200, &other), true).is_err(), "{other}");
            assert!(read(&answer(200, &other), false).is_err(), "{other}, without an exchange");
        }
    }

    #[test]
    fn s7_14_the_error_code_is_told_and_its_description_only_after_a_check() {
        let body = r#"{"error":"invalid_client","error_description":"\u001b[31m{} secret"}"#;
        let error = read(&answer(401, body), false).expect_err("refused");
        assert_eq!((error.oauth_error(), error.is_transient()), (Some("invalid_client"), false));
        assert!(!error.to_string().contains("secret"));
        for echo in
            [r#"{"error":"Basic b3JkZXJzOnMzY3JldA=="}"#, r#"{"error":"s3cret-value"}"#, r#"{"error":"a\u0000"}"#]
        {
            let error = read(&answer(400, echo), false).expect_err("refused");
            assert_eq!(error.oauth_error(), Some("not an error code"));
        }
        assert!(read(&answer(503, body), false).expect_err("down").is_transient());
        assert!(read(&answer(429, ""), false).expect_err("too many").is_transient());
        assert!(!read(&answer(404, ""), false).expect_err("a wrong address").is_transient());
    }
}
