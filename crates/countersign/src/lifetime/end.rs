//! The expiry of a token as a future.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::UnixTime;
use http::Extensions;

use crate::authenticate::{Authenticated, LayerContext};

/// The longest sleep before the clock is read again, to notice a clock that was set or a machine that was suspended.
const CLOCK_CHECK_INTERVAL: Duration = Duration::from_secs(60);

/// The expiry of the caller's token (`exp`), by the clock of the layer that verified it.
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
    context: Arc<LayerContext>,
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
        let Authenticated { verified, context, .. } = extensions.get::<Authenticated>()?;
        let expires_at = verified.as_ref()?.expires_at();
        let left = expires_at.saturating_since(context.clock.now());
        let deadline = context.clock.elapsed().saturating_add(left);
        Some(TokenEnd { expires_at, deadline, context: Arc::clone(context) })
    }

    /// The time of the expiry. New requests are accepted for the leeway longer, to allow for inaccurate clocks; running
    /// responses are not.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// Returns whether the token has expired.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.remaining().is_zero()
    }

    /// Completes when the token expires. The future can be dropped at any time. It needs a tokio runtime.
    pub async fn reached(self) {
        loop {
            let remaining = self.remaining();
            if remaining.is_zero() {
                return;
            }
            tokio::time::sleep(remaining.min(CLOCK_CHECK_INTERVAL)).await;
        }
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
