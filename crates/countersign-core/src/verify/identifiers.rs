//! Digests of identifiers, by which lists of revocations find tokens.

use std::sync::OnceLock;

use super::states::KnownAbsent;
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

/// The session (`sid`) of a token; [`session_identifier`](crate::integration::session_identifier) returns it.
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
    pub(super) token: OnceLock<KeyedDigest>,
    pub(super) session: OnceLock<SessionIdentifier>,
    /// The list that is known to have neither of them.
    pub(super) known_absent: KnownAbsent,
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
