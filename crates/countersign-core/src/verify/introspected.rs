//! The answers of introspection endpoints (RFC 7662), also signed ones (RFC 9701).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::value::RawValue;

use super::needs_keys::{NeedsKeys, Pending};
use super::rules::{is_early, is_expired};
use super::signature::matching_key;
use super::verifier::{Verifier, keys_for, usable_keys};
use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::key::RefreshOutcome;
use crate::token::{Compact, Header, ListClaim, Payload, TokenType, has_unique_names, names_access_token};

/// The longest answer read, in bytes.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The type of a signed answer (RFC 9701 §5).
const SIGNED_TYPE: &str = "token-introspection+jwt";

/// The member of a signed answer that has the members of RFC 7662.
const MEMBER: &str = "token_introspection";

/// The greatest age of a signed answer: it is made for the request.
const MAX_AGE: Duration = Duration::from_secs(60);

/// The statement of an authorization server about a token.
#[derive(Clone, PartialEq, Eq)]
pub enum Introspected {
    /// The token is active, and these are its claims, as a JSON object.
    Active(Vec<u8>),
    /// The token is not active: unknown, expired, revoked, or not for this service.
    Inactive,
}

/// The result of checking a signed answer with the cached keys.
#[derive(Debug)]
pub enum SignedAnswer {
    /// The answer is genuine, and this is its `token_introspection`.
    Genuine(Vec<u8>),
    /// The answer cannot be used.
    Refused(VerifyError),
    /// The key that it names is not cached.
    NeedsKeys(NeedsKeys),
}

/// Reads an answer. A token is active only if `active` is the JSON value `true`; otherwise all else is ignored.
///
/// `audience` is used if the answer names none, or an empty list; `token_type` must then say that it is an access token.
///
/// ```
/// use countersign_core::integration::{Introspected, read_introspection};
///
/// let inactive = read_introspection(br#"{"active":"true","exp":"soon"}"#, None);
/// assert!(inactive.is_ok_and(|answer| answer == Introspected::Inactive));
/// assert!(read_introspection(br#"{"active":true,"active":false}"#, None).is_err());
/// ```
///
/// # Errors
/// `malformed` if the answer is not a JSON object, or has a name twice: nothing is known of the token. `wrong_type` and
/// `proof_required` if the token is of another kind.
pub fn read_introspection(answer: &[u8], audience: Option<&str>) -> Result<Introspected, VerifyError> {
    let malformed = |detail: &'static str| VerifyError::new(Kind::Malformed, detail);
    let audience = audience.map(|audience| serde_json::value::to_raw_value(audience).map_err(|_| malformed("aud")));
    let audience = audience.transpose()?;
    let text = std::str::from_utf8(answer).map_err(|_| malformed("the answer is not UTF-8"))?;
    let members: Result<BTreeMap<Cow<'_, str>, &RawValue>, _> = serde_json::from_str(text);
    let mut members = members.map_err(|_| malformed("the answer is not a JSON object"))?;
    if !has_unique_names(text) {
        return Err(malformed("the answer has a name twice, or is nested too deeply"));
    }
    if members.remove("active").map(RawValue::get) != Some("true") {
        return Ok(Introspected::Inactive);
    }
    let token_type = members.get("token_type").map(|raw| raw.get()).filter(|json| *json != "null");
    check_type(token_type, members.contains_key("cnf"))?;
    let has_none = members.get("aud").is_none_or(|aud| is_empty(aud.get()));
    if let Some(audience) = audience.as_deref().filter(|_| has_none) {
        // Without an audience, nothing else tells an access token from a refresh token.
        if token_type.is_none() {
            let problem = "the answer has neither aud nor token_type, so it may be about a refresh token";
            return Err(VerifyError::new(Kind::WrongType, problem));
        }
        members.insert(Cow::Borrowed("aud"), audience);
    }
    serde_json::to_vec(&members).map(Introspected::Active).map_err(|_| malformed("the answer cannot be read"))
}

