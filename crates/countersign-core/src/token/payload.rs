//! Claims, read in one pass: registered ones as fields, all others as JSON text.

use smallvec::SmallVec;

use super::json::{MAX_CLAIMS_DEPTH, Names, NotJson, Number, Reader, refuse_duplicate};
use super::json_text::{JsonText, NotText};
use super::kind::{DeclaredKinds, TokenKind};
use super::registered::RegisteredClaim;
use super::text::{ListClaim, Text};
use crate::clock::UnixTime;
use crate::error::{VerifyError, VerifyErrorKind as Kind};

/// A decoded payload with its registered claims (RFC 7519 §4.1, RFC 9068 §2.2) found; nothing of it is trusted yet.
///
/// The fields that a cache hit checks come last, next to the other fields of [`Verified`](crate::verify::Verified) that it
/// reads.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Payload {
    /// The members that some issuer's mapping reads, as (index into the captured names, their JSON).
    pub(crate) captured: SmallVec<[(usize, Text); 4]>,
    /// The outermost actor of a delegated token (RFC 8693 §4.1).
    pub(crate) actor: Option<Actor>,
    pub(crate) audience: ListClaim,
    pub(crate) amr: ListClaim,
    pub(crate) scope: ListClaim,
    pub(crate) scp: ListClaim,
    pub(crate) issuer: Option<Text>,
    pub(crate) subject: Option<Text>,
    pub(crate) token_id: Option<Text>,
    pub(crate) client_id: Option<Text>,
    pub(crate) acr: Option<Text>,
    /// `cnf`, as JSON.
    pub(crate) confirmation: Option<Text>,
    /// `status`, as JSON.
    #[cfg(feature = "status-list")]
    pub(crate) status: Option<Text>,
    /// The registered claims that are `null`, one bit each; they count as absent.
    nulls: u32,
    /// `_claim_names`: the claims that are elsewhere (OpenID Connect Core §5.6.2).
    pub(super) claim_names: Option<Text>,
    /// `hasgroups`: the groups are elsewhere (Microsoft Entra ID).
    pub(super) has_groups_elsewhere: bool,
    /// The kinds of token that the claims declare.
    pub(crate) declared_kinds: DeclaredKinds,
    pub(crate) json: JsonText,
    unescaped: Box<str>,
    pub(crate) auth_time: Option<UnixTime>,
    pub(crate) issued_at: Option<UnixTime>,
    pub(crate) not_before: Option<UnixTime>,
    pub(crate) expires: Option<UnixTime>,
}

impl Payload {
    /// Decodes and reads the second segment of a token; `captured` as in [`parse`](Self::parse).
    #[inline(always)]
    pub(crate) fn decode(segment: &str, captured: &[Box<str>]) -> Result<Self, VerifyError> {
        Self::read(JsonText::decode(segment).map_err(not_text)?, captured)
    }

    /// Reads a decoded payload segment; `captured` are the top-level names whose JSON is recorded.
    pub(crate) fn parse(json: Vec<u8>, captured: &[Box<str>]) -> Result<Self, VerifyError> {
        Self::read(JsonText::from_bytes(json).map_err(not_text)?, captured)
    }

    fn read(json: JsonText, captured: &[Box<str>]) -> Result<Self, VerifyError> {
        let malformed = |detail: &'static str| VerifyError::new(Kind::Malformed, detail);
        let mut payload = Payload::default();
        let mut reader = Reader::new(&json);
        let read = Claims { captured, payload: &mut payload, others: Names::default() }.read(&mut reader);
        read.map_err(|fault| match fault {
            Unreadable::NotJson => malformed("the claims are not a JSON object of the right form"),
            Unreadable::WrongClaim(claim) => VerifyError::new(
                Kind::InvalidClaim,
                format!("{} does not have the JSON type or range of its definition", claim.name()),
            ),
        })?;
        if reader.has_disclosures() {
            payload.declared_kinds.add_kind(TokenKind::Credential);
        }
        payload.unescaped = reader.into_unescaped().into();
        payload.json = json;
        if payload.has_claim_names() {
            payload.check_claim_names()?;
        }
        Ok(payload)
    }

    /// The same claims with other names captured.
    pub(crate) fn read_again(&self, captured: &[Box<str>]) -> Result<Self, VerifyError> {
        Self::parse(self.json.as_bytes().to_vec(), captured)
    }

