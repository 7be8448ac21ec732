//! A target of tokens.

use std::time::Duration;

use countersign_core::error::Fault;

use super::{ScopeSet, is_scope};
use crate::builder::MAX_TOKEN_LIFETIME;

/// A service that tokens are made for: its name as it stands in `aud`, and the scopes that it knows.
///
/// ```
/// use countersign_issuer::Audience;
///
/// let billing = Audience::new("billing").scopes(["invoices:read", "invoices:write"]);
/// assert_eq!(billing.name(), "billing");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Audience {
    name: String,
    pub(crate) scopes: ScopeSet,
    pub(crate) lifetime: Option<Duration>,
}

impl Audience {
    /// A target that knows no scopes yet.
    pub fn new(name: impl Into<String>) -> Self {
        Audience { name: name.into(), scopes: ScopeSet::default(), lifetime: None }
    }

    /// The scopes that tokens for it may carry. Default: none.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.0.extend(scopes.into_iter().map(|scope| scope.into().into_boxed_str()));
        self
    }

    /// How long tokens for it live, at most 3600 s. Default: the issuer's `token_lifetime`.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |field: &str, problem: &'static str| {
            faults.push(Fault::new(format!("audience {}: {field}", self.name.escape_debug()), problem));
        };
        // A blank would make several of one; a wildcard is no service (S8.10).
        if self.name.is_empty() || self.name == "*" || self.name.contains(|c: char| c.is_whitespace() || c.is_control())
        {
            fault("name", "empty, a wildcard, or with blanks; name one service");
        } else if self.name.contains('#') {
            fault("name", "has a fragment, which no request can name (RFC 8707 §2)");
        }
        if self.scopes.0.iter().any(|scope| !is_scope(scope)) {
            fault("scopes", "a scope is empty or has blanks, quotes or characters that are not ASCII");
        }
        if self.lifetime.is_some_and(|life| life > MAX_TOKEN_LIFETIME || life.as_secs() == 0) {
            fault("token_lifetime", "not within 1 s to 3600 s");
        }
        faults
    }
}
