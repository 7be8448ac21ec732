//! The verifier of a worker.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::error::{ConfigError, Fault, VerifyError};
use countersign_core::integration::verify_enqueued;
use countersign_core::pseudonym::Pseudonyms;
use countersign_core::verify::{Verified, Verifier};

use crate::audit::{AuditLog, Auditor};
use crate::listed::with_lists_of_policy;
use crate::revocation::{Revocation, RevocationOutcome, RevocationQuery};
use crate::telemetry::Samples;

/// The longest time that a message may wait, as a setting: the longest lifetime of access tokens by RFC 9068 here.
pub const MAX_QUEUE_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// The `retry_after` of a token whose revocation status is unknown.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Verifies the tokens of messages as of the time at which the messages were put into their queue.
///
/// A message may wait longer than its token lives. `exp` and `nbf` are therefore compared with the time of enqueueing, which
/// must be that of the queue's own record and never comes from the token or from the message's content. All else counts as of
/// now: signature, current keys, issuer, audience, revocation, and the age that the policy permits. A message that waited
/// longer than the maximum age is refused, and so is one from the future.
///
/// ```
/// use std::time::Duration;
/// use countersign::authz::scope;
/// use countersign::clock::UnixTime;
/// use countersign::prelude::*;
/// use countersign::queue::QueueVerifier;
///
/// # async fn example(token: &str, enqueued_at: std::time::SystemTime) -> Result<(), Box<dyn std::error::Error>> {
/// let verifier = Verifier::new(oidc("https://id.example.com").audience("exports"))?;
/// let queue = QueueVerifier::new(verifier, Duration::from_secs(3600))?;
///
/// let caller = queue.verify(token, UnixTime::from(enqueued_at)).await?; // the time is the queue's, not the message's
/// if caller.meets(&scope("orders:export")) {
///     println!("export for {}", caller.subject());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct QueueVerifier(Arc<Settings>);

#[derive(Debug)]
struct Settings {
    verifier: Verifier,
    max_age: Duration,
    revocation: Option<Revocation>,
    audit: Option<Auditor>,
    samples: Samples,
}

/// Collects the settings of a [`QueueVerifier`].
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use countersign::prelude::*;
/// use countersign::queue::QueueVerifier;
/// use countersign::revocation::RevocationList;
///
/// let verifier = Verifier::new(oidc("https://id.example.com").audience("exports"))?;
/// let revoked = Arc::new(RevocationList::new());
/// let queue = QueueVerifier::builder(verifier, Duration::from_secs(3600)).revocation(revoked).build()?;
/// # let _ = queue;
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct QueueVerifierBuilder {
    verifier: Verifier,
    max_age: Duration,
    revocation: Option<Revocation>,
    audit: Option<AuditLog>,
    subjects: Option<Pseudonyms>,
}

impl QueueVerifier {
    /// A verifier of messages that waited at most `max_age`. It checks no revocation but the status lists that the policy names.
    ///
    /// # Errors
    /// As [`QueueVerifierBuilder::build`].
    pub fn new(verifier: Verifier, max_age: Duration) -> Result<Self, ConfigError> {
        Self::builder(verifier, max_age).build()
    }

    /// For a revocation check, or an audit log.
    pub fn builder(verifier: Verifier, max_age: Duration) -> QueueVerifierBuilder {
        QueueVerifierBuilder { verifier, max_age, revocation: None, audit: None, subjects: None }
    }

    /// Verifies the token of a message that was put into its queue at `enqueued_at`, by the queue's own record.
    ///
    /// A queue's clock may be ahead by half a second.
    ///
    /// # Errors
    /// As [`Verifier::verify`]. The codes `waited_too_long` and `enqueued_in_future` are about `enqueued_at`. If
    /// [`is_unavailable`](VerifyError::is_unavailable) is true, keep the message and try again: keys or the revocation status
    /// were not available.
    pub async fn verify(&self, token: &str, enqueued_at: UnixTime) -> Result<Arc<Verified>, VerifyError> {
        let Some(audit) = &self.0.audit else { return self.decide(token, enqueued_at).await };
        let begin = audit.begin();
        let result = self.decide(token, enqueued_at).await;
        audit.message(begin, &result);
        result
    }

