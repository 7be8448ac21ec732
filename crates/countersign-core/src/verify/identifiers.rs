//! Digests of the identifiers of a token, by which lists of revocations find it.

use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

use super::verified::Verified;
use crate::digest::{DigestKey, KeyedDigest};

/// A kind of identifier of tokens. Identifiers of two kinds are never equal.
///
/// ```
/// use countersign_core::integration::{IdentifierKind, identifier_digest};
///
/// let token = identifier_digest(IdentifierKind::Token, "https://id.example.com", "1");
/// assert!(token != identifier_digest(IdentifierKind::Session, "https://id.example.com", "1"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdentifierKind {
    /// `jti`: one token.
    Token,
    /// `sid`: the tokens of a session.
    Session,
}

/// The session (`sid`) of a token. [`session_identifier`] returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionIdentifier {
    /// The token names no session.
    Absent,
    /// The digest of its name.
    Digest(KeyedDigest),
    /// The name is no string, or the token states that it is elsewhere.
    Unreadable,
}

/// The digests of one token, each computed when it is first asked for.
#[derive(Debug, Default)]
pub(crate) struct Identifiers {
    token: OnceLock<KeyedDigest>,
    session: OnceLock<SessionIdentifier>,
}

/// The digest of an identifier under a key of this process.
#[must_use]
pub fn identifier_digest(kind: IdentifierKind, issuer: &str, name: &str) -> KeyedDigest {
    static KEY: OnceLock<DigestKey> = OnceLock::new();
    let kind: &[u8] = match kind {
        IdentifierKind::Token => b"jti",
        IdentifierKind::Session => b"sid",
    };
    let length = issuer.len().to_le_bytes(); // no other issuer and name make the same bytes
    KEY.get_or_init(DigestKey::random).digest_parts(&[kind, &length, issuer.as_bytes(), name.as_bytes()])
}

/// The digest of the token's issuer and `jti`; `None` if it has no `jti` or an empty one.
#[must_use]
#[inline]
pub fn token_identifier(token: &Verified) -> Option<KeyedDigest> {
    let digest = &token.identifiers().token;
    if let Some(known) = digest.get() {
        return Some(*known);
    }
    let id = token.token_id().filter(|id| !id.is_empty())?;
    Some(*digest.get_or_init(|| identifier_digest(IdentifierKind::Token, token.issuer(), id)))
}

/// The digest of the token's issuer and `sid`. The claims of a token are decoded for it once.
#[must_use]
#[inline]
pub fn session_identifier(token: &Verified) -> SessionIdentifier {
    *token.identifiers().session.get_or_init(|| read_session(token))
}

fn read_session(token: &Verified) -> SessionIdentifier {
    /// The one claim.
    #[derive(Deserialize)]
    struct Claims {
        #[serde(default)]
        sid: Option<Value>,
    }
    if token.grants().distributed.contains("sid") {
        return SessionIdentifier::Unreadable;
    }
    match token.decode::<Claims>() {
        Ok(Claims { sid: None }) => SessionIdentifier::Absent,
        Ok(Claims { sid: Some(Value::String(name)) }) if !name.is_empty() => {
            SessionIdentifier::Digest(identifier_digest(IdentifierKind::Session, token.issuer(), &name))
        }
        Ok(_) | Err(_) => SessionIdentifier::Unreadable,
    }
}
