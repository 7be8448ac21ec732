//! The end of a token, to be waited for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::UnixTime;
use http::Extensions;

use crate::authenticate::{Authenticated, Mark, Shared};

/// How long is slept at once: a wall clock that was set, or a machine that slept, is noticed after it.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// When the caller's token ends (`exp`), by the clock of the layer that verified it.
///
/// With axum it is a handler's argument; elsewhere [`from_extensions`](Self::from_extensions) finds it.
#[derive(Clone)]
pub struct TokenEnd {
    expires_at: UnixTime,
    pub(super) shared: Arc<Shared>,
}

impl TokenEnd {
    /// Of the caller of the request with these extensions; `None` where it has no token.
    ///
    /// ```
    /// use countersign::lifetime::TokenEnd;
    ///
    /// assert!(TokenEnd::from_extensions(http::Request::new(()).extensions()).is_none());
    /// ```
    #[must_use]
    pub fn from_extensions(extensions: &Extensions) -> Option<Self> {
        let Authenticated(Mark { verified, shared }) = extensions.get::<Authenticated>()?;
        let expires_at = verified.as_ref()?.expires_at();
        Some(TokenEnd { expires_at, shared: Arc::clone(shared) })
    }

    /// The time of the end. New requests are taken for the leeway longer, to make up for clocks; nothing goes on for it.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// Whether it has come.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.left().is_zero()
    }

    /// Completes when it comes; may be dropped and asked for again. Needs a tokio runtime.
    pub async fn reached(self) {
        loop {
            let left = self.left();
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK_AGAIN)).await;
        }
    }

    fn left(&self) -> Duration {
        self.expires_at.saturating_since(self.shared.clock.now())
    }
}

impl fmt::Debug for TokenEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenEnd").field("expires_at", &self.expires_at.as_secs()).finish_non_exhaustive()
    }
}
