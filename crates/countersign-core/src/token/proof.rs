//! The header and the claims of a DPoP proof (RFC 9449 §4.2); only their form is checked.

use super::header::Header;
use super::json::{NotJson, Reader};
use super::json_text::{JsonText, NotText};
use super::payload::numeric_date;
use super::text::Text;
use crate::clock::UnixTime;
use crate::error::{VerifyError, VerifyErrorKind as Kind};

/// The nesting permitted in the value of a claim.
const VALUE_DEPTH: usize = 8;

/// A header with the public key of the sender, as JSON.
pub(crate) struct ProofHeader {
    pub(crate) header: Header,
    pub(crate) jwk: Option<Box<str>>,
}

impl ProofHeader {
    pub(crate) fn decode(segment: &str) -> Result<Self, VerifyError> {
        let (header, jwk) = Header::decode_with_jwk(segment)?;
        Ok(ProofHeader { header, jwk })
    }
}

/// The claims of a proof; nothing of them is trusted yet.
#[derive(Debug, Default)]
pub(crate) struct ProofClaims {
    method: Option<Text>,
    uri: Option<Text>,
    token_id: Option<Text>,
    token_hash: Option<Text>,
    nonce: Option<Text>,
    pub(crate) issued_at: Option<UnixTime>,
    pub(crate) not_before: Option<UnixTime>,
    pub(crate) expires: Option<UnixTime>,
    json: Box<str>,
    unescaped: Box<str>,
}

impl ProofClaims {
    /// Decodes and reads the second segment of a proof.
    pub(crate) fn decode(segment: &str) -> Result<Self, VerifyError> {
        let malformed = |detail: &'static str| VerifyError::new(Kind::Malformed, detail);
        let json = JsonText::decode(segment).map_err(|reason| {
            malformed(match reason {
                NotText::NotBase64url => "the payload segment is not canonical base64url",
                NotText::NotUtf8 => "the claims are not UTF-8",
            })
        })?;
        let (mut claims, mut wrong) = (ProofClaims::default(), None);
        let mut reader = Reader::new(&json);
        let read = reader.members(|reader, name| claims.member(reader, name, &mut wrong)).and_then(|()| reader.end());
        if read.is_err() {
            return Err(malformed("the claims are not a JSON object of the right form"));
        }
        if let Some(name) = wrong {
            return Err(VerifyError::new(
                Kind::InvalidClaim,
                format!("{name} does not have the JSON type or range of its definition"),
            ));
        }
        claims.unescaped = reader.into_unescaped().into();
        claims.json = json.to_owned().into();
        Ok(claims)
    }

    fn member(&mut self, reader: &mut Reader<'_>, name: Text, wrong: &mut Option<&'static str>) -> Result<(), NotJson> {
        fn string(reader: &mut Reader<'_>) -> Result<Option<Text>, NotJson> {
            match reader.peek() {
                Some(b'"') => reader.string().map(Some),
                _ => reader.skip(VALUE_DEPTH).map(|_| None),
            }
        }
        macro_rules! read {
            ($name:literal, $field:ident, $read:ident) => {{
                self.$field = $read(reader)?;
                if self.$field.is_none() {
                    *wrong = Some($name);
                }
            }};
        }
        match reader.text(name) {
            "htm" => read!("htm", method, string),
            "htu" => read!("htu", uri, string),
            "jti" => read!("jti", token_id, string),
            "ath" => read!("ath", token_hash, string),
            "nonce" => read!("nonce", nonce, string),
            "iat" => read!("iat", issued_at, numeric_date),
            "nbf" => read!("nbf", not_before, numeric_date),
            "exp" => read!("exp", expires, numeric_date),
            _ => drop(reader.skip(VALUE_DEPTH)?),
        }
        Ok(())
    }

    /// The method (`htm`).
    pub(crate) fn method(&self) -> Option<&str> {
        self.text(self.method)
    }

    /// The address (`htu`).
    pub(crate) fn uri(&self) -> Option<&str> {
        self.text(self.uri)
    }

    /// The identifier (`jti`).
    pub(crate) fn token_id(&self) -> Option<&str> {
        self.text(self.token_id)
    }

    /// The hash of the access token (`ath`).
    pub(crate) fn token_hash(&self) -> Option<&str> {
        self.text(self.token_hash)
    }

    /// The nonce of the server (`nonce`).
    pub(crate) fn nonce(&self) -> Option<&str> {
        self.text(self.nonce)
    }

    fn text(&self, range: Option<Text>) -> Option<&str> {
        range.map(|range| range.of(&self.json, &self.unescaped))
    }
}

#[cfg(test)]
mod tests {
    use super::super::base64url::encode;
    use super::*;

    fn read(json: &str) -> Result<ProofClaims, VerifyError> {
        ProofClaims::decode(&encode(json.as_bytes()))
    }

    #[test]
    fn s6_04_claims_of_a_proof_are_read_as_written_and_each_once() {
        let read = read(r#"{"htm":"GET","htu":"https:\/\/a\/\u0072","jti":"j","iat":1.5,"x":{"htm":1},"exp":9}"#)
            .expect("claims");
        assert_eq!((read.method(), read.uri(), read.token_id()), (Some("GET"), Some("https://a/r"), Some("j")));
        assert_eq!((read.nonce(), read.token_hash(), read.expires), (None, None, Some(UnixTime::from_secs(9))));
        for json in [
            "[]",
            "{}x",
            r#"{"htm":"GET","htm":"GET"}"#,
            r#"{"jti":"a","\u006ati":"b"}"#,
            "{\"x\":[[[[[[[[[1]]]]]]]]]}",
        ] {
            assert_eq!(super::tests::read(json).expect_err(json).kind(), Kind::Malformed, "{json}");
        }
    }

    #[test]
    fn s6_10_s6_11_a_claim_of_another_type_is_never_absent() {
        for name in ["htm", "htu", "jti", "ath", "nonce"] {
            for value in ["1", "null", "[\"GET\"]", "{}", "true"] {
                let json = format!(r#"{{"{name}":{value}}}"#);
                assert_eq!(read(&json).expect_err(&json).kind(), Kind::InvalidClaim, "{json}");
            }
        }
        for name in ["iat", "nbf", "exp"] {
            for value in ["\"1\"", "null", "-1", "1e300"] {
                let json = format!(r#"{{"{name}":{value}}}"#);
                assert_eq!(read(&json).expect_err(&json).kind(), Kind::InvalidClaim, "{json}");
            }
        }
    }
}
