//! A revocation, and its form in JSON.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::redact::message_without_values;
use crate::token::has_unique_names;

/// The longest JSON form of a notice, in bytes.
pub const MAX_NOTICE_BYTES: usize = 16 * 1024;

/// The longest name in a notice, in bytes. Tokens with longer ones cannot be revoked by them.
const MAX_NAME_BYTES: usize = 1024;

/// A revocation: the tokens of one issuer that are no longer accepted, and until when anybody must remember it.
///
/// ```
/// use countersign_core::clock::UnixTime;
/// use countersign_core::revocation::RevocationNotice;
///
/// let (now, longest) = (UnixTime::from_secs(1_800_000_000), UnixTime::from_secs(1_800_003_600));
/// let notice = RevocationNotice::subject("https://id.example.com", "alice", now, longest)?;
/// let json = r#"{"iss":"https://id.example.com","sub":"alice","before":1800000000,"until":1800003600}"#;
/// assert_eq!(notice.to_json(), json);
/// assert_eq!(RevocationNotice::from_json(json)?, notice);
/// # Ok::<(), countersign_core::revocation::InvalidNotice>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RevocationNotice {
    issuer: Box<str>,
    tokens: RevokedTokens,
    expires_at: UnixTime,
}

/// The tokens that a [`RevocationNotice`] means; it has an example.
///
/// Times are rounded up to whole seconds, as issuers write them: a subject that signs in again within the second of its
/// revocation may have to do so once more. A token without a time of issue is meant too.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevokedTokens {
    /// The token with this `jti`.
    Token(Box<str>),
    /// The tokens of the session with this `sid`.
    Session(Box<str>),
    /// The tokens of this subject (`sub`) that were issued before the time.
    Subject(Box<str>, UnixTime),
    /// The tokens issued to this client (`client_id`) before the time.
    Client(Box<str>, UnixTime),
    /// All tokens of the issuer that were issued before the time.
    All(UnixTime),
}

/// The reason why a text or a name is not a [`RevocationNotice`].
///
/// ```
/// use countersign_core::revocation::RevocationNotice;
///
/// let error = RevocationNotice::from_json(r#"{"iss":"https://id.example.com"}"#).unwrap_err();
/// assert_eq!(error.to_string(), "a revocation is invalid: until is missing");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct InvalidNotice(String);

/// The JSON form.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form<'t> {
    iss: Cow<'t, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jti: Option<Cow<'t, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<Cow<'t, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sub: Option<Cow<'t, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_id: Option<Cow<'t, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<u64>,
    #[serde(default)]
    until: Option<u64>,
}

impl RevokedTokens {
    /// The kind in a word, for logs: `token`, `session`, `subject`, `client` or `all`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            RevokedTokens::Token(_) => "token",
            RevokedTokens::Session(_) => "session",
            RevokedTokens::Subject(..) => "subject",
            RevokedTokens::Client(..) => "client",
            RevokedTokens::All(_) => "all",
        }
    }
}

impl RevocationNotice {
    /// Revokes these tokens of `issuer`, all of which expire by `expires_at`. Times are rounded up to whole seconds.
    ///
    /// # Errors
    /// [`InvalidNotice`] if a name is empty or longer than 1,024 bytes. So are the errors of the other constructors.
    pub fn new(issuer: &str, mut tokens: RevokedTokens, expires_at: UnixTime) -> Result<Self, InvalidNotice> {
        if let RevokedTokens::Subject(_, before) | RevokedTokens::Client(_, before) | RevokedTokens::All(before) =
            &mut tokens
        {
            *before = rounded_up(*before);
        }
        let (member, name) = match &tokens {
            RevokedTokens::Token(id) => ("jti", &**id),
            RevokedTokens::Session(id) => ("sid", &**id),
            RevokedTokens::Subject(subject, _) => ("sub", &**subject),
            RevokedTokens::Client(client, _) => ("client_id", &**client),
            RevokedTokens::All(_) => ("iss", issuer),
        };
        for (member, name) in [("iss", issuer), (member, name)] {
            if name.is_empty() || name.len() > MAX_NAME_BYTES {
                return Err(InvalidNotice(format!("{member} is empty or longer than {MAX_NAME_BYTES} bytes")));
            }
        }
        Ok(RevocationNotice { issuer: issuer.into(), tokens, expires_at: rounded_up(expires_at) })
    }

