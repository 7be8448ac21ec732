//! Refresh settings of tokens.

use std::time::Duration;

use countersign_core::error::Fault;

use crate::refresh::RefreshPolicy;

/// The lifetime of a token whose response does not state one.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);

/// The longest lifetime accepted from a response.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The time limit of one token request with its retries, and the longest time that a call waits for it.
const TIMEOUT: Duration = Duration::from_secs(10);

impl RefreshPolicy {
    /// The defaults of token sources: 1 min if the response states no lifetime, at most 24 h, 10 s for one request.
    ///
    /// Tokens are never used past their lifetime, so `min_lifetime` and `stale_for` stay zero.
    ///
    /// ```
    /// use std::time::Duration;
    /// use countersign::outbound::{ClientCredentials, RefreshPolicy};
    ///
    /// let policy = RefreshPolicy::for_tokens().max_lifetime(Duration::from_secs(3600));
    /// let tokens = ClientCredentials::from_issuer("https://id.example.com").refresh_policy(policy);
    /// # let _ = tokens;
    /// ```
    #[must_use]
    pub fn for_tokens() -> Self {
        RefreshPolicy::default()
            .default_lifetime(DEFAULT_LIFETIME)
            .min_lifetime(Duration::ZERO)
            .max_lifetime(MAX_LIFETIME)
            .stale_for(Duration::ZERO)
            .timeout(TIMEOUT)
            .max_wait(TIMEOUT)
    }
}

/// The faults of a policy for tokens.
pub(super) fn policy_faults(policy: &RefreshPolicy) -> Vec<Fault> {
    // Zero is right for tokens, and a fault for keys.
    let mut faults = policy.clone().min_lifetime(Duration::from_secs(1)).faults();
    for (value, field) in [(policy.min_lifetime, "min_lifetime"), (policy.stale_for, "stale_for")] {
        if !value.is_zero() {
            let problem = "not zero; a token is not used past its lifetime; start from RefreshPolicy::for_tokens";
            faults.push(Fault::new(field, problem));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_for_tokens_never_stretches_a_lifetime() {
        assert!(policy_faults(&RefreshPolicy::for_tokens()).is_empty());
        let fields = |policy: &RefreshPolicy| -> Vec<String> {
            policy_faults(policy).into_iter().map(|fault| fault.field.into_owned()).collect()
        };
        assert_eq!(fields(&RefreshPolicy::default()), ["min_lifetime", "stale_for"]);
        assert_eq!(fields(&RefreshPolicy::for_tokens().max_lifetime(Duration::from_secs(30))), ["default_lifetime"]);
        assert_eq!(fields(&RefreshPolicy::for_tokens().timeout(Duration::ZERO)), ["timeout", "max_wait"]);
    }
}
