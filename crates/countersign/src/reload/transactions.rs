//! The verifier of transaction tokens that follows the policy.

use std::sync::Arc;

use countersign_core::clock::Clock;
use countersign_core::error::ConfigError;
use countersign_core::integration::{TransactionReplacer, build_replaceable_transactions};
use countersign_core::key::KeySource;
use countersign_core::policy::Policy;
use countersign_core::verify::{TransactionVerifier, TransactionVerifierBuilder};

use super::known_keys::{KnownKeys, MakeKeys, source};

/// The verifier of transaction tokens of a policy that has one when it is first read.
pub(super) struct Transactions {
    pub(super) verifier: TransactionVerifier,
    replacer: TransactionReplacer,
}

/// The service of a policy that is not in force yet, after all checks.
pub(super) struct NextTransactions(TransactionVerifierBuilder);

impl Transactions {
    /// The verifier, and its key source; `None` if the policy names no service.
    pub(super) fn new(
        policy: &Policy,
        make_keys: &MakeKeys,
        clock: Arc<dyn Clock>,
    ) -> Result<(Option<Self>, Option<KnownKeys>), ConfigError> {
        if policy.transactions.is_none() {
            return Ok((None, None));
        }
        let (builder, keys) = builder(policy, make_keys, None)?;
        let (verifier, replacer) = build_replaceable_transactions(builder.clock(clock))?;
        Ok((Some(Transactions { verifier, replacer }), Some(keys)))
    }

    /// Checks the service of another policy, whose keys stay if their place is the same.
    pub(super) fn check(
        &self,
        policy: &Policy,
        make_keys: &MakeKeys,
        known: Option<&KnownKeys>,
    ) -> Result<(NextTransactions, KnownKeys), ConfigError> {
        let domain = policy.transactions.as_ref().map(|config| config.trust_domain.as_str());
        if domain != Some(self.verifier.trust_domain()) {
            let problem = "missing, or of another trust domain, which needs a restart: layers are built with it";
            return Err(ConfigError::new("transactions", problem));
        }
        let (checked, keys) = builder(policy, make_keys, known)?;
        checked.build()?;
        let (next, keys) = builder(policy, make_keys, Some(&keys))?;
        Ok((NextTransactions(next), keys))
    }

    /// Puts it in force.
    pub(super) fn replace(&self, next: NextTransactions) -> Result<(), ConfigError> {
        self.replacer.replace(next.0)
    }
}

fn builder(
    policy: &Policy,
    make_keys: &MakeKeys,
    known: Option<&KnownKeys>,
) -> Result<(TransactionVerifierBuilder, KnownKeys), ConfigError> {
    let mut keys: Option<KnownKeys> = None;
    let builder = TransactionVerifier::builder_for(policy, |place| {
        let found: KnownKeys = source(place, make_keys, known.map(std::slice::from_ref).unwrap_or_default())?;
        let source: Arc<dyn KeySource> = Arc::clone(&found.1);
        keys = Some(found);
        Ok(source)
    })?;
    let keys = keys.ok_or_else(|| ConfigError::new("transactions", "without keys"))?;
    Ok((builder, keys))
}