    /// The string of the range `text`.
    pub(crate) fn text(&self, text: Text) -> &str {
        text.of(&self.json, &self.unescaped)
    }

    /// The strings of a claim, one or many; none if it is absent or of another type.
    pub(crate) fn texts<'p>(&'p self, claim: &'p ListClaim) -> impl Iterator<Item = &'p str> {
        claim.items().iter().map(|text| self.text(*text))
    }

    /// Returns whether a claim is present; `None` if it has no field here.
    pub(crate) fn has(&self, claim: RegisteredClaim) -> Option<bool> {
        use RegisteredClaim as Claim;
        Some(match claim {
            Claim::Issuer => self.issuer.is_some(),
            Claim::Expires => self.expires.is_some(),
            Claim::NotBefore => self.not_before.is_some(),
            Claim::IssuedAt => self.issued_at.is_some(),
            Claim::AuthenticationTime => self.auth_time.is_some(),
            Claim::Audience => self.audience != ListClaim::Absent,
            Claim::AuthenticationMethods => self.amr != ListClaim::Absent,
            Claim::Scope => self.scope != ListClaim::Absent,
            Claim::Scp => self.scp != ListClaim::Absent,
            Claim::Actor => self.actor.is_some(),
            Claim::Subject | Claim::TokenId | Claim::ClientId | Claim::AuthenticationContext => {
                self.text_claim(claim).is_some()
            }
            Claim::Confirmation | Claim::Nonce | Claim::AccessTokenHash | Claim::CodeHash => return None,
        })
    }

    /// The value of a claim that is a text by definition, except the issuer.
    pub(crate) fn text_claim(&self, claim: RegisteredClaim) -> Option<&str> {
        let text = match claim {
            RegisteredClaim::Subject => self.subject,
            RegisteredClaim::TokenId => self.token_id,
            RegisteredClaim::ClientId => self.client_id,
            RegisteredClaim::AuthenticationContext => self.acr,
            _ => None,
        };
        text.map(|text| self.text(text))
    }

    /// The JSON of the claim `name`, if `names`, with which these claims were read, contain it.
    pub(crate) fn captured(&self, names: &[Box<str>], name: &str) -> Option<&str> {
        let is_named = |index: usize| names.get(index).is_some_and(|captured| **captured == *name);
        self.captured.iter().find(|(index, _)| is_named(*index)).map(|(_, json)| self.text(*json))
    }
}

fn not_text(reason: NotText) -> VerifyError {
    VerifyError::new(
        Kind::Malformed,
        match reason {
            NotText::NotBase64url => "the payload segment is not canonical base64url",
            NotText::NotUtf8 => "the claims are not UTF-8",
        },
    )
}

/// The outermost actor: its subject, and the issuer of that subject if it is named.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Actor {
    pub(crate) subject: Text,
    pub(crate) issuer: Option<Text>,
}

/// Reads the members of a claims object into a [`Payload`].
struct Claims<'r> {
    captured: &'r [Box<str>],
    payload: &'r mut Payload,
    others: Names,
}

/// The reason why claims cannot be read.
enum Unreadable {
    NotJson,
    /// A claim of the wrong type or range: a claim that fails to parse never counts as absent.
    WrongClaim(RegisteredClaim),
}

impl From<NotJson> for Unreadable {
    fn from(_: NotJson) -> Self {
        Unreadable::NotJson
    }
}

/// The nesting permitted in a claim's value; the object of all claims is the first level.
const VALUE_DEPTH: usize = MAX_CLAIMS_DEPTH - 1;

