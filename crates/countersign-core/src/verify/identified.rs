//! The identifiers of a verified token.

use serde::Deserialize;
use serde_json::Value;

use super::identifiers::{IdentifierKind, SessionIdentifier, identifier_digest};
use super::verified::Verified;
use crate::digest::KeyedDigest;

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
