//! The check of a status list (draft-ietf-oauth-status-list-21 §8.3), by the rules of the issuer whose tokens it is about.

use std::sync::Arc;
use std::time::Duration;

use super::needs_keys::{NeedsKeys, Pending};
use super::revision::Revision;
use super::rules::{is_early, is_expired};
use super::signature::matching_key;
use super::verifier::{Verifier, keys_for, usable_keys};
use crate::clock::UnixTime;
use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::key::{KeySource, RefreshOutcome};
use crate::policy::{IssuerLookup, TrustedIssuer};
use crate::status::{STATUS_LIST_TYPE, StatusList};
use crate::token::{
    Compact, Header, JsonReader, ListClaim, NotJson, Number, Payload, Text, TokenType, decode_base64url,
};

/// The nesting permitted in `status_list`. The reader of all claims has checked it before.
const DEPTH: usize = 32;

/// The longest text of a list beyond twice the bytes of its statuses.
const OTHER_BYTES: usize = 64 * 1024;

/// The expectations of a list.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedStatusList<'e> {
    /// The issuer whose tokens the list is about.
    pub issuer: &'e str,
    /// The keys that sign its lists, if they are not those that sign its tokens.
    pub keys: Option<&'e Arc<dyn KeySource>>,
    /// The address that the token names, which `sub` must equal.
    pub uri: &'e str,
    /// The longest list after decompression, in bytes.
    pub max_bytes: usize,
}

impl ExpectedStatusList<'_> {
    /// The longest text of the list, in bytes: base64url is applied twice to what hardly compresses.
    #[must_use]
    pub const fn max_text_bytes(&self) -> usize {
        self.max_bytes.saturating_mul(2).saturating_add(OTHER_BYTES)
    }
}

/// A list that passed every check.
#[derive(Debug)]
pub struct CheckedStatusList {
    /// The statuses.
    pub list: StatusList,
    /// The time of its issue (`iat`).
    pub issued_at: UnixTime,
    /// Its expiry (`exp`), with the issuer's leeway.
    pub expires_at: Option<UnixTime>,
    /// The time after which it is fetched again (`ttl`).
    pub ttl: Option<Duration>,
}

/// The result of checking a list with the cached keys.
#[derive(Debug)]
pub enum StatusListStep {
    /// The list is genuine.
    Genuine(CheckedStatusList),
    /// The list cannot be used.
    Refused(VerifyError),
    /// The key that it names is not cached.
    NeedsKeys(NeedsKeys),
}

/// Checks a list with the keys and algorithms of its issuer's policy.
///
/// `outcome` is that of a refresh of the keys, if there was one.
pub fn check_status_list(
    verifier: &Verifier,
    expected: &ExpectedStatusList<'_>,
    text: &str,
    outcome: Option<&RefreshOutcome>,
) -> StatusListStep {
    match (check(verifier, expected, text), outcome) {
        (Ok(list), _) => StatusListStep::Genuine(list),
        (Err(Pending::NeedsKeys(keys)), None) => StatusListStep::NeedsKeys(keys),
        (Err(Pending::Refused(error)), _) => StatusListStep::Refused(error),
        (Err(pending), Some(outcome)) => StatusListStep::Refused(pending.after(outcome)),
    }
}

fn refused(kind: Kind, detail: &'static str) -> Pending {
    VerifyError::new(kind, detail).into()
}

fn check(verifier: &Verifier, expected: &ExpectedStatusList<'_>, text: &str) -> Result<CheckedStatusList, Pending> {
    let revision = verifier.0.current.load();
    let (now, elapsed) = (verifier.0.clock.now(), verifier.0.clock.elapsed());
    let issuer = trusted(&revision, expected)?;
    let compact = Compact::split(text, expected.max_text_bytes())?;
    let header = Header::decode(compact.header)?;
    match &header.token_type {
        TokenType::Other(name) if name.eq_ignore_ascii_case(STATUS_LIST_TYPE) => {}
        other => return Err(VerifyError::mismatch(Kind::WrongType, "typ", STATUS_LIST_TYPE, other.name()).into()),
    }
    if header.algorithm.is_none_or(|algorithm| !issuer.algorithms.contains(&algorithm)) {
        return Err(refused(Kind::AlgorithmNotAllowed, "the list's alg is not on the issuer's list"));
    }
    let names = [Box::from("status_list"), Box::from("ttl")];
    let payload = Payload::decode(compact.payload, &names)?;
    check_names(&payload, &issuer, expected)?;
    let issued_at = payload.issued_at.ok_or_else(|| refused(Kind::MissingClaim, "iat is absent"))?;
    if is_early(issued_at, issuer.leeway, now) {
        return Err(refused(Kind::IssuedInFuture, "iat is in the future; compare clocks"));
    }
    if payload.not_before.is_some_and(|at| is_early(at, issuer.leeway, now)) {
        return Err(refused(Kind::NotYetValid, "nbf is in the future; compare clocks"));
    }
    if payload.expires.is_some_and(|expires| is_expired(expires, issuer.leeway, now)) {
        return Err(refused(Kind::Expired, "the list has expired; its host must publish a newer one"));
    }
    let ttl = payload.captured(&names, "ttl").map(ttl).transpose()?;
    let current = issuer.keys.cell().load();
    let current = usable_keys(&issuer, current.as_ref(), elapsed)?;
    let keys = keys_for(&issuer, current, &header, revision.danger_denied)?;
    matching_key(&compact, &keys)?;
    let members = payload.captured(&names, "status_list");
    let members = members.ok_or_else(|| refused(Kind::MissingClaim, "status_list is absent"))?;
    let list = read_list(members, expected.max_bytes)?;
    let expires_at = payload.expires.map(|expires| expires.saturating_add(issuer.leeway));
    Ok(CheckedStatusList { list, issued_at, expires_at, ttl })
}