impl Claims<'_> {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Unreadable> {
        reader.object(|reader, name| self.member(reader, name))?;
        reader.end()?;
        Ok(self.others.finish(reader)?)
    }

    /// A registered claim is a duplicate if its field is set; the names of all others are recorded and compared.
    fn member(&mut self, reader: &mut Reader<'_>, name: Text) -> Result<(), Unreadable> {
        use RegisteredClaim as Claim;
        match Claim::from_bytes(reader.bytes(name)) {
            Some(claim @ Claim::Issuer) => self.claim(claim, reader, |payload| &mut payload.issuer, text),
            Some(claim @ Claim::Subject) => self.claim(claim, reader, |payload| &mut payload.subject, text),
            Some(claim @ Claim::TokenId) => self.claim(claim, reader, |payload| &mut payload.token_id, text),
            Some(claim @ Claim::ClientId) => self.claim(claim, reader, |payload| &mut payload.client_id, text),
            Some(claim @ Claim::AuthenticationContext) => self.claim(claim, reader, |payload| &mut payload.acr, text),
            Some(claim @ Claim::Expires) => self.claim(claim, reader, |payload| &mut payload.expires, numeric_date),
            Some(claim @ Claim::NotBefore) => {
                self.claim(claim, reader, |payload| &mut payload.not_before, numeric_date)
            }
            Some(claim @ Claim::IssuedAt) => self.claim(claim, reader, |payload| &mut payload.issued_at, numeric_date),
            Some(claim @ Claim::AuthenticationTime) => {
                self.claim(claim, reader, |payload| &mut payload.auth_time, numeric_date)
            }
            Some(claim @ Claim::Audience) => self.list(claim, reader, |payload| &mut payload.audience),
            Some(claim @ Claim::AuthenticationMethods) => self.list(claim, reader, |payload| &mut payload.amr),
            Some(claim @ Claim::Scope) => self.list(claim, reader, |payload| &mut payload.scope),
            Some(claim @ Claim::Scp) => self.list(claim, reader, |payload| &mut payload.scp),
            Some(claim @ Claim::Actor) => self.claim(claim, reader, |payload| &mut payload.actor, actor),
            Some(Claim::Confirmation | Claim::Nonce | Claim::AccessTokenHash | Claim::CodeHash) | None => {
                self.other(reader, name)
            }
        }
    }

    /// Reads a claim without a field: its name must be new, and its JSON is recorded if it is captured.
    #[inline]
    fn other(&mut self, reader: &mut Reader<'_>, name: Text) -> Result<(), Unreadable> {
        self.others.add(name, reader)?;
        let json = reader.skip(VALUE_DEPTH)?;
        let name = reader.bytes(name);
        let captured = self.captured.iter().position(|captured| captured.as_bytes() == name);
        self.payload.declared_kinds.add(name, || reader.written(json));
        match name {
            b"cnf" => self.payload.confirmation = Some(json),
            #[cfg(feature = "status-list")]
            b"status" => self.payload.status = Some(json),
            b"_claim_names" if reader.written(json) != "null" => self.payload.claim_names = Some(json),
            b"hasgroups" => self.payload.has_groups_elsewhere = !matches!(reader.written(json), "false" | "null"),
            _ => {}
        }
        self.payload.captured.extend(captured.map(|index| (index, json)));
        Ok(())
    }

    /// Reads a claim into its field, which must be unset; `read` returns `None` for the wrong type or range.
    #[inline]
    fn claim<'j, T>(
        &mut self,
        claim: RegisteredClaim,
        reader: &mut Reader<'j>,
        field: fn(&mut Payload) -> &mut Option<T>,
        read: fn(&mut Reader<'j>) -> Result<Option<T>, NotJson>,
    ) -> Result<(), Unreadable> {
        refuse_duplicate(self.payload.nulls & claim.bit() == 0)?;
        let field = field(self.payload);
        refuse_duplicate(field.is_none())?;
        let position = reader.position();
        *field = read(reader)?;
        if field.is_some() || self.is_absent(claim, reader, position) {
            return Ok(());
        }
        Err(Unreadable::WrongClaim(claim))
    }

    /// Returns whether the value that was read is `null` and counts as absent. The claim may still occur only once.
    #[cold]
    fn is_absent(&mut self, claim: RegisteredClaim, reader: &Reader<'_>, position: usize) -> bool {
        let is_absent = claim.may_be_null() && reader.is_null_since(position);
        self.payload.nulls |= if is_absent { claim.bit() } else { 0 };
        is_absent
    }

    fn list(
        &mut self,
        claim: RegisteredClaim,
        reader: &mut Reader<'_>,
        field: fn(&mut Payload) -> &mut ListClaim,
    ) -> Result<(), Unreadable> {
        refuse_duplicate(self.payload.nulls & claim.bit() == 0)?;
        refuse_duplicate(*field(self.payload) == ListClaim::Absent)?;
        let position = reader.position();
        let list = strings(reader)?;
        if list == ListClaim::Wrong && self.is_absent(claim, reader, position) {
            return Ok(());
        }
        *field(self.payload) = list;
        Ok(())
    }
}

