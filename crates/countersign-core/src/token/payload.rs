//! The claims as read in one pass: registered ones by position, everything else left as text.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::base64url;
use super::json::{MAX_CLAIMS_DEPTH, Names, Skip, has_endless_number};
use crate::clock::UnixTime;
use crate::error::{VerifyError, VerifyErrorKind as Kind};

/// A string of the payload: where it stands, or a copy where it was written with escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    Span(Range<usize>),
    Owned(Box<str>),
}

impl Text {
    fn within(json: &str, borrowed: &str) -> Self {
        let start = borrowed.as_ptr().addr().wrapping_sub(json.as_ptr().addr());
        match json.get(start..start.wrapping_add(borrowed.len())) {
            Some(found) if found == borrowed => Text::Span(start..start + borrowed.len()),
            _ => Text::Owned(borrowed.into()),
        }
    }

    /// The string, given the payload that it came from.
    pub(crate) fn of<'s>(&'s self, json: &'s str) -> &'s str {
        match self {
            Text::Span(range) => json.get(range.clone()).unwrap_or_default(),
            Text::Owned(text) => text,
        }
    }
}

/// A claim that is a string or a list by its definition or some issuers' habit (`aud`, `scope`, `scp`, `amr`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ListClaim {
    #[default]
    Absent,
    One(Text),
    Many(SmallVec<[Text; 2]>),
    /// Another JSON type, or a list that holds one.
    Wrong,
}

impl ListClaim {
    /// The strings, one or many.
    pub(crate) fn items(&self) -> &[Text] {
        match self {
            ListClaim::Absent | ListClaim::Wrong => &[],
            ListClaim::One(text) => std::slice::from_ref(text),
            ListClaim::Many(texts) => texts,
        }
    }
}

/// A decoded payload with its registered claims (RFC 7519 §4.1, RFC 9068 §2.2) found, nothing of it believed yet.
#[derive(Debug)]
pub(crate) struct Payload {
    pub(crate) json: Box<str>,
    pub(crate) issuer: Option<Text>,
    pub(crate) subject: Option<Text>,
    pub(crate) audience: ListClaim,
    pub(crate) expires: Option<UnixTime>,
    pub(crate) not_before: Option<UnixTime>,
    pub(crate) issued_at: Option<UnixTime>,
    pub(crate) auth_time: Option<UnixTime>,
    pub(crate) token_id: Option<Text>,
    pub(crate) client_id: Option<Text>,
    pub(crate) acr: Option<Text>,
    pub(crate) amr: ListClaim,
    pub(crate) scope: ListClaim,
    pub(crate) scp: ListClaim,
    pub(crate) has_confirmation: bool,
    pub(crate) has_id_token_claims: bool,
    /// The outermost actor of a delegated token (RFC 8693 §4.1).
    pub(crate) actor: Option<Box<str>>,
    /// The members that some issuer's mapping asks for, as (index into the wanted names, where its JSON stands).
    pub(crate) captured: SmallVec<[(usize, Range<usize>); 4]>,
}

impl Payload {
    /// Decodes and reads the second segment of a token; `wanted` as in [`parse`](Self::parse).
    pub(crate) fn decode(segment: &str, wanted: &[Box<str>]) -> Result<Self, VerifyError> {
        let json = base64url::decode(segment)
            .ok_or_else(|| VerifyError::new(Kind::Malformed, "the payload segment is no canonical base64url"))?;
        Self::parse(json, wanted)
    }

