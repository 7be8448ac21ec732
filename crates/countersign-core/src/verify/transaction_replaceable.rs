//! Verifiers of transaction tokens whose rules are replaced while they are used.

use std::sync::Arc;

use super::replaceable::PolicyReplacer;
use super::transaction::{TransactionVerifier, TransactionVerifierBuilder};
use crate::error::ConfigError;
use crate::policy::TrustedIssuer;

/// Replaces the service that a [`TransactionVerifier`] trusts, in all of its clones at once.
#[derive(Debug)]
pub struct TransactionReplacer {
    replacer: PolicyReplacer,
    trust_domain: Arc<str>,
}

/// Checks everything, and builds a verifier whose service can be replaced.
///
/// # Errors
/// As [`TransactionVerifierBuilder::build`].
pub fn build_replaceable_transactions(
    builder: TransactionVerifierBuilder,
) -> Result<(TransactionVerifier, TransactionReplacer), ConfigError> {
    let (builder, trust_domain) = builder.checked()?;
    let (verifier, replacer) = builder.build_replaceable()?;
    let replacer = TransactionReplacer { replacer, trust_domain: Arc::clone(&trust_domain) };
    Ok((TransactionVerifier::from_parts(verifier, trust_domain), replacer))
}

/// The service that a verifier trusts, as an issuer with its keys.
#[must_use]
pub fn issuer_of_transactions(verifier: &TransactionVerifier) -> Option<Arc<TrustedIssuer>> {
    verifier.verifier().issuers().next()
}

impl TransactionReplacer {
    /// Puts the service of `builder` in force. The verifier keeps its clock.
    ///
    /// # Errors
    /// As [`TransactionVerifierBuilder::build`], and on `transactions` if the trust domain is another one: layers and services rely on
    /// it. The last service stays in force.
    pub fn replace(&self, builder: TransactionVerifierBuilder) -> Result<(), ConfigError> {
        let (builder, trust_domain) = builder.checked()?;
        if trust_domain != self.trust_domain {
            let problem = "the trust domain is another one, which needs a restart";
            return Err(ConfigError::new("transactions: trust_domain", problem));
        }
        self.replacer.replace(builder).map(drop)
    }
}
