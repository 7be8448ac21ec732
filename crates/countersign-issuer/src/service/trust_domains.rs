//! The trust domains of an issuer, each with the verifier of its transaction tokens.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::Clock;
use countersign_core::error::{ConfigError, VerifyError};
use countersign_core::key::{Algorithm, KeySource};
use countersign_core::policy::TransactionService;
use countersign_core::verify::{TransactionToken, TransactionVerifier, Verifier};

use super::subject_issuers::{OutsideSubject, SubjectIssuers};
use crate::policy::TrustDomain;

/// The trust domains by their names.
pub(crate) struct TrustDomains(HashMap<String, Entry>);

struct Entry {
    domain: TrustDomain,
    verifier: TransactionVerifier,
    subjects: SubjectIssuers,
}

impl TrustDomains {
    /// The verifiers have no leeway, since the same clock dated the tokens.
    pub(crate) fn new(
        domains: Vec<TrustDomain>,
        issuer: &str,
        keys: &Arc<dyn KeySource>,
        algorithm: Algorithm,
        clock: &Arc<dyn Clock>,
        danger_denied: bool,
    ) -> Result<Self, ConfigError> {
        let entry = |domain: TrustDomain| {
            let service = transaction_service(domain.name(), issuer, Arc::clone(keys), algorithm);
            let verifier =
                TransactionVerifier::builder(service.leeway(Duration::ZERO)).clock(Arc::clone(clock)).build()?;
            let subjects = SubjectIssuers::new(&domain.subject_issuers, || {
                let builder = Verifier::builder().clock(Arc::clone(clock));
                if danger_denied { builder.deny_danger() } else { builder }
            })?;
            Ok((domain.name().to_owned(), Entry { domain, verifier, subjects }))
        };
        domains.into_iter().map(entry).collect::<Result<_, _>>().map(TrustDomains)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&TrustDomain> {
        self.0.get(name).map(|entry| &entry.domain)
    }

    /// Verifies a token of an issuer from outside whose subjects are known in this trust domain; `None` if there is none.
    pub(crate) async fn verify_subject(&self, name: &str, token: &str) -> Option<Result<OutsideSubject, VerifyError>> {
        self.0.get(name)?.subjects.verify(token).await
    }

    /// Returns whether a subject of this issuer has the name of one from outside.
    pub(crate) fn is_outside_name(&self, name: &str, subject: &str) -> bool {
        self.0.get(name).is_some_and(|entry| entry.subjects.has_name(subject))
    }

    /// Verifies a transaction token of this trust domain; `None` if the domain is unknown.
    pub(crate) async fn verify(&self, name: &str, token: &str) -> Option<Result<TransactionToken, VerifyError>> {
        Some(self.0.get(name)?.verifier.verify(token).await)
    }
}

/// The issuer as the transaction token service of a trust domain.
pub(super) fn transaction_service(
    trust_domain: &str,
    issuer: &str,
    keys: Arc<dyn KeySource>,
    algorithm: Algorithm,
) -> TransactionService {
    TransactionService::new(trust_domain, keys).issuer(issuer).algorithms([algorithm])
}
