//! The keys that a verification still needs, and the source that may have them.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::key::{Algorithm, KeySource, Lookup, RefreshOutcome, RefreshReason};
use crate::policy::{IssuerLookup, IssuerSource, TrustedIssuer};
use crate::token::Header;

/// When to ask again if a source gave no time of its own.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The source that may have the missing key, or that knows whether the issuer is trusted at all.
#[derive(Clone, Debug)]
pub struct NeedsKeys(Need);

#[derive(Clone, Debug)]
enum Need {
    Keys { source: Arc<dyn KeySource>, reason: RefreshReason },
    Issuer { source: Arc<dyn IssuerSource>, name: Box<str>, key: KeyNamed, clock: Arc<dyn Clock> },
}

/// The key that a token names, to be fetched along with its issuer.
#[derive(Clone, Debug)]
struct KeyNamed {
    key_id: Option<Box<str>>,
    algorithm: Option<Algorithm>,
}

impl NeedsKeys {
    pub(super) fn of(issuer: &TrustedIssuer, reason: RefreshReason) -> Self {
        NeedsKeys(Need::Keys { source: Arc::clone(&issuer.keys), reason })
    }

    pub(super) fn of_issuer(
        source: Arc<dyn IssuerSource>,
        name: &str,
        header: Option<&Header>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let key_id = header.and_then(|header| header.key_id.as_deref()).map(Box::from);
        let key = KeyNamed { key_id, algorithm: header.and_then(|header| header.algorithm) };
        NeedsKeys(Need::Issuer { source, name: name.into(), key, clock })
    }

    /// Has the source look again, within its cool-down and its own time limits.
    pub async fn refresh(&self) -> RefreshOutcome {
        match &self.0 {
            Need::Keys { source, reason } => source.refresh(*reason).await,
            Need::Issuer { source, name, key, clock } => match source.resolve(name).await {
                RefreshOutcome::Refreshed => match source.lookup(name) {
                    IssuerLookup::Trusted(found) => key.look_for(found.issuer(), clock.elapsed()).await,
                    _ => RefreshOutcome::Refreshed,
                },
                unavailable => unavailable,
            },
        }
    }
}

impl KeyNamed {
    /// Has the issuer's source look where this key is not cached.
    async fn look_for(&self, issuer: &TrustedIssuer, elapsed: Duration) -> RefreshOutcome {
        let reason = {
            let held = issuer.keys.cell().load();
            match held.as_ref().filter(|held| held.is_usable(elapsed)).zip(self.algorithm) {
                Some((held, algorithm)) => {
                    match held.set.find(self.key_id.as_deref(), algorithm, issuer.unlabelled_rsa) {
                        Lookup::Missing => RefreshReason::MissingKey,
                        _ => return RefreshOutcome::Refreshed,
                    }
                }
                None => RefreshReason::NoUsableKeys,
            }
        };
        issuer.keys.refresh(reason).await
    }
}

/// The reason why cached keys do not decide a token.
pub(super) enum Pending {
    Refused(VerifyError),
    NeedsKeys(NeedsKeys),
}

impl Pending {
    pub(super) fn needs(issuer: &TrustedIssuer, reason: RefreshReason) -> Self {
        Pending::NeedsKeys(NeedsKeys::of(issuer, reason))
    }

    /// The final error after a refresh: a key missing from a fresh set is 401, an unavailable set is 503.
    pub(super) fn after(self, looked: &RefreshOutcome) -> VerifyError {
        let need = match self {
            Pending::Refused(error) => return error,
            Pending::NeedsKeys(NeedsKeys(need)) => need,
        };
        match (need, looked) {
            (Need::Keys { .. }, RefreshOutcome::Unavailable { retry_after }) => {
                VerifyError::unavailable(*retry_after, "the issuer's keys cannot be fetched now")
            }
            (Need::Keys { reason: RefreshReason::MissingKey, .. }, RefreshOutcome::Refreshed) => {
                VerifyError::new(Kind::UnknownKey, "the issuer's current key set has no such key")
            }
            (Need::Keys { reason: RefreshReason::NoUsableKeys, .. }, RefreshOutcome::Refreshed) => {
                VerifyError::unavailable(RETRY_AFTER, "no key set of the issuer is usable now")
            }
            (Need::Issuer { .. }, RefreshOutcome::Unavailable { retry_after }) => {
                VerifyError::unavailable(*retry_after, "it cannot be found out now whether the issuer is trusted")
            }
            // It was found, and gave way to another before it could serve.
            (Need::Issuer { .. }, RefreshOutcome::Refreshed) => {
                VerifyError::unavailable(RETRY_AFTER, "the issuer gave way to others")
            }
        }
    }

    /// As [`after`](Self::after), or the need itself if nobody was asked yet.
    pub(super) fn settle(self, looked: Option<&RefreshOutcome>, asks: &mut Option<NeedsKeys>) -> VerifyError {
        match (self, looked) {
            (pending, Some(looked)) => pending.after(looked),
            (Pending::Refused(error), None) => error,
            (Pending::NeedsKeys(needs), None) => {
                let detail = match &needs.0 {
                    Need::Keys { .. } => "the key is not cached, and its source was not asked",
                    Need::Issuer { .. } => "the issuer is not cached, and its source was not asked",
                };
                *asks = Some(needs);
                VerifyError::new(Kind::KeysUnavailable, detail)
            }
        }
    }
}

impl From<VerifyError> for Pending {
    fn from(error: VerifyError) -> Self {
        Pending::Refused(error)
    }
}
