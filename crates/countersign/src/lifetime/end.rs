//! The expiry of a token as a future.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::integration::{still_accepts, still_accepts_transaction};
use countersign_core::token::CredentialKind;
use countersign_core::verify::{TransactionToken, Verified};
use http::Extensions;
use tokio::time::{Instant, timeout};

use super::recheck::Recheck;
use crate::authenticate::{AskedAbout, Authenticated, LayerContext};
use crate::revocation::{Revocation, RevocationOutcome, RevocationQuery};
use crate::telemetry;

/// The longest sleep before the clock is read again, to notice a clock that was set or a machine that was suspended, and the
/// revocation check is asked again.
const CLOCK_CHECK_INTERVAL: Duration = Duration::from_secs(60);

/// The end of the caller's token: its expiry (`exp`), by the clock of the layer that verified it.
///
/// If the layer has a [revocation check](crate::revocation), it is asked again once a minute, and within a second of each of its
/// [changes](crate::revocation::RevocationCheck::changes), though at most once a second: a token that was revoked ends then. So a
/// [`RevocationList`](crate::revocation::RevocationList) ends streams at once. A status that is unknown counts by the layer's [`UnknownPolicy`](crate::revocation::UnknownPolicy).
///
/// Once a minute the token is also compared with the policy and the keys in force. It ends if they would refuse a request with
/// it, or give it other authorities: its key was withdrawn, its issuer is no longer trusted, it became older than `max_age`, or
/// the policy was [replaced](countersign_core::verify::PolicyReplacer). Keys that cannot be fetched end no token before its
/// expiry.
///
/// If an introspection endpoint vouched for the token, it is asked again too, within the age of its answers. An endpoint that cannot
/// be asked ends no token before its expiry.
///
/// An API key is looked up again, and its caller ends with it. A store that cannot be read ends no caller before its expiry.
///
/// A request that came with a transaction token ends with whichever of the two ends first.
///
/// A wall clock that is set back does not extend it: the time that the token had left counts by the monotonic clock too.
///
/// With axum it is a handler argument; elsewhere [`from_extensions`](Self::from_extensions) creates it. The
/// [module](crate::lifetime) has an example.
#[derive(Clone)]
pub struct TokenEnd {
    expires_at: UnixTime,
    /// The expiry on the monotonic clock.
    deadline: Duration,
    verified: Arc<Verified>,
    transaction: Option<TransactionToken>,
    asked: Option<AskedAbout>,
    context: Arc<LayerContext>,
}

/// The parts of a [`TokenEnd`], kept for a response that may turn out to be a stream. Keeping them reads no clock.
#[derive(Clone)]
pub struct TokenEndParts {
    verified: Arc<Verified>,
    transaction: Option<TransactionToken>,
    asked: Option<AskedAbout>,
    context: Arc<LayerContext>,
}

impl TokenEndParts {
    /// The parts for the request with these extensions; `None` if the request has no token.
    #[must_use]
    #[inline]
    pub fn from_extensions(extensions: &Extensions) -> Option<Self> {
        let Authenticated { verified, transaction, asked, context, .. } = extensions.get::<Authenticated>()?;
        let verified = Arc::clone(verified.as_ref()?);
        let asked = asked.as_deref().cloned();
        Some(TokenEndParts { verified, transaction: transaction.clone(), asked, context: Arc::clone(context) })
    }

    /// The caller.
    pub fn verified(&self) -> &Arc<Verified> {
        &self.verified
    }

    /// The end. The time that the token has left counts by the monotonic clock from now on.
    #[must_use]
    pub fn into_end(self) -> TokenEnd {
        let TokenEndParts { verified, transaction, asked, context } = self;
        let expiry_of_transaction = transaction.as_ref().map(TransactionToken::expires_at);
        let expires_at = expiry_of_transaction.into_iter().fold(verified.expires_at(), UnixTime::min);
        let left = expires_at.saturating_since(context.clock.now());
        let deadline = context.clock.elapsed().saturating_add(left);
        TokenEnd { expires_at, deadline, verified, transaction, asked, context }
    }
}

impl TokenEnd {
    /// The expiry for the request with these extensions; `None` if the request has no token.
    ///
    /// ```
    /// use countersign::lifetime::TokenEnd;
    ///
    /// assert!(TokenEnd::from_extensions(http::Request::new(()).extensions()).is_none());
    /// ```
    #[must_use]
    pub fn from_extensions(extensions: &Extensions) -> Option<Self> {
        TokenEndParts::from_extensions(extensions).map(TokenEndParts::into_end)
    }

