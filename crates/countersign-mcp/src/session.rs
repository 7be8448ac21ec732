//! Sessions that belong to their caller: the identifier that a client gets is bound to who asked for it.

use countersign_core::integration::{DigestKey, KeyedDigest};
use countersign_core::verify::Verified;
use http::{HeaderName, HeaderValue};

use crate::headers::{self, Line};

pub(crate) const SESSION_ID: HeaderName = HeaderName::from_static(headers::SESSION_ID);

/// The digits of a digest.
const DIGEST_CHARS: usize = 32;

/// Binds identifiers of sessions to issuer, subject and client, by a keyed digest behind the identifier.
///
/// Nothing is stored. The key is of this process, as the sessions are.
#[derive(Clone)]
pub(crate) struct SessionSeal(DigestKey);

/// The session that a request names.
pub(crate) enum NamedSession {
    None,
    Own(HeaderValue),
    /// One of another caller, or none of this server.
    Unknown,
}

impl SessionSeal {
    pub(crate) fn new() -> Self {
        SessionSeal(DigestKey::random())
    }

    /// The identifier for the client.
    pub(crate) fn seal(&self, identifier: &HeaderValue, caller: &Verified) -> Option<HeaderValue> {
        let identifier = identifier.to_str().ok()?;
        HeaderValue::from_str(&format!("{identifier}.{}", self.digest(identifier, caller).to_name())).ok()
    }

    /// The identifier of the server, if the session is this caller's.
    pub(crate) fn open(&self, line: Line<HeaderValue>, caller: Option<&Verified>) -> NamedSession {
        let line = match line {
            Line::None => return NamedSession::None,
            Line::Only(line) => line,
            Line::Several => return NamedSession::Unknown,
        };
        let own = || {
            let (identifier, digest) = line.to_str().ok()?.rsplit_once('.')?;
            let is_lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            if digest.len() != DIGEST_CHARS || !digest.bytes().all(is_lower_hex) {
                return None;
            }
            let digest = u128::from_str_radix(digest, 16).ok()?;
            let is_own = self.digest(identifier, caller?).to_number() == digest;
            HeaderValue::from_str(identifier).ok().filter(|_| is_own)
        };
        own().map_or(NamedSession::Unknown, NamedSession::Own)
    }

    /// The parts are preceded by their lengths, so that no two callers have the same text.
    fn digest(&self, identifier: &str, caller: &Verified) -> KeyedDigest {
        let client = caller.client_id();
        let parts = [identifier, caller.issuer(), caller.subject(), client.unwrap_or_default()];
        let [first, second, third, fourth] = parts.map(|part| part.len().to_le_bytes());
        let has_client = [u8::from(client.is_some())];
        let [identifier, issuer, subject, client] = parts.map(str::as_bytes);
        self.0.digest_parts(&[&first, identifier, &second, issuer, &third, subject, &fourth, client, &has_client])
    }
}

impl std::fmt::Debug for SessionSeal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionSeal")
    }
}