/// Refuses a token whose `token_type` is not one of access tokens, and one for proofs of possession that names no key.
fn check_type(json: Option<&str>, has_key: bool) -> Result<(), VerifyError> {
    let Some(json) = json else { return Ok(()) };
    let name: String = serde_json::from_str(json).unwrap_or_default();
    if !names_access_token(&name) {
        return Err(VerifyError::mismatch(Kind::WrongType, "token_type", "Bearer or DPoP", &name));
    }
    if name.eq_ignore_ascii_case("dpop") && !has_key {
        return Err(VerifyError::new(Kind::ProofRequired, "token_type is DPoP, and the answer names no key (cnf)"));
    }
    Ok(())
}

fn is_empty(json: &str) -> bool {
    json == "null" || json.strip_prefix('[').is_some_and(|rest| rest.trim_start() == "]")
}

/// Checks an answer that `issuer` signed, with the keys and algorithms of that issuer's policy (RFC 9701 §5). It must be for this
/// service, as the client `client_id` or by an audience of the policy.
///
/// `outcome` is that of a refresh of the keys, if there was one.
pub fn check_signed_answer(
    verifier: &Verifier,
    issuer: &str,
    client_id: &str,
    answer: &str,
    outcome: Option<&RefreshOutcome>,
) -> SignedAnswer {
    match (check(verifier, issuer, client_id, answer), outcome) {
        (Ok(members), _) => SignedAnswer::Genuine(members),
        (Err(Pending::NeedsKeys(keys)), None) => SignedAnswer::NeedsKeys(keys),
        (Err(Pending::Refused(error)), _) => SignedAnswer::Refused(error),
        (Err(pending), Some(outcome)) => SignedAnswer::Refused(pending.after(outcome)),
    }
}

fn check(verifier: &Verifier, issuer: &str, client_id: &str, answer: &str) -> Result<Vec<u8>, Pending> {
    let revision = verifier.0.current.load();
    let (now, elapsed) = (verifier.0.clock.now(), verifier.0.clock.elapsed());
    let refused = |kind, detail: &'static str| Pending::from(VerifyError::new(kind, detail));
    let issuer = revision.issuers.get(issuer);
    let issuer = issuer.ok_or_else(|| refused(Kind::UnknownIssuer, "the issuer is no longer configured"))?;
    let compact = Compact::split(answer, MAX_ANSWER_BYTES)?;
    let header = Header::decode(compact.header)?;
    match &header.token_type {
        TokenType::Other(name) if name.eq_ignore_ascii_case(SIGNED_TYPE) => {}
        other => return Err(VerifyError::mismatch(Kind::WrongType, "typ", SIGNED_TYPE, other.name()).into()),
    }
    if header.algorithm.is_none_or(|algorithm| !issuer.algorithms.contains(&algorithm)) {
        return Err(refused(Kind::AlgorithmNotAllowed, "the answer's alg is not on the issuer's list"));
    }
    let names = [Box::from(MEMBER)];
    let payload = Payload::decode(compact.payload, &names)?;
    let text = |text| payload.text(text);
    if payload.issuer.map(text) != Some(issuer.issuer()) {
        let found = payload.issuer.map_or("", text);
        return Err(VerifyError::mismatch(Kind::UnknownIssuer, "iss", issuer.issuer(), found).into());
    }
    let is_ours = |aud: &str| aud == client_id || issuer.audiences.iter().any(|own| own == aud);
    if payload.audience == ListClaim::Wrong || !payload.texts(&payload.audience).any(is_ours) {
        let found = payload.texts(&payload.audience).next().unwrap_or_default();
        return Err(VerifyError::mismatch(Kind::WrongAudience, "aud", client_id, found).into());
    }
    let issued = payload.issued_at.ok_or_else(|| refused(Kind::MissingClaim, "iat is absent"))?;
    if is_early(issued, issuer.leeway, now) {
        return Err(refused(Kind::IssuedInFuture, "iat is in the future; compare clocks"));
    }
    if is_expired(issued.saturating_add(MAX_AGE), issuer.leeway, now) {
        return Err(refused(Kind::TooOld, "the answer is older than a minute; compare clocks"));
    }
    if payload.expires.is_some_and(|expires| is_expired(expires, issuer.leeway, now)) {
        return Err(refused(Kind::Expired, "the answer has expired"));
    }
    let members = payload.captured(&names, MEMBER).filter(|json| json.starts_with('{'));
    let members = members.ok_or_else(|| refused(Kind::MissingClaim, "token_introspection is not an object"))?;
    let current = issuer.keys.cell().load();
    let current = usable_keys(issuer, current.as_ref(), elapsed)?;
    let keys = keys_for(issuer, current, &header, revision.danger_denied)?;
    matching_key(&compact, &keys)?;
    Ok(members.as_bytes().to_vec())
}

