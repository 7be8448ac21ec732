//! The bounds of requests that wait for a token service.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use countersign::outbound::OutboundError;
use countersign_core::integration::{OccupancyBudget, OverBudget, Standing};
use countersign_core::verify::Verified;

/// The most requests of a swap that wait for a token.
const MAX_WAITING: u32 = 2048;

/// The longest wait of a request for a token.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// The places of requests that wait, and the longest wait.
#[derive(Clone)]
pub(crate) struct Waits {
    /// By the issuer of the caller, so that tokens of one leave room for those of others.
    places: OccupancyBudget,
    timeout: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Waits { places: OccupancyBudget::new(MAX_WAITING), timeout: MAX_WAIT }
    }
}

impl Waits {
    pub(crate) fn set_places(&mut self, most: u32) {
        self.places = OccupancyBudget::new(most);
    }

    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// The result for this caller. If it is not there at once, it takes a place.
    pub(crate) async fn within<T>(
        &self,
        caller: &Verified,
        given: impl Future<Output = Result<T, OutboundError>>,
    ) -> Result<T, OutboundError> {
        let given = tokio::time::timeout(self.timeout, self.in_place(caller, given));
        given.await.unwrap_or_else(|_| Err(OutboundError::unavailable("no token in time", None)))
    }

    async fn in_place<T>(
        &self,
        caller: &Verified,
        given: impl Future<Output = Result<T, OutboundError>>,
    ) -> Result<T, OutboundError> {
        let mut given = pin!(given);
        match poll_fn(|context| Poll::Ready(given.as_mut().poll(context))).await {
            Poll::Ready(result) => result,
            Poll::Pending => {
                let place = self.places.acquire(caller.issuer(), Standing::Known);
                let too_many = |over: OverBudget| {
                    OutboundError::unavailable("too many requests wait for a token", Some(over.retry_after))
                };
                let _place = place.map_err(too_many)?;
                given.await
            }
        }
    }
}
