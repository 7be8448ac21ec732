//! Issuers from outside, for whose subjects transactions begin or access is granted.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use countersign_core::error::{ConfigError, VerifyError};
use countersign_core::integration::{OccupancyBudget, Standing, verify_presented};
use countersign_core::policy::TrustedIssuer;
use countersign_core::token::Unverified;
use countersign_core::verify::{Verified, Verifier, VerifierBuilder};

/// The most subject tokens of a trust domain, or identity assertions, that wait for keys. An issuer that does not answer has at most half of these places.
const MAX_WAITING: u32 = 64;

/// When to try again if more wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The issuers of one trust domain, or the identity providers. Each has a verifier of its own, so that no names of two are compared.
pub(super) struct SubjectIssuers {
    issuers: HashMap<String, Entry>,
    /// By the issuer that a token names.
    waiting: OccupancyBudget,
}

struct Entry {
    verifier: Verifier,
    prefix: String,
}

/// A subject from outside, verified.
pub(crate) struct OutsideSubject {
    pub(crate) verified: Arc<Verified>,
    /// Its name within the trust domain, or at this issuer.
    pub(crate) name: String,
}

impl SubjectIssuers {
    /// Each issuer has the prefix of its subjects' names, and a verifier of `builder`.
    pub(super) fn new(
        trusted: &[(TrustedIssuer, String)],
        builder: impl Fn() -> VerifierBuilder,
    ) -> Result<Self, ConfigError> {
        let mut issuers = HashMap::new();
        for (trusted, prefix) in trusted {
            let verifier = builder().trust(trusted.clone()).build()?;
            issuers.insert(trusted.issuer().to_owned(), Entry { verifier, prefix: prefix.clone() });
        }
        Ok(SubjectIssuers { issuers, waiting: OccupancyBudget::new(MAX_WAITING) })
    }

    /// Verifies a token of one of these issuers; `None` if it is of another one.
    pub(super) async fn verify(&self, token: &str) -> Option<Result<OutsideSubject, VerifyError>> {
        let named = Unverified::parse(token).ok()?.issuer()?.to_owned();
        let Entry { verifier, prefix } = self.issuers.get(&named)?;
        let mut verification = pin!(verify_presented(verifier, token));
        let verified = match poll_fn(|context| Poll::Ready(verification.as_mut().poll(context))).await {
            Poll::Ready(verified) => verified,
            Poll::Pending => match self.waiting.acquire(&named, Standing::Known) {
                Ok(_place) => verification.await,
                Err(_) => {
                    let detail = "too many subject tokens wait for keys";
                    return Some(Err(VerifyError::unavailable(RETRY_AFTER, detail)));
                }
            },
        };
        Some(verified.map(|verified| OutsideSubject { name: format!("{prefix}{}", verified.subject()), verified }))
    }

    /// Returns whether a name is that of a subject from outside.
    pub(super) fn has_name(&self, name: &str) -> bool {
        self.issuers.values().any(|entry| name.starts_with(&entry.prefix))
    }
}
