//! Claims decoded into a type by the reader that verification uses, so that both read a text alike.
//!
//! Numbers other than plain integers, enums, bytes and raw JSON go to `serde_json`. So does the whole text if anything is wrong with
//! it: its errors tell more.

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Error;

use crate::token::{JsonReader as Reader, MAX_CLAIMS_DEPTH, NotJson, Number, Text};

/// The longest text read here, in bytes; claims are far shorter.
const MAX_BYTES: usize = 1024 * 1024;

/// Decodes `json` into `C`, as `serde_json` does.
pub(super) fn decode<C: DeserializeOwned>(json: &str) -> Result<C, Error> {
    match decode_plain(json) {
        Some(decoded) => Ok(decoded),
        None => decode_by_serde_json(json),
    }
}

#[cold]
fn decode_by_serde_json<C: DeserializeOwned>(json: &str) -> Result<C, Error> {
    serde_json::from_str(json)
}

/// The value of `json`; `None` if `serde_json` must decide.
fn decode_plain<C: DeserializeOwned>(json: &str) -> Option<C> {
    if json.len() > MAX_BYTES {
        return None;
    }
    let mut decoder = Decoder { reader: Reader::new(json), depth: MAX_CLAIMS_DEPTH, gave_up: false };
    let decoded = C::deserialize(&mut decoder).ok();
    let is_whole = decoder.reader.end().is_ok() && !decoder.gave_up;
    decoded.filter(|_| is_whole)
}

struct Decoder<'de> {
    reader: Reader<'de>,
    /// The levels of nesting that are left.
    depth: usize,
    /// True once an error was made here, or within a list or object. A type may ignore the error of a part, which `serde_json`
    /// would perhaps not have made.
    gave_up: bool,
}

impl<'de> Decoder<'de> {
    #[cold]
    fn give_up(&mut self) -> Error {
        self.gave_up = true;
        Error::custom("")
    }

    #[inline]
    fn peek(&mut self) -> u8 {
        self.reader.peek().unwrap_or_default()
    }

    #[inline]
    fn expect(&mut self, sign: u8) -> Result<(), Error> {
        self.reader.expect(sign).map_err(|NotJson| self.give_up())
    }

    /// Skips a value and returns its text.
    fn value(&mut self) -> Result<&'de str, Error> {
        match self.reader.skip(self.depth) {
            Ok(range) => Ok(self.reader.written(range)),
            Err(NotJson) => Err(self.give_up()),
        }
    }

    fn string(&mut self) -> Result<Text, Error> {
        self.reader.string().map_err(|NotJson| self.give_up())
    }

    #[inline]
    fn visit_string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let range = self.string()?;
        match self.reader.plain(range) {
            Some(text) => visitor.visit_borrowed_str(text),
            None => visitor.visit_str(self.reader.text(range)),
        }
    }

    /// The next value if it is a plain integer, else the text of the number.
    fn number(&mut self) -> Result<Result<u64, &'de str>, Error> {
        if !matches!(self.peek(), b'0'..=b'9' | b'-') {
            return Err(self.give_up());
        }
        let start = self.reader.position();
        match self.reader.number() {
            Ok(Number::Whole(number)) => Ok(Ok(number)),
            Ok(Number::Other(_)) => Ok(Err(self.reader.since(start))),
            Err(NotJson) => Err(self.give_up()),
        }
    }

    fn visit_map<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        self.enter(b'{')?;
        let value = visitor.visit_map(Parts { decoder: self, end: b'}', is_first: true });
        self.leave(b'}', value)
    }

    fn visit_seq<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        self.enter(b'[')?;
        let value = visitor.visit_seq(Parts { decoder: self, end: b']', is_first: true });
        self.leave(b']', value)
    }

    #[inline]
    fn enter(&mut self, sign: u8) -> Result<(), Error> {
        let Some(depth) = self.depth.checked_sub(1) else { return Err(self.give_up()) };
        self.depth = depth;
        self.expect(sign)
    }

    #[inline]
    fn leave<T>(&mut self, sign: u8, value: Result<T, Error>) -> Result<T, Error> {
        self.depth += 1;
        let value = self.unless_ignored(value)?;
        self.expect(sign).map(|()| value)
    }

    /// Notes an error within a value: whoever ignores it goes on elsewhere than with `serde_json`.
    #[inline]
    fn unless_ignored<T>(&mut self, value: Result<T, Error>) -> Result<T, Error> {
        self.gave_up |= value.is_err();
        value
    }
}