    /// Revokes the token that `issuer` identifies by `token_id` (`jti`) and that expires at `expires_at`; pass
    /// [`UnixTime::MAX`] if the expiry is unknown.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn token(issuer: &str, token_id: &str, expires_at: UnixTime) -> Result<Self, InvalidNotice> {
        RevocationNotice::new(issuer, RevokedTokens::Token(token_id.into()), expires_at)
    }

    /// Revokes the tokens of the session `session_id` (`sid`), all of which expire by `expires_at`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn session(issuer: &str, session_id: &str, expires_at: UnixTime) -> Result<Self, InvalidNotice> {
        RevocationNotice::new(issuer, RevokedTokens::Session(session_id.into()), expires_at)
    }

    /// Revokes the tokens of `subject` that were issued before `issued_before`, all of which expire by `expires_at`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn subject(
        issuer: &str,
        subject: &str,
        issued_before: UnixTime,
        expires_at: UnixTime,
    ) -> Result<Self, InvalidNotice> {
        RevocationNotice::new(issuer, RevokedTokens::Subject(subject.into(), issued_before), expires_at)
    }

    /// Revokes the tokens that were issued to `client_id` before `issued_before`, all of which expire by `expires_at`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn client(
        issuer: &str,
        client_id: &str,
        issued_before: UnixTime,
        expires_at: UnixTime,
    ) -> Result<Self, InvalidNotice> {
        RevocationNotice::new(issuer, RevokedTokens::Client(client_id.into(), issued_before), expires_at)
    }

    /// Revokes all tokens of `issuer` that were issued before `issued_before`, all of which expire by `expires_at`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn all(issuer: &str, issued_before: UnixTime, expires_at: UnixTime) -> Result<Self, InvalidNotice> {
        RevocationNotice::new(issuer, RevokedTokens::All(issued_before), expires_at)
    }

    /// Reads the JSON form: `iss`, one of `jti`, `sid`, `sub` and `client_id`, or none for all tokens, `before` with all but
    /// the first two, and `until`. Times are seconds since 1970.
    ///
    /// # Errors
    /// [`InvalidNotice`] for another form, such as one with an unknown or a repeated member, or of over 16 KiB.
    pub fn from_json(json: &str) -> Result<Self, InvalidNotice> {
        if json.len() > MAX_NOTICE_BYTES {
            return Err(InvalidNotice(format!("it is longer than {MAX_NOTICE_BYTES} bytes")));
        }
        let form: Form<'_> =
            serde_json::from_str(json).map_err(|error| InvalidNotice(message_without_values(&error.to_string())))?;
        if !has_unique_names(json) {
            return Err(InvalidNotice("a member occurs twice".to_owned()));
        }
        let until = form.until.ok_or_else(|| InvalidNotice("until is missing".to_owned()))?;
        let before = form.before.map(UnixTime::from_secs);
        let tokens = match (form.jti, form.sid, form.sub, form.client_id, before) {
            (Some(id), None, None, None, None) => RevokedTokens::Token((*id).into()),
            (None, Some(id), None, None, None) => RevokedTokens::Session((*id).into()),
            (None, None, Some(subject), None, Some(before)) => RevokedTokens::Subject((*subject).into(), before),
            (None, None, None, Some(client), Some(before)) => RevokedTokens::Client((*client).into(), before),
            (None, None, None, None, Some(before)) => RevokedTokens::All(before),
            _ => {
                let text = "it needs one of jti and sid, or before with at most one of sub and client_id";
                return Err(InvalidNotice(text.to_owned()));
            }
        };
        RevocationNotice::new(&form.iss, tokens, UnixTime::from_secs(until))
    }

    /// Writes the JSON form, in one line. It has names of users: do not log it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut form = Form {
            iss: Cow::Borrowed(&self.issuer),
            before: self.issued_before().map(UnixTime::as_secs),
            until: Some(self.expires_at.as_secs()),
            ..Form::default()
        };
        match &self.tokens {
            RevokedTokens::Token(id) => form.jti = Some(Cow::Borrowed(id)),
            RevokedTokens::Session(id) => form.sid = Some(Cow::Borrowed(id)),
            RevokedTokens::Subject(subject, _) => form.sub = Some(Cow::Borrowed(subject)),
            RevokedTokens::Client(client, _) => form.client_id = Some(Cow::Borrowed(client)),
            RevokedTokens::All(_) => {}
        }
        serde_json::to_string(&form).unwrap_or_default()
    }

    /// The issuer (`iss`) of the tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The tokens that are meant.
    #[must_use]
    pub fn tokens(&self) -> &RevokedTokens {
        &self.tokens
    }

    /// Only tokens that were issued before this time are meant; all if there is none.
    #[must_use]
    pub fn issued_before(&self) -> Option<UnixTime> {
        match self.tokens {
            RevokedTokens::Token(_) | RevokedTokens::Session(_) => None,
            RevokedTokens::Subject(_, before) | RevokedTokens::Client(_, before) | RevokedTokens::All(before) => {
                Some(before)
            }
        }
    }

    /// The time by which all tokens that are meant have expired, without leeway.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }
}

