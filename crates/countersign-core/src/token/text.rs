//! Strings, lists of strings and times of the claims, read without copying what can stay where it stands.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;

use super::json::{MAX_CLAIMS_DEPTH, Skip};
use crate::clock::UnixTime;

/// A string of the payload: where it stands in the JSON, or, written with escapes there, in what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    start: u32,
    end: u32,
}

impl Text {
    /// The string, given the JSON that it came from and the strings that stood there with escapes.
    pub(super) fn of<'s>(self, json: &'s str, unescaped: &'s str) -> &'s str {
        let (start, end) = (self.start as usize, self.end as usize);
        let found = match start.checked_sub(json.len()) {
            None => json.get(start..end),
            Some(start) => unescaped.get(start..end.saturating_sub(json.len())),
        };
        found.unwrap_or_default()
    }
}

/// What is being read, and the strings found in it that were written with escapes.
pub(super) struct Page<'de> {
    json: &'de str,
    unescaped: String,
}

impl<'de> Page<'de> {
    pub(super) fn new(json: &'de str) -> Self {
        Page { json, unescaped: String::new() }
    }

    /// The strings that were written with escapes.
    pub(super) fn into_unescaped(self) -> String {
        self.unescaped
    }

    /// The place of a part of the JSON.
    pub(super) fn place(&mut self, part: &'de str) -> Text {
        let start = part.as_ptr().addr().wrapping_sub(self.json.as_ptr().addr());
        match self.json.get(start..start.wrapping_add(part.len())) {
            Some(found) if std::ptr::eq(found, part) => span(start, part.len()),
            _ => self.keep(part),
        }
    }

    fn keep(&mut self, unescaped: &str) -> Text {
        let start = self.json.len() + self.unescaped.len();
        self.unescaped.push_str(unescaped);
        span(start, unescaped.len())
    }
}

fn span(start: usize, length: usize) -> Text {
    let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX); // exact: a token is bounded far below
    Text { start: narrow(start), end: narrow(start + length) }
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

/// The visits of types that a claim may not have; all of a map is read first, so that what is wrong in it is found.
macro_rules! other_types_are {
    ($wrong:expr; $($visit:ident($type:ty)),*) => {
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok($wrong)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            Skip { depth_left: MAX_CLAIMS_DEPTH }.visit_map(map).map(|()| $wrong)
        }

        $(fn $visit<E: Error>(self, _: $type) -> Result<Self::Value, E> { Ok($wrong) })*
    };
}

/// A string, or `None` for any other type.
pub(super) struct TextSeed<'p, 'de>(pub(super) &'p mut Page<'de>);

impl<'de> DeserializeSeed<'de> for TextSeed<'_, 'de> {
    type Value = Option<Text>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextSeed<'_, 'de> {
    type Value = Option<Text>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(self.0.place(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(self.0.keep(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        Skip { depth_left: MAX_CLAIMS_DEPTH }.visit_seq(seq).map(|()| None)
    }

    other_types_are!(None; visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64));
}

/// A NumericDate within range, or `None` for anything else.
pub(super) struct TimeSeed;

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

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        Skip { depth_left: MAX_CLAIMS_DEPTH }.visit_seq(seq).map(|()| None)
    }

    other_types_are!(None; visit_bool(bool), visit_i64(i64), visit_str(&str));
}

/// A string or a list of strings.
pub(super) struct ListSeed<'p, 'de>(pub(super) &'p mut Page<'de>);

impl<'de> DeserializeSeed<'de> for ListSeed<'_, 'de> {
    type Value = ListClaim;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ListSeed<'_, 'de> {
    type Value = ListClaim;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of strings")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(ListClaim::One(self.0.place(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(ListClaim::One(self.0.keep(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut texts = SmallVec::new();
        let mut all_strings = true;
        while let Some(item) = seq.next_element_seed(TextSeed(self.0))? {
            match item {
                Some(text) => texts.push(text),
                None => all_strings = false,
            }
        }
        Ok(if all_strings { ListClaim::Many(texts) } else { ListClaim::Wrong })
    }

    other_types_are!(ListClaim::Wrong; visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64));
}
