//! Explanations of header members and claims, and readable forms of their values.

use serde_json::Value;

use crate::{output, times};

/// The longest value shown in a table, in characters.
const MAX_SHOWN: usize = 200;

/// The meaning of a registered header member or claim (RFC 7515, 7519, 8693, 9068, OpenID Connect).
pub(crate) fn meaning(name: &str) -> Option<&'static str> {
    Some(match name {
        "alg" => "signature algorithm; the policy decides, not the token",
        "kid" => "ID of the signing key",
        "typ" => "type of token",
        "cty" => "type of content",
        "crit" => "extensions that must be understood",
        "jwk" => "a key embedded in the token: proves nothing",
        "jku" | "x5u" => "a URL for keys, named by the token: never fetched",
        "x5c" => "certificates embedded in the token: prove nothing",
        "iss" => "issuer of the token",
        "sub" => "subject of the token",
        "aud" => "audience: services that may accept the token",
        "exp" => "expiration time",
        "nbf" => "not valid before this time",
        "iat" => "time of issue",
        "jti" => "unique ID of the token",
        "client_id" | "azp" => "client that the token was issued to",
        "scope" | "scp" => "granted scopes",
        "roles" | "groups" => "roles or groups of the subject",
        "permissions" | "entitlements" => "permissions of the subject",
        "act" => "actor: acts on behalf of the subject",
        "may_act" => "parties that may act on behalf of the subject",
        "auth_time" => "time of the subject's authentication",
        "acr" => "authentication context: strength of the authentication",
        "amr" => "authentication methods",
        "cnf" => "confirmation: the key that the sender must prove possession of",
        "nonce" | "at_hash" | "c_hash" => "part of an ID token, which is meant for the client",
        "sid" => "session at the issuer",
        "tenant" | "tid" | "org_id" => "the tenant",
        "name" | "given_name" | "family_name" | "email" | "phone_number" | "birthdate" | "address" => "personal",
        _ => return None,
    })
}

/// A readable form of a value, if there is one: times, lists of scopes.
pub(crate) fn in_words(name: &str, value: &Value, now: i64) -> Option<String> {
    match name {
        "exp" | "nbf" | "iat" | "auth_time" | "updated_at" => seconds(value).map(|at| time(at, now)),
        "scope" => {
            let scopes: Vec<String> = value.as_str()?.split_ascii_whitespace().map(output::word).collect();
            (scopes.len() > 1).then(|| format!("{} scopes: {}", scopes.len(), scopes.join(", ")))
        }
        _ => None,
    }
}

/// A readable time: UTC, and the distance from now.
pub(crate) fn time(at: i64, now: i64) -> String {
    format!("{}, {}", times::utc(at), times::relative(at, now))
}

/// A value on one line, truncated if it is long.
pub(crate) fn short(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// A JSON number as seconds; `None` for anything that is not a plausible time.
pub(crate) fn seconds(value: &Value) -> Option<i64> {
    /// The end of the year 9999.
    const LAST: i64 = 253_402_300_799;
    let whole = value.as_i64().or_else(|| {
        let text = value.as_f64()?.trunc().to_string();
        text.parse().ok()
    })?;
    (0..=LAST).contains(&whole).then_some(whole)
}