/// Issuers write whole seconds: a token of the second in which it was revoked is meant, and the notice is kept as long as
/// the token.
fn rounded_up(time: UnixTime) -> UnixTime {
    UnixTime::from_secs(time.saturating_add(Duration::from_nanos(999_999_999)).as_secs()).min(UnixTime::MAX)
}

/// Without names: a subject may be a person.
impl fmt::Debug for RevocationNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RevocationNotice { issuer, tokens, expires_at } = self;
        f.debug_struct("RevocationNotice")
            .field("issuer", issuer)
            .field("tokens", tokens)
            .field("expires_at", &expires_at.as_secs())
            .finish()
    }
}

/// Without names: a subject may be a person.
impl fmt::Debug for RevokedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RevokedTokens::Token(_) => "Token(..)",
            RevokedTokens::Session(_) => "Session(..)",
            RevokedTokens::Subject(..) => "Subject(..)",
            RevokedTokens::Client(..) => "Client(..)",
            RevokedTokens::All(_) => "All",
        })
    }
}

impl fmt::Display for InvalidNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a revocation is invalid: {}", self.0)
    }
}

impl std::error::Error for InvalidNotice {}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://id.example.com";

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    #[test]
    fn each_kind_is_read_as_it_is_written() {
        let half = Duration::from_millis(500);
        let notices = [
            RevocationNotice::token(ISSUER, "a\"b", at(20)),
            RevocationNotice::session(ISSUER, "ü", UnixTime::MAX),
            RevocationNotice::subject(ISSUER, "alice", at(9).saturating_add(half), at(19).saturating_add(half)),
            RevocationNotice::client(ISSUER, "orders", at(10), at(20)),
            RevocationNotice::all(ISSUER, at(10), at(20)),
        ];
        for notice in notices {
            let notice = notice.unwrap();
            assert_eq!(RevocationNotice::from_json(&notice.to_json()), Ok(notice.clone()));
            assert!(notice.issued_before().is_none_or(|before| before == at(10)), "{notice:?}");
            assert!(notice.expires_at() == at(20) || notice.expires_at() == UnixTime::MAX);
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for (json, reason) in [
            ("{}", "missing field `iss`"),
            (r#"{"iss":"i","until":1}"#, "it needs one of"),
            (r#"{"iss":"i","jti":"a","sid":"b","until":1}"#, "it needs one of"),
            (r#"{"iss":"i","jti":"a","before":1,"until":1}"#, "it needs one of"),
            (r#"{"iss":"i","sub":"a","until":1}"#, "it needs one of"),
            (r#"{"iss":"i","jti":"a"}"#, "until is missing"),
            (r#"{"iss":"i","jti":"","until":1}"#, "jti is empty"),
            (r#"{"iss":"","jti":"a","until":1}"#, "iss is empty"),
            (r#"{"iss":"i","jti":"a","until":1,"x":1}"#, "unknown field"),
            (r#"{"iss":"i","jti":"a","jti":"a","until":1}"#, "duplicate field"),
            (r#"{"iss":"i","jti":"a","until":-1}"#, "invalid value"),
            (r#"{"iss":"i","jti":"a","until":1}x"#, "trailing characters"),
        ] {
            let error = RevocationNotice::from_json(json).unwrap_err().to_string();
            assert!(error.contains(reason), "{json}: {error}");
        }
        let long = "a".repeat(MAX_NAME_BYTES + 1);
        assert!(RevocationNotice::token(ISSUER, &long, at(1)).is_err());
        assert!(RevocationNotice::from_json(&" ".repeat(MAX_NOTICE_BYTES + 1)).is_err());
    }

    #[test]
    fn debug_names_no_user() {
        let notice = RevocationNotice::subject(ISSUER, "alice", at(1), at(2)).unwrap();
        assert!(!format!("{notice:?}").contains("alice"));
    }
}