/// A claim that is a string; `None` for any other value.
fn text(reader: &mut Reader<'_>) -> Result<Option<Text>, NotJson> {
    string(reader, VALUE_DEPTH)
}

/// A string; `None` for any other value.
#[inline]
fn string(reader: &mut Reader<'_>, depth: usize) -> Result<Option<Text>, NotJson> {
    match reader.peek() {
        Some(b'"') => reader.string().map(Some),
        _ => reader.skip(depth).map(|_| None),
    }
}

/// A string or a list of strings.
fn strings(reader: &mut Reader<'_>) -> Result<ListClaim, NotJson> {
    if reader.peek() != Some(b'[') {
        return Ok(text(reader)?.map_or(ListClaim::Wrong, ListClaim::One));
    }
    let mut texts = SmallVec::new();
    let mut all_strings = true;
    reader.list(|reader| {
        match string(reader, VALUE_DEPTH - 1)? {
            Some(text) => texts.push(text),
            None => all_strings = false,
        }
        Ok(())
    })?;
    Ok(if all_strings { ListClaim::Many(texts) } else { ListClaim::Wrong })
}

/// A NumericDate within range (RFC 7519 §2); `None` for any other value.
pub(super) fn numeric_date(reader: &mut Reader<'_>) -> Result<Option<UnixTime>, NotJson> {
    if !matches!(reader.peek(), Some(b'-' | b'0'..=b'9')) {
        return reader.skip(VALUE_DEPTH).map(|_| None);
    }
    Ok(match reader.number()? {
        Number::Whole(seconds) => Some(UnixTime::from_secs(seconds)).filter(|time| *time <= UnixTime::MAX),
        Number::Other(seconds) => UnixTime::from_numeric_date(seconds),
    })
}

/// The largest number of nested actors read.
const MAX_ACTORS: usize = 8;

/// The outermost actor; only that one takes part in decisions. `None` if the form is wrong.
fn actor(reader: &mut Reader<'_>) -> Result<Option<Actor>, NotJson> {
    Ok(actors(reader, MAX_ACTORS)?.flatten())
}