    /// Reads a decoded payload segment; `wanted` are top-level names whose JSON is to be kept at hand.
    pub(crate) fn parse(json: Vec<u8>, wanted: &[Box<str>]) -> Result<Self, VerifyError> {
        let malformed = |detail: &'static str| VerifyError::new(Kind::Malformed, detail);
        let json = String::from_utf8(json).map_err(|_| malformed("the claims are no UTF-8"))?.into_boxed_str();
        if has_endless_number(&json) {
            return Err(malformed("the claims hold a number of more than 64 characters"));
        }
        let mut payload = Payload::empty();
        let mut wrong_claim = None;
        let mut reader = serde_json::Deserializer::from_str(&json);
        let read = ClaimsSeed { json: &json, wanted, payload: &mut payload, wrong_claim: &mut wrong_claim }
            .deserialize(&mut reader)
            .and_then(|()| reader.end());
        if let Some(name) = wrong_claim {
            return Err(VerifyError::new(
                Kind::InvalidClaim,
                format!("{name} has another JSON type or range than its definition"),
            ));
        }
        read.map_err(|_| malformed("the claims are no JSON object of the right form"))?;
        payload.json = json;
        Ok(payload)
    }

    /// The same claims with other names kept at hand.
    pub(crate) fn read_again(&self, wanted: &[Box<str>]) -> Result<Self, VerifyError> {
        Self::parse(self.json.as_bytes().to_vec(), wanted)
    }

    fn empty() -> Self {
        Payload {
            json: Box::default(),
            issuer: None,
            subject: None,
            audience: ListClaim::Absent,
            expires: None,
            not_before: None,
            issued_at: None,
            auth_time: None,
            token_id: None,
            client_id: None,
            acr: None,
            amr: ListClaim::Absent,
            scope: ListClaim::Absent,
            scp: ListClaim::Absent,
            has_confirmation: false,
            has_id_token_claims: false,
            actor: None,
            captured: SmallVec::new(),
        }
    }

    /// The string behind `text`.
    pub(crate) fn text<'p>(&'p self, text: &'p Text) -> &'p str {
        text.of(&self.json)
    }
}

struct ClaimsSeed<'a, 'de> {
    json: &'de str,
    wanted: &'a [Box<str>],
    payload: &'a mut Payload,
    wrong_claim: &'a mut Option<&'static str>,
}

impl<'de> ClaimsSeed<'_, 'de> {
    /// Notes a claim of the wrong type; reading ends there, so that "failed to parse" is never "absent" (S3.05).
    fn wrong<E: Error>(&mut self, name: &'static str) -> E {
        *self.wrong_claim = Some(name);
        E::custom(name)
    }

    fn text<A: MapAccess<'de>>(&mut self, name: &'static str, map: &mut A) -> Result<Option<Text>, A::Error> {
        match map.next_value_seed(TextSeed { json: self.json })? {
            Some(text) => Ok(Some(text)),
            None => Err(self.wrong(name)),
        }
    }

    fn time<A: MapAccess<'de>>(&mut self, name: &'static str, map: &mut A) -> Result<Option<UnixTime>, A::Error> {
        match map.next_value_seed(TimeSeed)? {
            Some(time) => Ok(Some(time)),
            None => Err(self.wrong(name)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for ClaimsSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ClaimsSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a claims object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut names = Names::default();
        let inner = Skip { depth_left: MAX_CLAIMS_DEPTH - 1 };
        while let Some(name) = names.next(&mut map)? {
            match name {
                "iss" => self.payload.issuer = self.text("iss", &mut map)?,
                "sub" => self.payload.subject = self.text("sub", &mut map)?,
                "jti" => self.payload.token_id = self.text("jti", &mut map)?,
                "client_id" => self.payload.client_id = self.text("client_id", &mut map)?,
                "acr" => self.payload.acr = self.text("acr", &mut map)?,
                "exp" => self.payload.expires = self.time("exp", &mut map)?,
                "nbf" => self.payload.not_before = self.time("nbf", &mut map)?,
                "iat" => self.payload.issued_at = self.time("iat", &mut map)?,
                "auth_time" => self.payload.auth_time = self.time("auth_time", &mut map)?,
                "amr" => self.payload.amr = map.next_value_seed(ListSeed { json: self.json })?,
                "aud" => self.payload.audience = map.next_value_seed(ListSeed { json: self.json })?,
                "scope" => self.payload.scope = map.next_value_seed(ListSeed { json: self.json })?,
                "scp" => self.payload.scp = map.next_value_seed(ListSeed { json: self.json })?,
                "act" => {
                    let raw: &'de RawValue = map.next_value()?;
                    match actor(raw.get())? {
                        Some(actor) => self.payload.actor = Some(actor),
                        None => return Err(self.wrong("act")),
                    }
                }
                "cnf" => {
                    map.next_value_seed(inner)?;
                    self.payload.has_confirmation = true;
                }
                "nonce" | "at_hash" | "c_hash" => {
                    map.next_value_seed(inner)?;
                    self.payload.has_id_token_claims = true;
                }
                other => match self.wanted.iter().position(|wanted| **wanted == *other) {
                    Some(index) => {
                        let raw: &'de RawValue = map.next_value()?;
                        skim(raw.get(), MAX_CLAIMS_DEPTH - 1)?;
                        if let Text::Span(range) = Text::within(self.json, raw.get()) {
                            self.payload.captured.push((index, range));
                        }
                    }
                    None => map.next_value_seed(inner)?,
                },
            }
        }
        Ok(())
    }
}

/// The deepest chain of actors followed.
const MAX_ACTORS: usize = 8;

#[derive(Deserialize)]
struct Actor<'a> {
    sub: Option<Box<str>>,
    #[serde(borrow)]
    act: Option<&'a RawValue>,
}

