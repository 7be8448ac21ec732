//! The identifiers of a verified token.

use std::sync::atomic::{AtomicU64, Ordering};

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

/// The states of a list of identifiers: by them a token remembers that the list has none of its own, until the list grows.
///
/// A token remembers one list. A list that it does not remember is searched for each request.
///
/// ```
/// use countersign_core::integration::ListStates;
/// use countersign_core::verify::Verified;
///
/// fn is_listed(token: &Verified, states: &ListStates, search: fn() -> bool) -> bool {
///     let state = states.current(); // read before the search
///     if states.is_known_absent(token, state) {
///         return false;
///     }
///     let is_found = search();
///     if !is_found {
///         states.remember_absent(token, state);
///     }
///     is_found
/// }
/// # let _ = is_listed;
/// ```
#[derive(Debug)]
pub struct ListStates {
    /// The number of the list, unlike that of any other in this process.
    list: u64,
    /// Counts from 1.
    state: AtomicU64,
}

impl ListStates {
    /// The states of a new list.
    #[must_use]
    pub fn new() -> Self {
        static LISTS: AtomicU64 = AtomicU64::new(1);
        ListStates { list: LISTS.fetch_add(1, Ordering::Relaxed), state: AtomicU64::new(1) }
    }

    /// The state of the list. A search after this finds all that was added before the state began.
    #[must_use]
    #[inline]
    pub fn current(&self) -> u64 {
        self.state.load(Ordering::Acquire)
    }

    /// Begins another state. Call this after an identifier was added, and before its revocation is acknowledged.
    pub fn advance(&self) {
        self.state.fetch_add(1, Ordering::Release);
    }

    /// Returns whether a search in this state, or after it began, found none of the token's identifiers.
    #[must_use]
    #[inline]
    pub fn is_known_absent(&self, token: &Verified, state: u64) -> bool {
        let known = token.identifiers();
        known.state.load(Ordering::Relaxed) == state && known.list.get() == Some(&self.list)
    }

    /// Remembers that a search which began after the state was read found none of the token's identifiers.
    #[inline]
    pub fn remember_absent(&self, token: &Verified, state: u64) {
        let known = token.identifiers();
        if *known.list.get_or_init(|| self.list) == self.list {
            known.state.store(state, Ordering::Relaxed);
        }
    }
}

impl Default for ListStates {
    fn default() -> Self {
        Self::new()
    }
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