/// An actor with at most `most` nested levels; `None` if the form is wrong or there are more.
fn actors(reader: &mut Reader<'_>, most: usize) -> Result<Option<Option<Actor>>, NotJson> {
    let depth = VALUE_DEPTH - (MAX_ACTORS - most);
    if most == 0 || reader.peek() != Some(b'{') {
        return reader.skip(depth).map(|_| None);
    }
    let (mut subject, mut issuer, mut is_right) = (None, None, true);
    reader.members(|reader, name| {
        let is_null = reader.peek() == Some(b'n');
        match reader.text(name) {
            "sub" if !is_null => {
                subject = string(reader, depth - 1)?;
                is_right &= subject.is_some();
            }
            "iss" if !is_null => {
                issuer = string(reader, depth - 1)?;
                is_right &= issuer.is_some();
            }
            "act" if !is_null => is_right &= actors(reader, most - 1)?.is_some(),
            _ => drop(reader.skip(depth - 1)?),
        }
        Ok(())
    })?;
    Ok(is_right.then_some(subject.map(|subject| Actor { subject, issuer })))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
    fn s3_23_null_is_absence_for_optional_names_and_nothing_else() {
        for name in ["sub", "jti", "client_id", "acr", "amr", "act", "scope", "scp"] {
            let read = parse(&format!(r#"{{"{name}":null,"exp":1}}"#)).expect(name);
            let claim = RegisteredClaim::from_name(name).expect("registered");
            assert_eq!(read.has(claim), Some(false), "{name}");
            for twice in
                [r#"null,"NAME":null"#, r#"null,"NAME":"a""#, r#""a","NAME":null"#, r#"null,"NAME":{"sub":"a"}"#]
            {
                let json = format!(r#"{{"{name}":{}}}"#, twice.replace("NAME", name));
                assert!(parse(&json).is_err(), "{json}");
            }
        }
        for name in ["iss", "exp", "nbf", "iat", "auth_time"] {
            assert_eq!(parse(&format!(r#"{{"{name}":null}}"#)).expect_err(name).kind(), Kind::InvalidClaim);
        }
        assert_eq!(parse(r#"{"aud":null}"#).expect("read").audience, ListClaim::Wrong);
        assert!(parse(r#"{"cnf":null}"#).expect("read").confirmation.is_some());
        assert!(parse(r#"{"sub":nul}"#).is_err());
    }

    #[test]
    fn s3_29_the_outermost_actor_is_the_actor() {
        let actor = |json: &str| parse(json).map(|read| read.actor.map(|actor| read.text(actor.subject).to_owned()));
        assert_eq!(
            actor(r#"{"act":{"sub":"gateway","act":{"sub":"admin"}}}"#).expect("legal").as_deref(),
            Some("gateway")
        );
        for right in [
            r#"{"act":{"sub":"a","act":null}}"#,
            r#"{"act":{"act":{},"sub":"\u0061","x":["\u0062"]}}"#,
            r#"{"act":{"x":{"sub":"b"},"sub":"a","act":{"sub":null,"act":{"sub":"c"}}}}"#,
        ] {
            assert_eq!(actor(right).expect(right).as_deref(), Some("a"), "{right}");
        }
        let chain = |actors: usize| {
            format!(r#"{{"act":{}{}}}"#, r#"{"sub":"a","act":"#.repeat(actors), "{}".to_owned() + &"}".repeat(actors))
        };
        assert_eq!(actor(&chain(MAX_ACTORS - 1)).expect("no more than eight").as_deref(), Some("a"));
        assert_eq!(actor(&chain(MAX_ACTORS)).expect_err("nine").kind(), Kind::InvalidClaim);
        for wrong in [
            r#"{"act":"x"}"#,
            r#"{"act":{}}"#,
            r#"{"act":{"sub":null}}"#,
            r#"{"act":{"sub":1,"act":{"sub":"a"}}}"#,
            r#"{"act":{"sub":"a","act":{"sub":1}}}"#,
            r#"{"act":{"act":1}}"#,
            r#"{"act":[]}"#,
            r#"{"act":["a",null]}"#,
            r#"{"act":{"sub":"a","act":["b",null]}}"#,
        ] {
            assert_eq!(actor(wrong).expect_err(wrong).kind(), Kind::InvalidClaim);
        }
        let deep = format!("{}{{\"sub\":\"x\"}}{}", "{\"sub\":\"y\",\"act\":".repeat(8), "}".repeat(8));
        assert!(actor(&format!("{{\"act\":{deep}}}")).is_err());
    }

    /// Each name with a permitted and a forbidden value.
    const EVERY_NAME: [(&str, &str, &str); 20] = [
        ("iss", r#""a""#, "1"),
        ("sub", r#""a""#, "1"),
        ("jti", r#""a""#, "1"),
        ("client_id", r#""a""#, "1"),
        ("acr", r#""a""#, "1"),
        ("exp", "1", r#""x""#),
        ("nbf", "1", r#""x""#),
        ("iat", "1", r#""x""#),
        ("auth_time", "1", r#""x""#),
        ("aud", "[]", "null"),
        ("amr", "[]", "{}"),
        ("scope", r#""""#, "{}"),
        ("scp", r#"["a"]"#, "{}"),
        ("act", r#"{"sub":"a"}"#, "1"),
        ("cnf", "null", "1"),
        ("nonce", "null", "1"),
        ("at_hash", r#""a""#, "1"),
        ("c_hash", r#""a""#, "1"),
        ("roles", "[]", "1"),
        ("other", "null", "1"),
    ];

    #[test]
    fn s1_10_every_name_occurs_once_whatever_its_spelling_and_value() {
        let others: Vec<String> = (0..40).map(|number| format!("\"n{number}\":0,")).collect();
        for (name, value, wrong) in EVERY_NAME {
            let escaped = format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..]);
            for others in ["", &others.concat()] {
                assert!(parse(&format!(r#"{{{others}"{name}":{value}}}"#)).is_ok(), "{name}");
                for second in [name, &escaped] {
                    for second_value in [value, wrong] {
                        let json = format!(r#"{{"{name}":{value},{others}"{second}":{second_value}}}"#);
                        assert!(parse(&json).is_err(), "{json}");
                        let json = format!(r#"{{"{second}":{value},{others}"{name}":{second_value}}}"#);
                        assert!(parse(&json).is_err(), "{json}");
                    }
                }
            }
            let json = format!(r#"{{"{name}":{value},"{name}":{wrong}}}"#);
            assert_eq!(parse(&json).expect_err(&json).kind(), Kind::Malformed, "{json}");
        }
    }

    #[test]
    fn s1_21_depth_is_counted_alike_for_every_value() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for (before, around, after) in [
            (r#"{"other":"#, 1, "}"),
            (r#"{"cnf":"#, 1, "}"),
            (r#"{"nonce":"#, 1, "}"),
            (r#"{"roles":"#, 1, "}"),
            (r#"{"aud":"#, 1, "}"),
            (r#"{"scp":[1,"#, 2, "]}"),
            (r#"{"act":{"sub":"a","x":"#, 2, "}}"),
            (r#"{"act":{"sub":"a","act":{"x":"#, 3, "}}}"),
        ] {
            let claims = |depth: usize| format!("{before}{}{after}", nested(depth - around));
            assert!(parse(&claims(MAX_CLAIMS_DEPTH)).is_ok(), "{before}");
            assert!(parse(&claims(MAX_CLAIMS_DEPTH + 1)).is_err(), "{before}");
        }
        for (before, around, after) in
            [(r#"{"sub":"#, 1, "}"), (r#"{"act":{"sub":"#, 2, "}}"), (r#"{"act":{"act":"#, 2, "}}")]
        {
            let kind = |depth: usize| {
                parse(&format!("{before}{}{after}", nested(depth - around))).expect_err("no list").kind()
            };
            assert_eq!(kind(MAX_CLAIMS_DEPTH), Kind::InvalidClaim, "{before}");
            assert_eq!(kind(MAX_CLAIMS_DEPTH + 1), Kind::Malformed, "{before}");
        }
    }

    #[test]
    fn escaped_strings_and_captured_members_read_the_same() {
        let json = r#"{"sub":"a\u0062c","iss":"plain","jti":"\u00e9\n","acr":"","client_id":"é","roles":["x", "y"],
                     "scp":"\u0078","scope":"a b","#;
        let read = parse(&format!(r#"{json}"aud":["o\u0072ders","","bill\u0069ng","plain"]}}"#)).expect("legal");
        let others: [Box<str>; 2] = ["x".into(), "roles".into()];
        let again = read.read_again(&others).expect("legal");
        for (payload, names) in [(again, &others[..]), (read, &["roles".into()][..])] {
            let text = |claim: Option<Text>| payload.text(claim.expect("there")).to_owned();
            assert_eq!((text(payload.subject), text(payload.issuer)), ("abc".into(), "plain".into()));
            assert_eq!((text(payload.token_id), text(payload.acr)), ("é\n".into(), String::new()));
            assert_eq!(text(payload.client_id), "é");
            assert_eq!(payload.texts(&payload.audience).collect::<Vec<_>>(), ["orders", "", "billing", "plain"]);
            let lists = [&payload.scp, &payload.scope].map(|claim| payload.texts(claim).collect::<Vec<_>>());
            assert_eq!(lists, [["x"], ["a b"]]);
            assert_eq!(payload.captured(names, "roles"), Some(r#"["x", "y"]"#));
            assert_eq!(&*payload.unescaped, "abcé\nxordersbilling", "no other string is copied");
        }
    }

    /// The string as JSON, all of its characters written with escapes if `escaped`.
    fn quoted(text: &str, escaped: bool) -> String {
        match escaped {
            true => format!("\"{}\"", text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect::<String>()),
            false => serde_json::Value::from(text).to_string(),
        }
    }

    proptest! {
        #[test]
        fn strings_are_read_as_they_were_written(
            texts in prop::collection::vec((any::<String>(), any::<bool>()), 4..9),
        ) {
            let written: Vec<String> = texts.iter().map(|(text, escaped)| quoted(text, *escaped)).collect();
            let [sub, jti, acr, aud @ ..] = &written[..] else { unreachable!("four at least") };
            let json = format!(r#"{{"sub":{sub},"jti":{jti},"aud":[{}],"acr":{acr}}}"#, aud.join(", "));
            let payload = parse(&json).expect("legal");
            let read = [payload.subject, payload.token_id, payload.acr].map(|text| payload.text(text.expect("there")));
            let read: Vec<&str> = read.into_iter().chain(payload.texts(&payload.audience)).collect();
            prop_assert_eq!(read, texts.iter().map(|(text, _)| &**text).collect::<Vec<_>>());
        }
    }
}
