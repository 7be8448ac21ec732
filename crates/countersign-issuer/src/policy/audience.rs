//! The services that tokens are issued for.

use std::time::Duration;

use countersign_core::error::Fault;

use super::{ScopeSet, lifetime_fault};

/// A service that tokens are issued for: its name in `aud`, and the scopes it knows.
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
    /// An audience without scopes.
    pub fn new(name: impl Into<String>) -> Self {
        Audience { name: name.into(), scopes: ScopeSet::default(), lifetime: None }
    }

    /// The scopes that tokens for this audience may carry. Default: none.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = ScopeSet::from_names(scopes);
        self
    }

    /// The lifetime of tokens for this audience, at most 3600 s. Default: the issuer's `token_lifetime`.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// The name of the audience.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |field: &str, problem: &'static str| {
            faults.push(Fault::new(format!("audience {}: {field}", self.name.escape_debug()), problem));
        };
        // Whitespace could split one name into several; a wildcard is not a service.
        if self.name.is_empty() || self.name == "*" || self.name.contains(|c: char| c.is_whitespace() || c.is_control())
        {
            fault("name", "empty, a wildcard, or contains whitespace; name one service");
        } else if self.name.contains('#') {
            fault("name", "has a fragment, which no request can name (RFC 8707 §2); remove it");
        }
        if let Some(problem) = self.scopes.problem() {
            fault("scopes", problem);
        }
        if let Some(problem) = self.lifetime.and_then(lifetime_fault) {
            fault("token_lifetime", problem);
        }
        faults
    }
}
