//! The protected header (RFC 7515 §4). Members without a meaning here are ignored or refused by rule.

use compact_str::CompactString;

use super::json::{MAX_HEADER_DEPTH, NotJson, Reader};
use super::kind::TokenKind;
use super::text::Text;
use super::{MAX_HEADER_BYTES, MAX_KEY_ID_BYTES, base64url};
use crate::algorithm::Algorithm;
use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::redact::safe_text;

/// The content of a header; only its form is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// `None` for a name that is not a supported algorithm, such as `none`.
    pub(crate) algorithm: Option<Algorithm>,
    /// The name as written, safe to log; empty for a supported algorithm.
    pub(crate) algorithm_name: Box<str>,
    pub(crate) key_id: Option<CompactString>,
    pub(crate) token_type: TokenType,
    /// The kind of token that `cty` names.
    pub(crate) content_kind: Option<TokenKind>,
}

/// The `typ` of a header as a media type (RFC 7515 §4.1.9), compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TokenType {
    Absent,
    /// `JWT`
    Jwt,
    /// `at+jwt` (RFC 9068)
    AccessToken,
    /// Any other type, without `application/`; untrusted text.
    Other(Box<str>),
}

impl TokenType {
    /// The name of the type; `nothing` if it is absent.
    pub(crate) fn name(&self) -> &str {
        match self {
            TokenType::Absent => "nothing",
            TokenType::Jwt => "JWT",
            TokenType::AccessToken => "at+jwt",
            TokenType::Other(name) => name,
        }
    }

    fn from_name(name: &str) -> Self {
        let bare =
            name.get(..12).filter(|prefix| prefix.eq_ignore_ascii_case("application/")).map_or(name, |_| &name[12..]);
        if bare.eq_ignore_ascii_case("at+jwt") {
            TokenType::AccessToken
        } else if bare.eq_ignore_ascii_case("jwt") {
            TokenType::Jwt
        } else {
            TokenType::Other(bare.into())
        }
    }
}

impl Header {
    /// Decodes and reads the first segment of a token.
    #[inline(always)]
    pub(crate) fn decode(segment: &str) -> Result<Self, VerifyError> {
        let mut buffer = [0; HEADER_ON_STACK];
        if let Some(json) = base64url::decode_into(segment, &mut buffer) {
            return Self::parse(json);
        }
        Self::parse(&decode_long(segment)?)
    }

    /// Decodes and reads the first segment of a proof, with the JSON of its `jwk`.
    pub(super) fn decode_with_jwk(segment: &str) -> Result<(Self, Option<Box<str>>), VerifyError> {
        let raw = RawHeader { keeps_jwk: true, ..RawHeader::default() };
        let mut raw = Self::read_into(raw, &decode_long(segment)?)?;
        let jwk = raw.jwk.take();
        raw.check().map(|header| (header, jwk))
    }

    /// Reads the decoded header segment.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, VerifyError> {
        Self::read_into(RawHeader::default(), json)?.check()
    }

    fn read_into(raw: RawHeader, json: &[u8]) -> Result<RawHeader, VerifyError> {
        if json.len() > MAX_HEADER_BYTES {
            return Err(VerifyError::new(Kind::TooLarge, "the header is longer than 4 KiB"));
        }
        let malformed = || VerifyError::new(Kind::Malformed, "the header is not a JSON object of the right form");
        let json = std::str::from_utf8(json).map_err(|_| malformed())?;
        raw.read(json).map_err(|NotJson| malformed())
    }
}

fn decode_long(segment: &str) -> Result<Vec<u8>, VerifyError> {
    base64url::decode(segment)
        .ok_or_else(|| VerifyError::new(Kind::Malformed, "the header segment is not canonical base64url"))
}

/// The size of the buffer for decoded headers, in bytes; longer ones are rare and are allocated.
const HEADER_ON_STACK: usize = 512;

/// The nesting permitted in a member's value; the header itself is the first level.
const VALUE_DEPTH: usize = MAX_HEADER_DEPTH - 1;

#[derive(Default)]
struct RawHeader {
    algorithm: Option<CompactString>,
    key_id: Option<CompactString>,
    token_type: Option<CompactString>,
    content_type: Option<CompactString>,
    key_id_is_null: bool,
    has_critical: bool,
    unencoded: bool,
    keeps_jwk: bool,
    jwk: Option<Box<str>>,
}

