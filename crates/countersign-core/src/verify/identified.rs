//! The identifiers of a verified token.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;
use serde_json::Value;

use super::identifiers::{IdentifierKind, SessionIdentifier, identifier_digest};
use super::states::{Search, States};
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
/// fn add(states: &ListStates, insert: fn()) {
///     states.grow(insert); // the revocation is acknowledged after this
/// }
///
/// fn is_listed(token: &Verified, states: &ListStates, find: fn() -> bool) -> bool {
///     let Some(search) = states.search(token) else { return false };
///     let is_found = find();
///     if !is_found {
///         search.found_none();
///     }
///     is_found
/// }
/// # let _ = (add, is_listed);
/// ```
#[derive(Debug)]
pub struct ListStates(States);

/// A search of a list for the identifiers of a token. It begins when [`ListStates::search`] returns it.
#[derive(Debug)]
#[must_use = "the list is to be searched"]
pub struct ListSearch<'t>(Search<'t>);

impl ListStates {
    /// The states of a new list.
    #[must_use]
    pub fn new() -> Self {
        static LISTS: AtomicU64 = AtomicU64::new(1);
        ListStates(States::new(LISTS.fetch_add(1, Ordering::Relaxed)))
    }

    /// Adds an identifier by `add`, and then begins another state: from now on the list is searched again for each token.
    pub fn grow(&self, add: impl FnOnce()) {
        self.0.grow(add);
    }

    /// Begins a search; `None` if one in the present state found none of the token's identifiers. Read the list after this.
    #[inline]
    pub fn search<'t>(&self, token: &'t Verified) -> Option<ListSearch<'t>> {
        self.0.search(&token.identifiers().known_absent).map(ListSearch)
    }
}

impl ListSearch<'_> {
    /// Remembers that the list has none of the token's identifiers.
    #[inline]
    pub fn found_none(self) {
        self.0.found_none();
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