    async fn decide(&self, token: &str, enqueued_at: UnixTime) -> Result<Arc<Verified>, VerifyError> {
        let Settings { verifier, max_age, revocation, samples, .. } = &*self.0;
        let verified = verify_enqueued(verifier, token, enqueued_at, *max_age).await?;
        let Some(revocation) = revocation else { return Ok(verified) };
        let status = match revocation.query(&verified) {
            RevocationQuery::Known(status) => status,
            RevocationQuery::Pending(status) => status.await,
        };
        match revocation.decide(status, &verified, samples, &**verifier.clock()) {
            RevocationOutcome::Accepted => Ok(verified),
            RevocationOutcome::Revoked => Err(VerifyError::revoked("the token or its subject was revoked")),
            RevocationOutcome::Suspended => Err(VerifyError::suspended("the status of the token is suspended")),
            RevocationOutcome::Unavailable => {
                Err(VerifyError::unavailable(RETRY_AFTER, "the revocation status is unknown; try the message again"))
            }
        }
    }
}

impl QueueVerifierBuilder {
    /// Checks each token's revocation as of now, beside the status lists that the policy names.
    pub fn revocation(mut self, revocation: impl Into<Revocation>) -> Self {
        self.revocation = Some(revocation.into());
        self
    }

    /// Records each decision about a message: refused ones, and accepted ones too with [`AuditLog::allowed`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use countersign::audit::{AuditEvents, AuditLog};
    /// use countersign::prelude::*;
    /// use countersign::queue::QueueVerifier;
    ///
    /// let verifier = Verifier::new(oidc("https://id.example.com").audience("exports"))?;
    /// let log = AuditLog::new("exports", AuditEvents).allowed();
    /// let queue = QueueVerifier::builder(verifier, Duration::from_secs(3600)).audit(log).build()?;
    /// # let _ = queue;
    /// # Ok::<(), countersign::error::ConfigError>(())
    /// ```
    pub fn audit(mut self, log: AuditLog) -> Self {
        self.audit = Some(log);
        self
    }

    /// Names subjects in events of the audit log by pseudonyms of this key, the same as in the layers of other services. Default:
    /// events name no subject.
    pub fn log_subjects(mut self, pseudonyms: Pseudonyms) -> Self {
        self.subjects = Some(pseudonyms);
        self
    }

    /// Checks the settings and builds.
    ///
    /// # Errors
    /// `ConfigError` on `max_age` if it is zero or above [`MAX_QUEUE_AGE`], and on `revocation`, `audit` and `danger` as for a layer.
    pub fn build(self) -> Result<QueueVerifier, ConfigError> {
        let QueueVerifierBuilder { verifier, max_age, revocation, audit, subjects } = self;
        let mut faults = Vec::new();
        if max_age.is_zero() || max_age > MAX_QUEUE_AGE {
            let problem = format!("not between 1 s and {} s", MAX_QUEUE_AGE.as_secs());
            faults.push(Fault::new("max_age", problem));
        }
        let (revocation, _) = with_lists_of_policy(revocation, &verifier);
        if let Some(revocation) = &revocation {
            faults.extend(revocation.attach(verifier.clock()));
            if verifier.denies_danger() && revocation.fails_open() {
                let problem = "tokens of unknown revocation status are accepted, and deny_danger forbids it";
                faults.push(Fault::new("danger", problem));
            }
        }
        faults.extend(audit.iter().flat_map(|log| log.faults(verifier.denies_danger())));
        ConfigError::check(faults)?;
        let audit = audit.map(|log| Auditor::new(log, verifier.clone(), subjects));
        Ok(QueueVerifier(Arc::new(Settings { verifier, max_age, revocation, audit, samples: Samples::default() })))
    }
}