/// The issuer of this name as it is trusted now, with the keys that sign its lists.
fn trusted(revision: &Revision, expected: &ExpectedStatusList<'_>) -> Result<Arc<TrustedIssuer>, Pending> {
    let lookup = || revision.resolved.as_ref().map(|source| source.lookup(expected.issuer));
    let issuer = match revision.issuers.get(expected.issuer) {
        Some(issuer) => Arc::clone(issuer),
        None => match lookup() {
            Some(IssuerLookup::Trusted(found))
                if found.issuer().issuer() == expected.issuer && !(revision.danger_denied && found.is_weakened()) =>
            {
                Arc::clone(found.issuer())
            }
            _ => return Err(refused(Kind::UnknownIssuer, "the issuer is no longer trusted")),
        },
    };
    let Some(keys) = expected.keys else { return Ok(issuer) };
    let mut with_keys = TrustedIssuer::clone(&issuer);
    with_keys.keys = Arc::clone(keys);
    Ok(Arc::new(with_keys))
}

/// Checks the names in the list: of itself, of its issuer, and of those that it is for.
fn check_names(
    payload: &Payload,
    issuer: &TrustedIssuer,
    expected: &ExpectedStatusList<'_>,
) -> Result<(), VerifyError> {
    let text = |text| payload.text(text);
    match payload.subject.map(text) {
        Some(found) if found == expected.uri => {}
        Some(found) => return Err(VerifyError::mismatch(Kind::WrongClaim, "sub", expected.uri, found)),
        None => return Err(VerifyError::new(Kind::MissingClaim, "sub is absent; it states the address of the list")),
    }
    if let Some(found) = payload.issuer.map(text).filter(|found| *found != issuer.issuer()) {
        return Err(VerifyError::mismatch(Kind::UnknownIssuer, "iss", issuer.issuer(), found));
    }
    let is_ours = |aud: &str| issuer.audiences.iter().any(|own| own == aud);
    if payload.audience != ListClaim::Absent && !payload.texts(&payload.audience).any(is_ours) {
        let found = payload.texts(&payload.audience).next().unwrap_or_default();
        return Err(VerifyError::mismatch(Kind::WrongAudience, "aud", "absent, or an audience of this service", found));
    }
    Ok(())
}

/// A positive number of seconds.
fn ttl(json: &str) -> Result<Duration, VerifyError> {
    let mut reader = JsonReader::new(json);
    let seconds = match (reader.peek(), reader.number()) {
        (Some(b'0'..=b'9'), Ok(Number::Whole(seconds))) => Some(Duration::from_secs(seconds)),
        (Some(b'0'..=b'9'), Ok(Number::Other(seconds))) => Duration::try_from_secs_f64(seconds).ok(),
        _ => None,
    };
    let is_positive = |ttl: &Duration| !ttl.is_zero();
    seconds.filter(is_positive).ok_or_else(|| VerifyError::new(Kind::InvalidClaim, "ttl is not a positive number"))
}

/// The object `status_list`.
fn read_list(json: &str, max_bytes: usize) -> Result<StatusList, VerifyError> {
    let malformed = || VerifyError::new(Kind::InvalidClaim, "status_list does not have bits and lst as defined");
    let mut reader = JsonReader::new(json);
    let (bits, list) = members(&mut reader).map_err(|NotJson| malformed())?;
    let (bits, list) = bits.zip(list).ok_or_else(malformed)?;
    let compressed = decode_base64url(reader.text(list))
        .ok_or_else(|| VerifyError::new(Kind::InvalidClaim, "lst is not canonical base64url"))?;
    StatusList::from_compressed(bits, &compressed, max_bytes)
}

fn members(reader: &mut JsonReader<'_>) -> Result<(Option<u8>, Option<Text>), NotJson> {
    let (mut bits, mut list) = (None, None);
    reader.members(|reader, name| {
        match (reader.peek(), reader.text(name)) {
            (Some(b'0'..=b'9'), "bits") => {
                bits = match reader.number()? {
                    Number::Whole(bits) => u8::try_from(bits).ok(),
                    Number::Other(_) => None,
                };
            }
            (Some(b'"'), "lst") => list = Some(reader.string()?),
            _ => drop(reader.skip(DEPTH)?),
        }
        Ok(())
    })?;
    Ok((bits, list))
}
