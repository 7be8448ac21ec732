//! Token responses (RFC 6749 §5, RFC 8693 §2.2), accepted only if complete.

use std::time::Duration;

use countersign_core::secret::Secret;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::token::OutboundToken;
use crate::fetch::FetchedResponse;
use crate::outbound::error::OutboundError;
use crate::refresh::RefreshPolicy;

/// The longest error code repeated. Those of RFC 6749, 8693 and 8707 have at most 25 letters.
const MAX_CODE_BYTES: usize = 40;

/// The kinds of token that may be sent to a service (RFC 8693 §3). An ID token or a refresh token may not.
const ACCESS_TOKENS: [&str; 2] =
    ["urn:ietf:params:oauth:token-type:access_token", "urn:ietf:params:oauth:token-type:jwt"];

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
}

/// Deserializes directly into a hidden value.
struct Secreted(Secret<String>);

impl<'de> Deserialize<'de> for Secreted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|value| Secreted(Secret::new(value)))
    }
}

/// The token in a response, with its lifetime within `policy`. An exchange must state `issued_token_type` too.
pub(super) fn token_in(
    answer: &FetchedResponse,
    is_exchange: bool,
    policy: &RefreshPolicy,
) -> Result<OutboundToken, OutboundError> {
    if answer.status != StatusCode::OK {
        return Err(failure_of(answer));
    }
    let granted: Granted = object(&answer.body).ok_or_else(|| {
        OutboundError::refused("the token response is not a JSON object with access_token and token_type")
    })?;
    if is_exchange {
        match granted.issued_token_type.as_deref() {
            None | Some("") => return Err(OutboundError::refused("the exchange response lacks issued_token_type")),
            Some(kind) if ACCESS_TOKENS.contains(&kind) => {}
            Some(_) => return Err(OutboundError::refused("the exchange issued another kind than an access token")),
        }
    }
    // `N_A` and proof-of-possession tokens must not be sent as `Bearer`.
    if !granted.token_type.eq_ignore_ascii_case("bearer") {
        return Err(OutboundError::refused("the token response has a token_type other than Bearer"));
    }
    let lifetime = lifetime(granted.expires_in.as_ref().unwrap_or(&Value::Null), policy);
    Ok(OutboundToken::from_bearer(&granted.access_token.0, Some(lifetime))?.with_scope(granted.scope))
}

fn failure_of(answer: &FetchedResponse) -> OutboundError {
    let denied = match answer.status {
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => object::<Denied>(&answer.body),
        _ => None,
    };
    match denied {
        Some(denied) => OutboundError::oauth(code_of(&denied)),
        None => answer.unexpected_status().into(),
    }
}

/// The error code, if it is one. The description is never repeated: a service may echo a secret into either.
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

/// Seconds as a whole number or as decimal digits. Anything else is a token for the calls that wait for it only.
fn lifetime(expires_in: &Value, policy: &RefreshPolicy) -> Duration {
    let seconds = match expires_in {
        Value::Null => return policy.default_lifetime,
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(seconds), _) => seconds,
            (None, Some(float)) if float >= policy.max_lifetime.as_secs_f64() => u64::MAX,
            _ => 0,
        },
        Value::String(digits) if !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            digits.parse().unwrap_or(u64::MAX) // fails only on too many digits
        }
        _ => 0,
    };
    Duration::from_secs(seconds).min(policy.max_lifetime)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn answer(status: u16, body: &str) -> FetchedResponse {
        let status = StatusCode::from_u16(status).expect("a status");
        FetchedResponse { status, headers: HeaderMap::new(), body: body.to_owned().into() }
    }

    fn read(answer: &FetchedResponse, is_exchange: bool) -> Result<OutboundToken, OutboundError> {
        token_in(answer, is_exchange, &RefreshPolicy::for_tokens())
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

    #[test]
    fn s7_08_lives_are_read_without_overflow() {
        let seconds =
            |json: &str| lifetime(&serde_json::from_str(json).expect(json), &RefreshPolicy::for_tokens()).as_secs();
        for (json, wanted) in [
            ("300", 300),
            ("\"300\"", 300),
            ("null", 60),
            ("0", 0),
            ("-5", 0),
            ("1.5", 0),
            ("\"soon\"", 0),
            ("\"\"", 0),
            ("\"-1\"", 0),
            ("[]", 0),
            ("1e20", 86_400),
            ("\"99999999999999999999999\"", 86_400),
            ("18446744073709551615", 86_400),
        ] {
            assert_eq!(seconds(json), wanted, "{json}");
        }
    }

    #[test]
    fn s7_23_an_exchange_says_what_it_issued() {
        let without = r#"{"access_token":"t","token_type":"bearer"}"#;
        let with = r#"{"access_token":"t","token_type":"bearer","issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}"#;
        assert!(read(&answer(200, without), true).is_err());
        assert!(read(&answer(200, with), true).is_ok());
        assert!(read(&answer(200, &with.replace(":access_token\"}", ":jwt\"}")), true).is_ok());
        for other in ["id_token", "refresh_token", "saml2", "access_token ", "Access_token"] {
            let other = with.replace(":access_token\"}", &format!(":{other}\"}}"));
            assert!(read(&answer(200, &other), true).is_err(), "{other}");
        }
    }

    #[test]
    fn s7_14_the_error_code_is_told_and_its_description_is_not() {
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
