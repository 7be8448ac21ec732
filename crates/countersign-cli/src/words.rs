//! What header members and claims mean, and their values in words.

use serde_json::Value;

use crate::times;

/// The longest value shown in a table, in characters.
const MAX_SHOWN: usize = 200;

/// What a registered member or claim means (RFC 7515, 7519, 8693, 9068, OpenID Connect).
pub(crate) fn meaning(name: &str) -> Option<&'static str> {
    Some(match name {
        "alg" => "signature algorithm; the policy decides, not the token",
        "kid" => "name of the key that signed",
        "typ" => "kind of token",
        "cty" => "kind of content",
        "crit" => "extensions that must be understood",
        "jwk" => "a key that the token brings along: proves nothing",
        "jku" | "x5u" => "an address for keys that the token names: never fetched",
        "x5c" => "certificates that the token brings along: prove nothing",
        "iss" => "who issued it",
        "sub" => "whom it is about",
        "aud" => "which services may take it",
        "exp" => "its end",
        "nbf" => "its beginning",
        "iat" => "when it was issued",
        "jti" => "its own name",
        "client_id" | "azp" => "the client that it was issued to",
        "scope" | "scp" => "what it allows",
        "roles" | "groups" => "roles or groups of the subject",
        "permissions" | "entitlements" => "what the subject may do",
        "act" => "who acts on behalf of the subject",
        "may_act" => "who may act on behalf of the subject",
        "auth_time" => "when the subject logged in",
        "acr" => "how well the subject was authenticated",
        "amr" => "by what means the subject was authenticated",
        "cnf" => "the key that the sender must prove to hold",
        "nonce" | "at_hash" | "c_hash" => "belongs to an ID token, which is for the client",
        "sid" => "session at the issuer",
        "tenant" | "tid" | "org_id" => "the tenant",
        "name" | "given_name" | "family_name" | "email" | "phone_number" | "birthdate" | "address" => "personal",
        _ => return None,
    })
}

/// A value in words where it has any: times, lists of scopes.
pub(crate) fn in_words(name: &str, value: &Value, now: i64) -> Option<String> {
    match name {
        "exp" | "nbf" | "iat" | "auth_time" | "updated_at" => seconds(value).map(|at| time(at, now)),
        "scope" => {
            let scopes: Vec<&str> = value.as_str()?.split_ascii_whitespace().collect();
            (scopes.len() > 1).then(|| format!("{} scopes: {}", scopes.len(), scopes.join(", ")))
        }
        _ => None,
    }
}

/// A time in words: UTC, and how far it is from now.
pub(crate) fn time(at: i64, now: i64) -> String {
    format!("{}, {}", times::utc(at), times::relative(at, now))
}

/// A value on one line, cut where it is long.
pub(crate) fn short(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// A JSON number as seconds; `None` for anything that is no plausible time.
pub(crate) fn seconds(value: &Value) -> Option<i64> {
    /// The end of the year 9999.
    const LAST: i64 = 253_402_300_799;
    let whole = value.as_i64().or_else(|| {
        let text = value.as_f64()?.trunc().to_string();
        text.parse().ok()
    })?;
    (0..=LAST).contains(&whole).then_some(whole)
}