/// The subject of the outermost actor; only that one may drive a decision (S3.29). `None` where the form is wrong.
fn actor<E: Error>(json: &str) -> Result<Option<Box<str>>, E> {
    skim(json, MAX_CLAIMS_DEPTH - 1)?;
    let Ok(outermost) = serde_json::from_str::<Actor<'_>>(json) else { return Ok(None) };
    let mut inner = outermost.act;
    for _ in 1..MAX_ACTORS {
        let Some(raw) = inner else { return Ok(outermost.sub) };
        let Ok(next) = serde_json::from_str::<Actor<'_>>(raw.get()) else { return Ok(None) };
        inner = next.act;
    }
    Ok(if inner.is_none() { outermost.sub } else { None })
}

fn skim<E: Error>(json: &str, depth_left: usize) -> Result<(), E> {
    let mut reader = serde_json::Deserializer::from_str(json);
    Skip { depth_left }.deserialize(&mut reader).map_err(E::custom)
}

macro_rules! other_types_are {
    ($wrong:expr; $($visit:ident($type:ty)),*) => {
        $(fn $visit<E: Error>(self, _: $type) -> Result<Self::Value, E> { Ok($wrong) })*
    };
}

/// A string, or `None` for any other type.
struct TextSeed<'de> {
    json: &'de str,
}

impl<'de> DeserializeSeed<'de> for TextSeed<'de> {
    type Value = Option<Text>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextSeed<'de> {
    type Value = Option<Text>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Text::within(self.json, text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Text::Owned(text.into())))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        Skip { depth_left: MAX_CLAIMS_DEPTH }.visit_seq(seq).map(|()| None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Skip { depth_left: MAX_CLAIMS_DEPTH }.visit_map(map).map(|()| None)
    }

    other_types_are!(None; visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64));
}

/// A NumericDate within range, or `None` for anything else.
struct TimeSeed;