/// Hands numbers to the visitor: plain integers as such, others by `serde_json`.
macro_rules! numbers {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.number()? {
                Ok(number) => visitor.visit_u64(number),
                Err(text) => serde_json::Deserializer::from_str(text).$method(visitor),
            }
        }
    )*};
}

/// Hands values to `serde_json`.
macro_rules! by_serde_json {
    ($($method:ident($($name:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, Error> {
            let mut inner = serde_json::Deserializer::from_str(self.value()?);
            let value = inner.$method($($name,)* visitor).and_then(|value| inner.end().map(|()| value));
            self.unless_ignored(value)
        }
    )*};
}

macro_rules! strings {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.visit_string(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Decoder<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            b'"' => self.visit_string(visitor),
            b'{' => self.visit_map(visitor),
            b'[' => self.visit_seq(visitor),
            b't' | b'f' => self.deserialize_bool(visitor),
            b'n' => self.deserialize_unit(visitor),
            _ => self.deserialize_u64(visitor),
        }
    }

    numbers! {
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_f32 deserialize_f64
    }

    strings! { deserialize_str deserialize_string deserialize_char deserialize_identifier }

    by_serde_json! {
        deserialize_i128()
        deserialize_u128()
        deserialize_bytes()
        deserialize_byte_buf()
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value()? {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(self.give_up()),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value()? {
            "null" => visitor.visit_unit(),
            _ => Err(self.give_up()),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.peek() != b'n' {
            return visitor.visit_some(self);
        }
        self.value()?;
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        if !name.starts_with("$serde_json::private::") {
            return visitor.visit_newtype_struct(self);
        }
        let value = serde_json::Deserializer::from_str(self.value()?).deserialize_newtype_struct(name, visitor);
        self.unless_ignored(value)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.visit_seq(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.visit_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.visit_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.visit_map(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.peek() {
            b'[' => self.visit_seq(visitor),
            _ => self.visit_map(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.value()?;
        visitor.visit_unit()
    }
}

/// The members of an object, or the items of a list.
struct Parts<'d, 'de> {
    decoder: &'d mut Decoder<'de>,
    end: u8,
    is_first: bool,
}

impl Parts<'_, '_> {
    /// Returns whether another part follows, and moves to it.
    #[inline]
    fn moves_on(&mut self) -> Result<bool, Error> {
        if self.decoder.peek() == self.end {
            return Ok(false);
        }
        if !std::mem::take(&mut self.is_first) {
            self.decoder.expect(b',')?;
        }
        Ok(true)
    }
}

impl<'de> MapAccess<'de> for Parts<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        match self.moves_on()? {
            true => seed.deserialize(Name(self.decoder)).map(Some),
            false => Ok(None),
        }
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.decoder.expect(b':')?;
        seed.deserialize(&mut *self.decoder)
    }
}

impl<'de> SeqAccess<'de> for Parts<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        match self.moves_on()? {
            true => seed.deserialize(&mut *self.decoder).map(Some),
            false => Ok(None),
        }
    }
}

/// The name of a member.
struct Name<'d, 'de>(&'d mut Decoder<'de>);

/// Types of names that `serde_json` reads from the text of the name.
macro_rules! not_here {
    ($($method:ident($($type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $(_: $type,)* _: V) -> Result<V::Value, Error> {
            Err(self.0.give_up())
        }
    )*};
}

impl<'de> Deserializer<'de> for Name<'_, 'de> {
    type Error = Error;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.0.visit_string(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        match name.starts_with("$serde_json::private::") {
            true => Err(self.0.give_up()),
            false => visitor.visit_newtype_struct(self),
        }
    }

    not_here! {
        deserialize_bool() deserialize_bytes() deserialize_byte_buf()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_f32() deserialize_f64()
        deserialize_enum(&'static str, &'static [&'static str])
    }

    forward_to_deserialize_any! {
        char str string unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests;