impl RawHeader {
    fn read(mut self, json: &str) -> Result<Self, NotJson> {
        let mut reader = Reader::new(json);
        reader.members(|reader, name| self.member(reader, name))?;
        reader.end()?;
        Ok(self)
    }

    fn member(&mut self, reader: &mut Reader<'_>, name: Text) -> Result<(), NotJson> {
        let string = |reader: &mut Reader<'_>| reader.string().map(|text| Some(reader.text(text).into()));
        match reader.text(name) {
            "alg" => self.algorithm = string(reader)?,
            "kid" => match reader.peek() {
                Some(b'n') => {
                    reader.skip(VALUE_DEPTH)?;
                    self.key_id_is_null = true;
                }
                _ => self.key_id = string(reader)?,
            },
            "typ" => self.token_type = string(reader)?,
            "cty" => self.content_type = string(reader)?,
            "b64" => {
                let json = reader.skip(VALUE_DEPTH)?;
                self.unencoded = reader.text(json) != "true";
            }
            "crit" => {
                reader.skip(VALUE_DEPTH)?;
                self.has_critical = true;
            }
            "jwk" if self.keeps_jwk => {
                let json = reader.skip(VALUE_DEPTH)?;
                self.jwk = Some(reader.text(json).into());
            }
            _ => drop(reader.skip(VALUE_DEPTH)?),
        }
        Ok(())
    }