impl<'de> DeserializeSeed<'de> for TimeSeed {
    type Value = Option<UnixTime>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TimeSeed {
    type Value = Option<UnixTime>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds")
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Self::Value, E> {
        Ok(Some(UnixTime::from_secs(seconds)).filter(|time| *time <= UnixTime::MAX))
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Self::Value, E> {
        Ok(UnixTime::from_numeric_date(seconds))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        Skip { depth_left: MAX_CLAIMS_DEPTH }.visit_seq(seq).map(|()| None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Skip { depth_left: MAX_CLAIMS_DEPTH }.visit_map(map).map(|()| None)
    }

    other_types_are!(None; visit_bool(bool), visit_i64(i64), visit_str(&str));
}

/// A string or a list of strings.
struct ListSeed<'de> {
    json: &'de str,
}

impl<'de> DeserializeSeed<'de> for ListSeed<'de> {
    type Value = ListClaim;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ListSeed<'de> {
    type Value = ListClaim;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of strings")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(ListClaim::One(Text::within(self.json, text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(ListClaim::One(Text::Owned(text.into())))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(ListClaim::Wrong)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut texts = SmallVec::new();
        let mut all_strings = true;
        while let Some(item) = seq.next_element_seed(TextSeed { json: self.json })? {
            match item {
                Some(text) => texts.push(text),
                None => all_strings = false,
            }
        }
        Ok(if all_strings { ListClaim::Many(texts) } else { ListClaim::Wrong })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Skip { depth_left: MAX_CLAIMS_DEPTH }.visit_map(map).map(|()| ListClaim::Wrong)
    }

    other_types_are!(ListClaim::Wrong; visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Payload, VerifyError> {
        Payload::parse(json.as_bytes().to_vec(), &["roles".into()])
    }

    #[test]
    fn s1_23_only_an_object_has_claims() {
        for json in ["[]", "\"x\"", "1", "null", "", "text", "{\"iss\":\"a\"}x"] {
            assert_eq!(parse(json).expect_err(json).kind(), Kind::Malformed, "{json}");
        }
    }

    #[test]
    fn s3_05_s3_07_times_of_another_type_or_range_are_fatal() {
        for name in ["exp", "nbf", "iat", "auth_time"] {
            for value in [
                "\"1700000000\"",
                "\"never\"",
                "null",
                "true",
                "[]",
                "{}",
                "-1",
                "1700000000000",
                "9223372036854775807",
                "18446744073709551616",
                "1e300",
            ] {
                let json = format!(r#"{{"{name}":{value}}}"#);
                assert_eq!(parse(&json).expect_err(&json).kind(), Kind::InvalidClaim, "{json}");
            }
        }
        assert_eq!(parse(r#"{"iat":1.7e9}"#).expect("legal").issued_at, Some(UnixTime::from_secs(1_700_000_000)));
    }

    #[test]
    fn s3_12_s3_20_strings_of_another_type_are_fatal() {
        for json in [
            r#"{"iss":["a"]}"#,
            r#"{"iss":{}}"#,
            r#"{"iss":1}"#,
            r#"{"sub":42}"#,
            r#"{"jti":1}"#,
            r#"{"client_id":[]}"#,
        ] {
            assert_eq!(parse(json).expect_err(json).kind(), Kind::InvalidClaim, "{json}");
        }
    }

    #[test]
    fn s3_29_the_outermost_actor_is_the_actor() {
        let actor = |json: &str| parse(json).map(|payload| payload.actor);
        assert_eq!(
            actor(r#"{"act":{"sub":"gateway","act":{"sub":"admin"}}}"#).expect("legal").as_deref(),
            Some("gateway")
        );
        for wrong in [r#"{"act":"x"}"#, r#"{"act":{"act":1}}"#, r#"{"act":[]}"#] {
            assert_eq!(actor(wrong).expect_err(wrong).kind(), Kind::InvalidClaim);
        }
        let deep = format!("{}{{\"sub\":\"x\"}}{}", "{\"sub\":\"y\",\"act\":".repeat(8), "}".repeat(8));
        assert!(actor(&format!("{{\"act\":{deep}}}")).is_err());
    }

    #[test]
    fn escaped_strings_and_captured_members_read_the_same() {
        let payload = parse(r#"{"sub":"a\u0062c","iss":"plain","roles":["x", "y"]}"#).expect("legal");
        assert_eq!(payload.text(payload.subject.as_ref().expect("sub")), "abc");
        assert_eq!(payload.issuer, Some(Text::Span(25..30)));
        let (index, range) = &payload.captured[0];
        assert_eq!((*index, &payload.json[range.clone()]), (0, r#"["x", "y"]"#));
    }
}
