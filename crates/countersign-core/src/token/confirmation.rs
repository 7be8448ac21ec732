//! The key that a token is bound to (`cnf`, RFC 7800 §3.1).

use super::json::{NotJson, Reader};

/// The methods of a confirmation claim that can be checked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Confirmation {
    /// `jkt` (RFC 9449 §6.1).
    pub(crate) key: Option<Box<str>>,
    /// `x5t#S256` (RFC 8705 §3.1).
    pub(crate) certificate: Option<Box<str>>,
}

impl Confirmation {
    /// Reads the claim; `None` if it is no object, or if a method that is known has another type than a string.
    pub(crate) fn read(json: &str) -> Option<Self> {
        let mut confirmation = Confirmation::default();
        let mut reader = Reader::new(json);
        reader
            .members(|reader, name| {
                let method = match reader.text(name) {
                    "jkt" => &mut confirmation.key,
                    "x5t#S256" => &mut confirmation.certificate,
                    _ => return reader.skip(DEPTH).map(drop),
                };
                if reader.peek() != Some(b'"') {
                    return Err(NotJson);
                }
                let text = reader.string()?;
                *method = Some(reader.text(text).into());
                Ok(())
            })
            .ok()?;
        Some(confirmation)
    }
}

/// The nesting permitted in other members, such as a whole key.
const DEPTH: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s6_24_s6_26_methods_that_are_known_are_texts_and_others_are_left_alone() {
        let read =
            Confirmation::read(r#"{"kid":"a","jkt":"\u0061b","jwk":{"x":[1]},"x5t#S256":"c"}"#).expect("an object");
        assert_eq!((read.key.as_deref(), read.certificate.as_deref()), (Some("ab"), Some("c")));
        assert_eq!(Confirmation::read("{}"), Some(Confirmation::default()));
        for wrong in ["null", "\"x\"", "[]", "1", r#"{"jkt":1}"#, r#"{"jkt":null}"#, r#"{"x5t#S256":["c"],"jkt":"a"}"#]
        {
            assert_eq!(Confirmation::read(wrong), None, "{wrong}");
        }
    }
}
