//! JSON without its ambiguities: a name once per object, bounded depth, bounded numbers.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;

/// The deepest nesting read in a header.
pub(crate) const MAX_HEADER_DEPTH: usize = 8;

/// The deepest nesting read in claims.
pub(crate) const MAX_CLAIMS_DEPTH: usize = 32;

/// The longest number read, in characters (S1.22).
const MAX_NUMBER_CHARS: usize = 64;

/// Up to so many names an object, doubles are looked for without sorting.
const FEW_NAMES: usize = 32;

/// The names seen in one object.
#[derive(Default)]
pub(crate) struct Names<'de>(SmallVec<[Cow<'de, str>; FEW_NAMES]>);

impl<'de> Names<'de> {
    /// Reads the next name, if there is one.
    pub(crate) fn next<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<Option<&str>, A::Error> {
        match map.next_key_seed(NameSeed)? {
            None => self.finish().map(|()| None),
            Some(name) => self.add(name).map(Some),
        }
    }

    /// Takes a name that must be new; beyond the first few, [`finish`](Self::finish) is who finds that it was not.
    pub(crate) fn add<E: Error>(&mut self, name: Cow<'de, str>) -> Result<&str, E> {
        refuse_double(self.0.len() >= FEW_NAMES || !self.0.contains(&name))?;
        self.0.push(name);
        Ok(self.0.last().map_or("", AsRef::as_ref))
    }

    /// Objects of many names are judged at their end, by sorting, so that time stays linear in practice (S11.08).
    pub(crate) fn finish<E: Error>(&mut self) -> Result<(), E> {
        if self.0.len() <= FEW_NAMES {
            return Ok(());
        }
        self.0.sort_unstable();
        refuse_double(self.0.windows(2).all(|pair| pair[0] != pair[1]))
    }
}

/// An error unless a name is new.
pub(crate) fn refuse_double<E: Error>(is_new: bool) -> Result<(), E> {
    if is_new { Ok(()) } else { Err(E::custom("a name stands twice in one object")) }
}

/// A member's name.
pub(crate) struct NameSeed;

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NameSeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// Reads any value, keeping nothing, refusing doubled names and depth beyond the number it holds.
#[derive(Clone, Copy)]
pub(crate) struct Skip {
    pub(crate) depth_left: usize,
}

impl Skip {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth_left = self.depth_left.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Skip { depth_left })
    }
}

impl<'de> DeserializeSeed<'de> for Skip {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Skip {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while seq.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut names = Names::default();
        while names.next(&mut map)?.is_some() {
            map.next_value_seed(inner)?;
        }
        Ok(())
    }
}

/// Whether `json` holds a number of more than 64 characters outside its strings.
///
/// A run that long covers one of every 32 positions, so that ordinary tokens are looked at in a few places only.
pub(crate) fn has_endless_number(json: &str) -> bool {
    let bytes = json.as_bytes();
    let is_part = |at: usize| matches!(bytes.get(at), Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let suspicious = (0..bytes.len()).step_by(MAX_NUMBER_CHARS / 2).any(|at| {
        is_part(at) && is_part(at + 1) && {
            let before = (0..at).rev().take_while(|&i| is_part(i)).count();
            let after = (at..bytes.len()).take_while(|&i| is_part(i)).count();
            before + after > MAX_NUMBER_CHARS
        }
    });
    suspicious && longest_number(bytes) > MAX_NUMBER_CHARS
}

/// The length of the longest number outside strings; reads everything once.
fn longest_number(bytes: &[u8]) -> usize {
    let (mut longest, mut run, mut in_string, mut escaped) = (0, 0, false, false);
    for &byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ => {}
        }
        let counts = !in_string && matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
        run = if counts { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skim(json: &str, depth_left: usize) -> Result<(), serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_str(json);
        Skip { depth_left }.deserialize(&mut reader)?;
        reader.end()
    }

    #[test]
    fn s1_09_s1_10_a_name_stands_once_per_object_at_every_depth() {
        for doubled in [r#"{"a":1,"a":2}"#, r#"{"x":[{"b":1,"b":1}]}"#, r#"{"a":1,"\u0061":2}"#] {
            assert!(skim(doubled, 8).is_err(), "{doubled}");
        }
        assert!(skim(r#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#, 8).is_ok());
        let many: Vec<String> = (0..40).map(|i| format!("\"n{i}\":{i}")).collect();
        assert!(skim(&format!("{{{}}}", many.join(",")), 8).is_ok());
        assert!(skim(&format!("{{{},\"n3\":0}}", many.join(",")), 8).is_err());
    }

    #[test]
    fn s1_21_depth_is_counted() {
        assert!(skim(&format!("{}{}", "[".repeat(8), "]".repeat(8)), 8).is_ok());
        assert!(skim(&format!("{}{}", "[".repeat(9), "]".repeat(9)), 8).is_err());
        assert!(skim(&"[".repeat(100_000), 8).is_err());
    }

    #[test]
    fn s1_22_long_numbers_are_found_wherever_they_stand() {
        for before in 0..70 {
            let spaces = " ".repeat(before);
            assert!(has_endless_number(&format!("{spaces}[{}]", "1".repeat(65))), "{before}");
            assert!(!has_endless_number(&format!("{spaces}[{}]", "1".repeat(64))), "{before}");
            assert!(!has_endless_number(&format!("{spaces}[\"{}\"]", "1".repeat(200))), "{before}");
            assert!(!has_endless_number(&format!("{spaces}[\"\\\"{}\"]", "1".repeat(200))), "{before}");
            assert!(has_endless_number(&format!("{spaces}[\"\\\\\",{}]", "1".repeat(65))), "{before}");
        }
        assert!(skim("1e400", 8).is_err());
    }
}
