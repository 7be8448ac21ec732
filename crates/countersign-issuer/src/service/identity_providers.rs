//! The identity providers of an issuer: verification of their assertions, each of which counts once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::Clock;
use countersign_core::error::{ConfigError, VerifyError};
use countersign_core::policy::{Profile, TrustedIssuer};
use countersign_core::verify::{Verified, Verifier};

use super::subject_issuers::{OutsideSubject, SubjectIssuers};
use crate::client::Client;
use crate::policy::IdentityProvider;
use crate::store::{AsyncStore, IdList, Insertion, StoreError, StoreErrorKind};

/// The `typ` of identity assertions.
pub(crate) const IDENTITY_ASSERTION_TYPE: &str = "oauth-id-jag+jwt";

/// The longest accepted `jti`, in bytes.
const MAX_ID_BYTES: usize = 256;

/// The time that a used assertion stays stored after its end: for longer than the leeway within which it is still valid.
const KEPT_AFTER_END: Duration = Duration::from_secs(300);

/// The identity providers by their names.
pub(crate) struct IdentityProviders {
    providers: HashMap<String, IdentityProvider>,
    subjects: SubjectIssuers,
    store: AsyncStore,
}

/// A verified assertion about a user.
pub(crate) struct Asserted<'i> {
    pub(crate) provider: &'i IdentityProvider,
    pub(crate) subject: OutsideSubject,
}

impl IdentityProviders {
    pub(crate) fn new(
        providers: Vec<IdentityProvider>,
        issuer: &str,
        clock: &Arc<dyn Clock>,
        danger_denied: bool,
        store: AsyncStore,
    ) -> Result<Self, ConfigError> {
        let rules = |provider: &IdentityProvider| (rules(&provider.trusted, issuer), provider.prefix.clone());
        let trusted: Vec<_> = providers.iter().map(rules).collect();
        // No cache: an assertion is accepted only once.
        let subjects = SubjectIssuers::new(&trusted, || {
            let builder = Verifier::builder().clock(Arc::clone(clock)).cache_bytes(0);
            if danger_denied { builder.deny_danger() } else { builder }
        })?;
        let providers = providers.into_iter().map(|provider| (provider.trusted.issuer().to_owned(), provider));
        Ok(IdentityProviders { providers: providers.collect(), subjects, store })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.providers.is_empty()
    }

    /// Returns whether a name is that of a user of a provider.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.subjects.has_name(name)
    }

    /// Verifies an assertion; `None` if no provider has the name that it states.
    pub(super) async fn verify(&self, assertion: &str) -> Option<Result<Asserted<'_>, VerifyError>> {
        let verified = self.subjects.verify(assertion).await?;
        let subject = match verified {
            Ok(subject) => subject,
            Err(error) => return Some(Err(error)),
        };
        let provider = self.providers.get(subject.verified.issuer())?;
        Some(Ok(Asserted { provider, subject }))
    }

    /// Records the use of an assertion, in a place of `client`. Returns `false` if it was used before, or has no usable `jti`.
    ///
    /// # Errors
    /// `StoreError` if it is unknown whether it was used, or the client has its share of the list.
    pub(crate) async fn record_use(&self, client: &Client, assertion: &Verified) -> Result<bool, StoreError> {
        let id = assertion.token_id().filter(|id| (1..=MAX_ID_BYTES).contains(&id.len()));
        let Some(id) = id else { return Ok(false) };
        let issuer = assertion.issuer();
        // Client assertions have a number in the first place.
        let id = format!("identity {} {issuer} {id}", issuer.len());
        let until = assertion.expires_at().saturating_add(KEPT_AFTER_END);
        match self.store.insert_id(IdList::UsedAssertions, client.id(), &id, until).await? {
            Insertion::New => Ok(true),
            Insertion::Present => Ok(false),
            Insertion::Full | Insertion::Unknown => Err(StoreError::new(StoreErrorKind::Unavailable)),
        }
    }
}

/// The rules for assertions of a provider for this issuer.
fn rules(trusted: &TrustedIssuer, issuer: &str) -> TrustedIssuer {
    // Roles and groups of the provider mean nothing here.
    let trusted = trusted.clone().clients_only().audience(issuer);
    let trusted = trusted.profile(Profile::Named).token_type(IDENTITY_ASSERTION_TYPE);
    ["sub", "iat", "jti", "client_id"].into_iter().fold(trusted, TrustedIssuer::required_claim)
}
