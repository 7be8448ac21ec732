//! Verifiers whose policy can be replaced while a service runs.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::builder::VerifierBuilder;
use super::revision::{Current, Replaceable};
use super::verifier::{Shared, Verifier};
use crate::error::ConfigError;
use crate::policy::Fingerprint;

/// Replaces the policy of a [`Verifier`] and of all its clones, at once for all.
///
/// Each token is verified under one policy from the first step to the last. Tokens that were verified under the old policy are
/// not in the cache of the new one. It does not keep the verifier alive.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::{key::StaticKeys, policy::NeedsAudience, verify::Verifier};
///
/// let trusted = |audience: &str| NeedsAudience::new("https://id.test", Arc::new(StaticKeys::new([]))).audience(audience);
/// let (verifier, replacer) = Verifier::builder().trust(trusted("orders")).build_replaceable()?;
/// let before = verifier.fingerprint();
/// replacer.replace(Verifier::builder().trust(trusted("billing")))?;
/// assert_ne!(verifier.fingerprint(), before);
/// assert!(replacer.replace(Verifier::builder()).is_err()); // no issuer: the last policy stays in force
/// assert!(verifier.policy_error().is_some());
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct PolicyReplacer {
    verifier: Weak<Shared>,
    /// Held while a policy is replaced; those who verify never take it.
    turn: Mutex<()>,
}

impl VerifierBuilder {
    /// Checks everything, and builds a verifier whose policy can be replaced.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_replaceable(self) -> Result<(Verifier, PolicyReplacer), ConfigError> {
        let clock = Arc::clone(&self.clock);
        let current = Current::Replaceable(Replaceable::new(self.revision()?));
        let verifier = Verifier::from_parts(current, clock);
        let replacer = PolicyReplacer { verifier: Arc::downgrade(&verifier.0), turn: Mutex::default() };
        Ok((verifier, replacer))
    }
}

impl PolicyReplacer {
    /// Puts the policy of `builder` in force, and returns its fingerprint. The verifier keeps its clock.
    ///
    /// `deny_danger` stays in force once it is: a policy without it is checked as if it had it. It cannot be turned on, because
    /// layers were built without it.
    ///
    /// # Errors
    /// As [`VerifierBuilder::build`], on field `deny_danger` if it would be turned on, and on field `verifier` if there is none
    /// any more. The last policy then stays in force, and [`Verifier::policy_error`] returns the error.
    pub fn replace(&self, builder: VerifierBuilder) -> Result<Fingerprint, ConfigError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(shared) = self.verifier.upgrade() else {
            return Err(ConfigError::new("verifier", "dropped; keep a clone of it"));
        };
        let result = replace(&shared, builder);
        shared.policy_error.store(result.as_ref().err().cloned().map(Arc::new));
        result.map(|()| Verifier(shared).fingerprint())
    }

    /// Records why there is no other policy, such as a file that cannot be read; `None` if the policy in force is the latest.
    pub fn record_error(&self, error: Option<ConfigError>) {
        if let Some(shared) = self.verifier.upgrade() {
            shared.policy_error.store(error.map(Arc::new));
        }
    }

    pub(super) fn shared(&self) -> Option<Arc<Shared>> {
        self.verifier.upgrade()
    }

    /// Returns whether the verifier or a clone of it still exists.
    #[must_use]
    pub fn has_verifier(&self) -> bool {
        self.verifier.strong_count() > 0
    }
}

fn replace(shared: &Shared, mut builder: VerifierBuilder) -> Result<(), ConfigError> {
    let Current::Replaceable(replaceable) = &shared.current else { return Ok(()) };
    builder.clock = Arc::clone(&shared.clock);
    match (shared.current.load().danger_denied, builder.danger_denied) {
        (true, _) => builder.danger_denied = true,
        (false, true) => {
            let problem = "turned on while the service runs, whose layers were built without it; restart the service";
            return Err(ConfigError::new("deny_danger", problem));
        }
        (false, false) => {}
    }
    replaceable.replace(builder.revision()?);
    Ok(())
}

impl Verifier {
    /// The error of the last policy that was refused, if the policy in force is therefore an older one.
    #[must_use]
    pub fn policy_error(&self) -> Option<Arc<ConfigError>> {
        self.0.policy_error.load_full()
    }
}

/// Returns whether a token of this verifier may have an issuer with rules for status lists, now or after a change: its policy
/// has some, can be replaced, or resolves issuers at run time.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::integration::may_have_status_lists;
/// use countersign_core::{key::StaticKeys, policy::NeedsAudience, verify::Verifier};
///
/// let issuer = NeedsAudience::new("https://id.example.com", Arc::new(StaticKeys::new([]))).audience("orders");
/// assert!(!may_have_status_lists(&Verifier::new(issuer)?));
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[must_use]
pub fn may_have_status_lists(verifier: &Verifier) -> bool {
    let revision = match &verifier.0.current {
        Current::Replaceable(_) => return true,
        Current::Fixed(revision) => revision,
    };
    revision.resolved.is_some() || revision.issuers.values().any(|issuer| issuer.status_list_rules().is_some())
}