    /// The time of the expiry. New requests are accepted for the leeway longer, to allow for inaccurate clocks; running
    /// responses are not.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// Returns whether the token has expired. Unlike [`reached`](Self::reached), it does not ask the revocation check.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.remaining().is_zero()
    }

    /// Completes when the token expires, was revoked, or is no longer accepted by the policy and the keys in force. The future can be
    /// dropped at any time. It needs a tokio runtime.
    pub async fn reached(self) {
        self.after_end().await;
    }

    /// Waits as [`reached`](Self::reached), and returns this value.
    pub(super) async fn after_end(self) -> Self {
        let changes = self.context.revocation.as_ref().map(Revocation::changes);
        let mut recheck = Recheck::new(changes.unwrap_or_default());
        let mut whole_check_at = Instant::now() + CLOCK_CHECK_INTERVAL;
        loop {
            let remaining = self.remaining();
            if remaining.is_zero() {
                return self;
            }
            let deadline = whole_check_at.min(Instant::now() + remaining);
            let is_over = if recheck.changed_before(deadline).await {
                self.has_end_within(self.is_unrevoked(Revocation::query_changed)).await
            } else {
                whole_check_at = Instant::now() + CLOCK_CHECK_INTERVAL;
                self.has_end_within(self.is_accepted()).await
            };
            if is_over {
                return self;
            }
        }
    }

    /// Returns whether the token is refused, or expires before `is_accepted` has answered.
    async fn has_end_within(&self, is_accepted: impl Future<Output = bool>) -> bool {
        let mut is_accepted = pin!(is_accepted);
        loop {
            let remaining = self.remaining();
            if remaining.is_zero() {
                return true;
            }
            if let Ok(accepted) = timeout(remaining.min(CLOCK_CHECK_INTERVAL), &mut is_accepted).await {
                return !accepted;
            }
        }
    }

    /// Asks the policy and the keys in force, and the revocation check, again.
    async fn is_accepted(&self) -> bool {
        if !still_accepts(&self.context.verifier, &self.verified).await {
            return false;
        }
        if let Some((transactions, transaction)) = self.context.transactions.as_ref().zip(self.transaction.as_ref())
            && !still_accepts_transaction(transactions, transaction).await
        {
            return false;
        }
        let token = self.asked.as_ref().and_then(AskedAbout::token);
        if let Some((introspection, token)) = self.context.introspection.as_ref().zip(token)
            && !introspection.still_vouches(token, &self.verified).await
        {
            return false;
        }
        if self.verified.token_kind() == CredentialKind::ApiKey {
            let still_accepts = self.context.api_keys.as_ref().map(|keys| keys.still_accepts(&self.verified));
            let is_accepted = match still_accepts {
                Some(still_accepts) => still_accepts.await,
                None => false,
            };
            if !is_accepted {
                return false;
            }
        }
        self.is_unrevoked(Revocation::query_again).await
    }

    /// Asks the revocation check by `query`.
    async fn is_unrevoked(&self, query: impl Fn(&Revocation, &Arc<Verified>) -> RevocationQuery) -> bool {
        let LayerContext { revocation: Some(revocation), samples, clock, .. } = &*self.context else { return true };
        let status = match query(revocation, &self.verified) {
            RevocationQuery::Known(status) => status,
            RevocationQuery::Pending(status) => status.await,
        };
        revocation.decide(status, &self.verified, samples, &**clock) == RevocationOutcome::Accepted
    }

    /// Logs a response that outlived its token.
    pub(super) fn log(&self, outcome: &'static str) {
        telemetry::token_ended(outcome, &self.context.samples, self.context.clock.elapsed());
    }

    fn remaining(&self) -> Duration {
        let clock = &self.context.clock;
        let by_wall_clock = self.expires_at.saturating_since(clock.now());
        by_wall_clock.min(self.deadline.saturating_sub(clock.elapsed()))
    }
}

impl fmt::Debug for TokenEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenEnd").field("expires_at", &self.expires_at.as_secs()).finish_non_exhaustive()
    }
}

impl fmt::Debug for TokenEndParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenEndParts").finish_non_exhaustive()
    }
}