/// Hides the claims: they may be personal data.
impl std::fmt::Debug for Introspected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Introspected::Active(_) => "Active",
            Introspected::Inactive => "Inactive",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &str, audience: Option<&str>) -> Option<String> {
        match read_introspection(answer.as_bytes(), audience).expect("an object") {
            Introspected::Active(claims) => Some(String::from_utf8(claims).expect("text")),
            Introspected::Inactive => None,
        }
    }

    #[test]
    fn s13_02_only_the_json_value_true_is_active_and_else_every_member_is_ignored() {
        assert_eq!(read(r#"{"active":true,"sub":"ann"}"#, None).as_deref(), Some(r#"{"sub":"ann"}"#));
        for active in [r#""true""#, "1", "null", "false", "[true]", "{}", r#""yes""#] {
            assert_eq!(read(&format!(r#"{{"active":{active},"sub":"ann","exp":"never","aud":7}}"#), None), None);
        }
        assert_eq!(read(r#"{"sub":"ann"}"#, None), None);
        assert_eq!(read(r#"{"Active":true}"#, None), None);
        for broken in
            ["", "[]", "true", r#"{"active":true"#, r#"{"active":true,"\u0061ctive":true}"#, "{\"a\":1,\"a\":1}"]
        {
            assert!(read_introspection(broken.as_bytes(), None).is_err(), "{broken}");
        }
    }

    #[test]
    fn s13_03_an_absent_audience_is_bound_only_by_choice_and_a_named_one_stays() {
        let with = |aud: &str| {
            let claims = read(&format!(r#"{{"active":true,"token_type":"Bearer"{aud}}}"#), Some("orders"));
            claims.map(|claims| claims.replace(r#","token_type":"Bearer"}"#, "}"))
        };
        assert!(read_introspection(br#"{"active":true}"#, Some("orders")).is_err(), "it may be a refresh token");
        for none in ["", r#","aud":null"#, r#","aud":[ ]"#] {
            assert_eq!(with(none).as_deref(), Some(r#"{"aud":"orders"}"#));
        }
        assert_eq!(with(r#","aud":["stock"]"#).as_deref(), Some(r#"{"aud":["stock"]}"#));
        assert_eq!(with(r#","aud":"""#).as_deref(), Some(r#"{"aud":""}"#));
        assert_eq!(read(r#"{"active":true}"#, None).as_deref(), Some("{}"));
    }

    #[test]
    fn s13_03_the_type_of_the_token_is_checked() {
        let kind = |members: &str| {
            let answer = format!(r#"{{"active":true,"sub":"ann"{members}}}"#);
            read_introspection(answer.as_bytes(), None).err().map(|error| error.code())
        };
        for fine in ["", r#","token_type":"bearer""#, r#","token_type":"Bearer""#, r#","token_type":null"#] {
            assert_eq!(kind(fine), None, "{fine}");
        }
        for wrong in ["N_A", "refresh_token", "id_token", "mac", ""] {
            assert_eq!(kind(&format!(r#","token_type":"{wrong}""#)), Some("wrong_type"), "{wrong}");
        }
        assert_eq!(kind(r#","token_type":["Bearer"]"#), Some("wrong_type"));
        assert_eq!(kind(r#","token_type":"DPoP""#), Some("proof_required"));
        assert_eq!(kind(r#","token_type":"DPoP","cnf":{"jkt":"x"}"#), None);
    }

    #[test]
    fn numbers_stay_as_they_were_written() {
        let claims = read(r#"{"active":true,"exp":1700000000.50,"n":12345678901234567890123}"#, None);
        assert_eq!(claims.as_deref(), Some(r#"{"exp":1700000000.50,"n":12345678901234567890123}"#));
    }
}
