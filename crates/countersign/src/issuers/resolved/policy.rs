//! Limits and lifetimes of resolving issuers at run time.

use std::time::Duration;

use countersign_core::error::Fault;

use crate::refresh::RefreshPolicy;

/// The smallest setting of the memory for keys, in bytes.
const MIN_KEY_BYTES: usize = 4 * 1024 * 1024;

/// Settings for resolving issuers and caching them.
///
/// Impossible values are reported when the verifier is built.
///
/// ```
/// use countersign::issuers::{ResolvePolicy, ResolvedIssuers, oidc};
///
/// let policy = ResolvePolicy::default().max_issuers(50_000);
/// let tenants = ResolvedIssuers::new(|issuer: String| async move { Ok(Some(oidc(issuer).audience("orders"))) });
/// let tenants = tenants.resolve_policy(policy);
/// # let _ = tenants;
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ResolvePolicy {
    /// The number of cached issuers; the least recently used one makes room for the next. Default 10,000.
    ///
    /// Issuers that no token was verified of yet take at most an eighth of the places (or 16, or half if there are few); then
    /// the oldest of them makes room.
    pub max_issuers: usize,
    /// The memory for the fetched keys of all these issuers together, in bytes. Default 128 MiB: 10,000 issuers with five RSA
    /// keys of 2,048 bits each.
    ///
    /// If it is used up, issuers that no token was verified of in the last minute make room, those of the longest ago first.
    /// If all are in use, the ones whose keys take more than an equal share do. Tokens of an issuer without room are answered
    /// with 503.
    pub max_key_bytes: usize,
    /// The time that an issuer is trusted before the resolver must confirm it, which happens ahead of that. Default 5 min.
    pub max_age: Duration,
    /// The longest time that a name that the resolver does not know is refused without asking it again. Default 1 min.
    ///
    /// The first refusal lasts 5 s, and each further one in a row twice as long. After a tenant was registered, call
    /// [`ResolvedIssuers::forget`](super::ResolvedIssuers::forget) to have it trusted at once.
    pub refused_for: Duration,
    /// The time past `max_age` that an issuer is trusted while the resolver fails. Default 1 h.
    pub stale_for: Duration,
    /// The number of names without a cached answer that may be resolved per second, whoever sends them. Default 20.
    ///
    /// Half of it is for names that several requests ask for, and one host gets at most half. Of the names that wait, those
    /// that most requests ask for take turns with names drawn by lot. Names that were trusted before
    /// do not count; of those, ten times as many may be resolved.
    pub max_lookups_per_second: u32,
    /// The time limit of one call of the resolver. Default 5 s.
    pub timeout: Duration,
    /// The longest time that one caller waits for it. Default 1 s.
    pub max_wait: Duration,
}

impl Default for ResolvePolicy {
    fn default() -> Self {
        ResolvePolicy {
            max_issuers: 10_000,
            max_key_bytes: 128 * 1024 * 1024,
            max_age: Duration::from_secs(300),
            refused_for: Duration::from_secs(60),
            stale_for: Duration::from_secs(3600),
            max_lookups_per_second: 20,
            timeout: Duration::from_secs(5),
            max_wait: Duration::from_secs(1),
        }
    }
}

/// Setters, each for the field of its name.
impl ResolvePolicy {
    /// Sets how many issuers are cached.
    #[must_use]
    pub fn max_issuers(self, max_issuers: usize) -> Self {
        ResolvePolicy { max_issuers, ..self }
    }

    /// Sets the memory for the fetched keys of all issuers, in bytes.
    #[must_use]
    pub fn max_key_bytes(self, max_key_bytes: usize) -> Self {
        ResolvePolicy { max_key_bytes, ..self }
    }

    /// Sets how long an issuer is trusted before the resolver must confirm it.
    #[must_use]
    pub fn max_age(self, max_age: Duration) -> Self {
        ResolvePolicy { max_age, ..self }
    }

    /// Sets how long at most an unknown name is refused without asking the resolver again.
    #[must_use]
    pub fn refused_for(self, refused_for: Duration) -> Self {
        ResolvePolicy { refused_for, ..self }
    }

    /// Sets how long past its age an issuer is trusted while the resolver fails.
    #[must_use]
    pub fn stale_for(self, stale_for: Duration) -> Self {
        ResolvePolicy { stale_for, ..self }
    }

    /// Sets how many names that are not cached may be resolved per second.
    #[must_use]
    pub fn max_lookups_per_second(self, max_lookups_per_second: u32) -> Self {
        ResolvePolicy { max_lookups_per_second, ..self }
    }

    /// Sets the time limit of one call of the resolver.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        ResolvePolicy { timeout, ..self }
    }

    /// Sets the longest time that one caller waits for the resolver.
    #[must_use]
    pub fn max_wait(self, max_wait: Duration) -> Self {
        ResolvePolicy { max_wait, ..self }
    }
}

impl ResolvePolicy {
    /// Impossible settings, by field.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |bad: bool, field: &'static str, problem: &'static str| {
            if bad {
                faults.push(Fault::new(field, problem));
            }
        };
        let second = Duration::from_secs(1);
        fault(!(1..=1_000_000).contains(&self.max_issuers), "max_issuers", "not between 1 and 1,000,000");
        fault(
            self.max_key_bytes < MIN_KEY_BYTES,
            "max_key_bytes",
            "below 4 MiB; the largest key set of one issuer would not leave room for others",
        );
        fault(self.max_age < second, "max_age", "below 1 s; every token would cause a call of the resolver");
        fault(
            self.refused_for < second,
            "refused_for",
            "below 1 s; untrusted clients could cause calls of the resolver at will",
        );
        fault(!(1..=1_000).contains(&self.max_lookups_per_second), "max_lookups_per_second", "not between 1 and 1,000");
        fault(
            self.timeout.is_zero() || self.timeout > Duration::from_secs(60),
            "timeout",
            "not above zero and at most 60 s",
        );
        fault(
            self.max_wait.is_zero() || self.max_wait > self.timeout,
            "max_wait",
            "not above zero and at most the timeout",
        );
        faults
    }

    /// The refresh policy of one issuer's cache entry.
    pub(super) fn for_one_issuer(&self) -> RefreshPolicy {
        RefreshPolicy {
            default_lifetime: self.max_age,
            min_lifetime: self.max_age,
            max_lifetime: self.max_age,
            stale_for: self.stale_for,
            timeout: self.timeout,
            max_wait: self.max_wait,
            ..RefreshPolicy::default()
        }
    }
}