    fn check(self) -> Result<Header, VerifyError> {
        let name = self.algorithm.ok_or_else(|| VerifyError::new(Kind::Malformed, "the header has no alg"))?;
        // This crate supports no extension that `crit` could name, so its presence decides (RFC 7515 §4.1.11).
        if self.has_critical {
            return Err(VerifyError::new(Kind::CriticalHeader, "the header has crit, and no extension is supported"));
        }
        if self.unencoded {
            return Err(VerifyError::new(
                Kind::CriticalHeader,
                "b64 is not true; JWTs are always encoded (RFC 7797 §7)",
            ));
        }
        if self
            .content_type
            .as_ref()
            .is_some_and(|cty| cty.eq_ignore_ascii_case("jwt") || cty.eq_ignore_ascii_case("application/jwt"))
        {
            return Err(VerifyError::new(Kind::Nested, "cty is JWT; nested tokens are not supported"));
        }
        if self.key_id_is_null {
            return Err(VerifyError::new(Kind::Malformed, "kid is null; a token without a key ID must omit it"));
        }
        if self.key_id.as_ref().is_some_and(|kid| kid.is_empty() || kid.len() > MAX_KEY_ID_BYTES) {
            return Err(VerifyError::new(Kind::Malformed, "kid is empty or longer than 256 bytes"));
        }
        let algorithm = Algorithm::from_name(&name);
        Ok(Header {
            algorithm,
            algorithm_name: if algorithm.is_some() { Box::default() } else { safe_text(&name).into() },
            key_id: self.key_id,
            token_type: self.token_type.as_deref().map_or(TokenType::Absent, TokenType::from_name),
            content_kind: self.content_type.as_deref().and_then(TokenKind::from_content_type),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(json: &str) -> Kind {
        Header::parse(json.as_bytes()).err().unwrap_or_else(|| panic!("accepted {json}")).kind()
    }

    #[test]
    fn s1_08_only_a_whole_json_object() {
        for json in [
            "[]",
            "null",
            "1",
            "\"x\"",
            "{}{}",
            "{\"alg\":\"ES256\"} x",
            "\u{feff}{\"alg\":\"ES256\"}",
            "{\"alg\":\"ES256\",}",
            "{\"alg\":\"ES256\"",
            "{\"alg\":\"ES256\",\"x\":NaN}",
            "{\"alg\":\"ES256\"/**/}",
            "{\"alg\":\"ES256\",\"x\":\"\\ud800\"}",
        ] {
            assert_eq!(kind(json), Kind::Malformed, "{json}");
        }
        assert!(Header::parse(b"{\"alg\":\"ES256\",\"x\":\"\xff\"}").is_err());
    }

    #[test]
    fn s1_09_s1_16_names_count_once_and_by_case() {
        for json in [
            r#"{"alg":"none","alg":"ES256"}"#,
            r#"{"alg":"ES256","alg":"none"}"#,
            r#"{"alg":"ES256","\u0061lg":"none"}"#,
            r#"{"alg":"ES256","x":1,"x":1}"#,
            r#"{"ALG":"ES256"}"#,
            r#"{"Alg":"ES256"}"#,
        ] {
            assert_eq!(kind(json), Kind::Malformed, "{json}");
        }
    }

    #[test]
    fn s1_11_to_s1_14_crit_and_b64_are_fatal() {
        for json in [
            r#"{"alg":"ES256","crit":["urn:x"],"urn:x":1}"#,
            r#"{"alg":"ES256","crit":["exp"],"exp":1}"#,
            r#"{"alg":"ES256","crit":["b64"],"b64":true}"#,
            r#"{"alg":"ES256","crit":[]}"#,
            r#"{"alg":"ES256","crit":"b64"}"#,
            r#"{"alg":"ES256","crit":null}"#,
            r#"{"alg":"ES256","crit":[1]}"#,
            r#"{"alg":"ES256","crit":{}}"#,
            r#"{"alg":"ES256","crit":["alg"]}"#,
            r#"{"alg":"ES256","b64":false}"#,
            r#"{"alg":"ES256","b64":"false"}"#,
            r#"{"alg":"ES256","b64":0}"#,
        ] {
            assert_eq!(kind(json), Kind::CriticalHeader, "{json}");
        }
        assert!(Header::parse(br#"{"alg":"ES256","b64":true}"#).is_ok());
        assert!(Header::parse(br#"{"alg":"ES256","foo":{"a":1}}"#).is_ok(), "S1.15");
    }

    #[test]
    fn s1_19_nested_tokens_are_refused() {
        assert_eq!(kind(r#"{"alg":"ES256","cty":"JWT"}"#), Kind::Nested);
        assert_eq!(kind(r#"{"alg":"ES256","cty":"jwt"}"#), Kind::Nested);
    }

    #[test]
    fn s2_02_s2_27_no_spelling_of_none_is_an_algorithm() {
        for name in ["none", "None", "NONE", "nOnE", " none", "none\\u0000", "", "RS1", "HS1", "es256", "ES256 ", "dir"]
        {
            let header = Header::parse(format!(r#"{{"alg":"{name}"}}"#).as_bytes()).expect("well-formed");
            assert_eq!(header.algorithm, None, "{name}");
        }
        for json in ["{}", r#"{"alg":null}"#, r#"{"alg":["ES256"]}"#, r#"{"alg":0}"#] {
            assert_eq!(kind(json), Kind::Malformed, "{json}");
        }
    }

    #[test]
    fn s3_17_typ_is_a_media_type() {
        let token_type =
            |name: &str| Header::parse(format!(r#"{{"alg":"ES256","typ":"{name}"}}"#).as_bytes()).map(|h| h.token_type);
        for name in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
            assert_eq!(token_type(name).ok(), Some(TokenType::AccessToken), "{name}");
        }
        for name in ["at+jwt; x=y", "application/application/at+jwt", "xat+jwt", "dpop+jwt", ""] {
            assert!(matches!(token_type(name), Ok(TokenType::Other(_))), "{name}");
        }
        assert_eq!(kind(r#"{"alg":"ES256","typ":1}"#), Kind::Malformed);
    }

    #[test]
    fn s4_14_kid_is_a_short_string() {
        let long = "k".repeat(300);
        for kid in ["1", "[\"a\"]", "\"\"", &format!("\"{long}\"")] {
            assert_eq!(kind(&format!(r#"{{"alg":"ES256","kid":{kid}}}"#)), Kind::Malformed, "{kid}");
        }
    }

    #[test]
    fn s1_20_s4_14_the_longest_header_and_kid_are_still_read() {
        let json = |kid: usize, filling: usize| {
            format!(r#"{{"alg":"ES256","kid":"{}","x":"{}"}}"#, "k".repeat(kid), "x".repeat(filling))
        };
        assert!(Header::parse(json(MAX_KEY_ID_BYTES, 0).as_bytes()).is_ok());
        assert_eq!(kind(&json(MAX_KEY_ID_BYTES + 1, 0)), Kind::Malformed);
        let room = MAX_HEADER_BYTES - json(1, 0).len();
        assert!(Header::parse(json(1, room).as_bytes()).is_ok());
        assert_eq!(kind(&json(1, room + 1)), Kind::TooLarge);
    }
}
