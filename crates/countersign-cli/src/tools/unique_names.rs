//! Duplicate names in JSON, of which readers see different values.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Returns whether no object of this JSON has a name twice. What is not JSON has no names.
pub(crate) fn are_unique(json: &[u8]) -> bool {
    match serde_json::from_slice::<Unique>(json) {
        Ok(Unique) => true,
        Err(error) => !error.to_string().starts_with(TWICE),
    }
}

const TWICE: &str = "a name occurs twice";

/// JSON without duplicate names.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Unique)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Unique, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if !names.insert(name) {
                return Err(A::Error::custom(TWICE));
            }
            members.next_value::<Unique>()?;
        }
        Ok(Unique)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Unique, A::Error> {
        while items.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique)
    }
}

#[cfg(test)]
mod tests {
    use super::are_unique;

    #[test]
    fn s1_10_duplicates_are_found_at_every_depth_and_in_every_spelling() {
        for unique in
            [r#"{"a":1,"b":[{"a":1},{"a":-2.5}],"c":{"a":null}}"#, "[]", "1", "\"a\"", "{", "text", "", "true"]
        {
            assert!(are_unique(unique.as_bytes()), "{unique}");
        }
        for twice in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"[0,{"x":{"a":[],"b":1,"a":{}}}]"#] {
            assert!(!are_unique(twice.as_bytes()), "{twice}");
        }
    }
}
