//! Security event tokens (RFC 8417): logout tokens of OpenID Connect, and shared signals.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::needs_keys::{NeedsKeys, Pending};
use super::rules::{is_early, is_expired};
use super::signature::matching_key;
use super::verifier::{Verifier, keys_for, usable_keys};
use crate::clock::UnixTime;
use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::key::RefreshOutcome;
use crate::token::{Compact, Header, ListClaim, Payload, TokenType};

/// The longest security event token read, in bytes.
pub const MAX_EVENT_TOKEN_BYTES: usize = 64 * 1024;

/// The event of a logout token (OpenID Connect Back-Channel Logout 1.0 §2.4).
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The claims that are read besides the registered ones.
const CLAIMS: [&str; 4] = ["events", "nonce", "sid", "sub_id"];

/// The result of checking a security event token with the cached keys.
#[derive(Debug)]
pub enum EventCheck<T> {
    /// The token passed every check.
    Genuine(T),
    /// The token is refused, or its keys cannot be had.
    Refused(VerifyError),
    /// The key that it names is not cached.
    NeedsKeys(NeedsKeys),
}

/// The content of a logout token. At least one of subject and session is present.
#[derive(Clone, PartialEq, Eq)]
pub struct LogoutEvent {
    /// The provider (`iss`).
    pub issuer: String,
    /// The identifier of the token (`jti`).
    pub token_id: String,
    /// The subject that was logged out (`sub`).
    pub subject: Option<String>,
    /// The session that ended (`sid`).
    pub session: Option<String>,
    /// The time of issue (`iat`).
    pub issued_at: UnixTime,
    /// The expiry of the logout token (`exp`).
    pub expires_at: UnixTime,
}

/// The content of a token of shared signals.
#[derive(Clone, PartialEq, Eq)]
pub struct SignalEvents {
    /// The transmitter (`iss`).
    pub issuer: String,
    /// The identifier of the token (`jti`).
    pub token_id: String,
    /// The time of issue (`iat`).
    pub issued_at: UnixTime,
    /// The subject (`sub_id`), as JSON.
    pub subject: Option<String>,
    /// The events, by their addresses, each with its payload as JSON.
    pub events: BTreeMap<String, String>,
}

/// The differences of the two kinds of token, besides their events.
struct Kinds {
    token_type: &'static str,
    is_type_required: bool,
    has_expiry: bool,
}

const LOGOUT: Kinds = Kinds { token_type: "logout+jwt", is_type_required: false, has_expiry: true };
const SIGNAL: Kinds = Kinds { token_type: "secevent+jwt", is_type_required: true, has_expiry: false };

/// Checks a logout token (OpenID Connect Back-Channel Logout 1.0 §2.6) of an issuer of the verifier's policy, with its keys and
/// algorithms, for the client `client_id`: `typ`, `iss`, `aud`, `iat`, `exp`, `jti`, the event, `sub` or `sid`, and no `nonce`.
///
/// `outcome` is that of a refresh of the keys, if there was one. Whether the `jti` was received before is up to the caller.
pub fn check_logout_token(
    verifier: &Verifier,
    client_id: &str,
    token: &str,
    outcome: Option<&RefreshOutcome>,
) -> EventCheck<LogoutEvent> {
    finish(logout_event(verifier, client_id, token), outcome)
}

/// Checks a token of shared signals (OpenID Shared Signals Framework 1.0 §4) of an issuer of the verifier's policy, with its keys
/// and algorithms, for `audience`: `typ`, `iss`, `aud`, `iat`, `jti`, `events`, and no `exp`.
///
/// `outcome` is that of a refresh of the keys, if there was one. Whether the `jti` was received before is up to the caller.
pub fn check_signal_token(
    verifier: &Verifier,
    audience: &str,
    token: &str,
    outcome: Option<&RefreshOutcome>,
) -> EventCheck<SignalEvents> {
    finish(signal_events(verifier, audience, token), outcome)
}

fn finish<T>(checked: Result<T, Pending>, outcome: Option<&RefreshOutcome>) -> EventCheck<T> {
    match (checked, outcome) {
        (Ok(event), _) => EventCheck::Genuine(event),
        (Err(Pending::NeedsKeys(keys)), None) => EventCheck::NeedsKeys(keys),
        (Err(Pending::Refused(error)), _) => EventCheck::Refused(error),
        (Err(pending), Some(outcome)) => EventCheck::Refused(pending.after(outcome)),
    }
}

fn logout_event(verifier: &Verifier, client_id: &str, token: &str) -> Result<LogoutEvent, Pending> {
    check(verifier, client_id, token, &LOGOUT, |payload| {
        if captured(payload, "nonce").is_some() {
            return Err(invalid("nonce is present; the token may be an ID token"));
        }
        let is_logout = events(payload)?.get(LOGOUT_EVENT).is_some_and(|event| event.starts_with('{'));
        if !is_logout {
            return Err(VerifyError::new(Kind::WrongType, "events has no member of a logout, or it is no object"));
        }
        let subject = payload.subject.map(|text| payload.text(text).to_owned()).filter(|subject| !subject.is_empty());
        let session = match captured(payload, "sid").map(serde_json::from_str::<String>) {
            None => None,
            Some(Ok(session)) if !session.is_empty() => Some(session),
            Some(_) => return Err(invalid("sid is empty or not a string")),
        };
        if subject.is_none() && session.is_none() {
            return Err(VerifyError::new(Kind::MissingClaim, "sub and sid are absent"));
        }
        Ok(LogoutEvent {
            issuer: text_of(payload, payload.issuer),
            token_id: text_of(payload, payload.token_id),
            subject,
            session,
            issued_at: payload.issued_at.unwrap_or_default(),
            expires_at: payload.expires.unwrap_or_default(),
        })
    })
}

fn signal_events(verifier: &Verifier, audience: &str, token: &str) -> Result<SignalEvents, Pending> {
    check(verifier, audience, token, &SIGNAL, |payload| {
        Ok(SignalEvents {
            issuer: text_of(payload, payload.issuer),
            token_id: text_of(payload, payload.token_id),
            issued_at: payload.issued_at.unwrap_or_default(),
            subject: captured(payload, "sub_id").map(str::to_owned),
            events: events(payload)?,
        })
    })
}

/// Checks what both kinds have in common, then reads the token, then checks its signature.
fn check<T>(
    verifier: &Verifier,
    audience: &str,
    token: &str,
    kinds: &Kinds,
    read: impl FnOnce(&Payload) -> Result<T, VerifyError>,
) -> Result<T, Pending> {
    let revision = verifier.0.current.load();
    let (now, elapsed) = (verifier.0.clock.now(), verifier.0.clock.elapsed());
    let refused = |kind, detail: &'static str| Pending::from(VerifyError::new(kind, detail));
    let compact = Compact::split(token, MAX_EVENT_TOKEN_BYTES)?;
    let header = Header::decode(compact.header)?;
    match &header.token_type {
        TokenType::Other(name) if name.eq_ignore_ascii_case(kinds.token_type) => {}
        TokenType::Absent if !kinds.is_type_required => {}
        other => return Err(VerifyError::mismatch(Kind::WrongType, "typ", kinds.token_type, other.name()).into()),
    }
    let payload = Payload::decode(compact.payload, &names())?;
    let issuer = payload.issuer.map(|text| payload.text(text));
    let issuer = issuer.ok_or_else(|| refused(Kind::MissingClaim, "iss is absent"))?;
    let issuer = revision.issuers.get(issuer).ok_or_else(|| {
        Pending::from(VerifyError::mismatch(Kind::UnknownIssuer, "iss", "a configured issuer", issuer))
    })?;
    if header.algorithm.is_none_or(|algorithm| !issuer.algorithms.contains(&algorithm)) {
        return Err(refused(Kind::AlgorithmNotAllowed, "alg is not on the issuer's list"));
    }
    if payload.audience == ListClaim::Wrong || !payload.texts(&payload.audience).any(|aud| aud == audience) {
        let found = payload.texts(&payload.audience).next().unwrap_or_default();
        return Err(VerifyError::mismatch(Kind::WrongAudience, "aud", audience, found).into());
    }
    let issued = payload.issued_at.ok_or_else(|| refused(Kind::MissingClaim, "iat is absent"))?;
    if is_early(issued, issuer.leeway, now) {
        return Err(refused(Kind::IssuedInFuture, "iat is in the future; compare clocks"));
    }
    match (payload.expires, kinds.has_expiry) {
        (None, true) => return Err(refused(Kind::MissingClaim, "exp is absent")),
        (Some(_), false) => return Err(refused(Kind::InvalidClaim, "exp is present; signals do not expire")),
        (Some(expires), true) if is_expired(expires, issuer.leeway, now) => {
            return Err(refused(Kind::Expired, "the token has expired"));
        }
        _ => {}
    }
    if payload.not_before.is_some_and(|at| is_early(at, issuer.leeway, now)) {
        return Err(refused(Kind::NotYetValid, "nbf is in the future; compare clocks"));
    }
    if payload.token_id.is_none_or(|text| payload.text(text).is_empty()) {
        return Err(refused(Kind::MissingClaim, "jti is absent or empty"));
    }
    let event = read(&payload)?;
    let current = issuer.keys.cell().load();
    let current = usable_keys(issuer, current.as_ref(), elapsed)?;
    let keys = keys_for(issuer, current, &header, revision.danger_denied)?;
    matching_key(&compact, &keys)?;
    Ok(event)
}

/// The events of a token, each as JSON.
fn events(payload: &Payload) -> Result<BTreeMap<String, String>, VerifyError> {
    /// The claim.
    #[derive(Deserialize)]
    struct Events<'j>(#[serde(borrow)] BTreeMap<Cow<'j, str>, &'j RawValue>);
    let json = captured(payload, "events").ok_or_else(|| VerifyError::new(Kind::MissingClaim, "events is absent"))?;
    let Events(events) = serde_json::from_str(json).map_err(|_| invalid("events is no object"))?;
    if events.is_empty() {
        return Err(invalid("events is empty"));
    }
    Ok(events.into_iter().map(|(name, event)| (name.into_owned(), event.get().to_owned())).collect())
}

fn names() -> [Box<str>; CLAIMS.len()] {
    CLAIMS.map(Box::from)
}

fn captured<'p>(payload: &'p Payload, claim: &str) -> Option<&'p str> {
    payload.captured(&names(), claim).filter(|json| *json != "null")
}

fn text_of(payload: &Payload, text: Option<crate::token::Text>) -> String {
    text.map(|text| payload.text(text).to_owned()).unwrap_or_default()
}

fn invalid(detail: &'static str) -> VerifyError {
    VerifyError::new(Kind::InvalidClaim, detail)
}

/// Without the names of users.
impl fmt::Debug for LogoutEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutEvent").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// Without the names of users.
impl fmt::Debug for SignalEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalEvents").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
