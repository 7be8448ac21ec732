//! The token endpoint of a token service: given, or discovered from its issuer.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use countersign_core::error::Fault;
use reqwest::Url;
use tokio::time::Instant;

use crate::fetch::{self, Endpoint, FetchFailure, FetchedResponse, Reach, checked_url, discover};
use crate::outbound::error::OutboundError;

/// The number of retries after a failed connection or a 5xx.
const MAX_RETRIES: u32 = 2;

/// The delay before the first such retry, twice as long before the next; jitter takes up to half of it away.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// The time for which a discovered address is used before the metadata is read again.
const DISCOVERED_FOR: Duration = Duration::from_secs(3600);

/// A token endpoint. A discovered address is remembered for an hour, or until a request fails.
pub(super) struct TokenEndpoint {
    location: Location,
    discovered: Mutex<Option<(Url, Instant)>>,
}

enum Location {
    Issuer(String),
    Url(String),
}

impl TokenEndpoint {
    /// The endpoint in the metadata of this issuer.
    pub(super) fn from_issuer(issuer: String) -> Self {
        TokenEndpoint { location: Location::Issuer(issuer), discovered: Mutex::default() }
    }

    pub(super) fn from_url(url: String) -> Self {
        TokenEndpoint { location: Location::Url(url), discovered: Mutex::default() }
    }

    /// The issuer, if the endpoint is discovered from it.
    pub(super) fn issuer(&self) -> Option<&str> {
        match &self.location {
            Location::Issuer(issuer) => Some(issuer),
            Location::Url(_) => None,
        }
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        match &self.location {
            Location::Issuer(issuer) => fetch::metadata_urls(issuer).err(),
            Location::Url(url) => checked_url(url, "token_endpoint").err(),
        }
    }

    pub(super) async fn url(&self) -> Result<Url, OutboundError> {
        let discovered = self.discovered.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((url, _)) = discovered.filter(|(_, at)| at.elapsed() < DISCOVERED_FOR) {
            return Ok(url);
        }
        let url = match &self.location {
            Location::Issuer(issuer) => discover(issuer, Endpoint::Token, Reach::Anywhere).await?,
            Location::Url(url) => checked_url(url, "token_endpoint")
                .map_err(|_| OutboundError::refused("the token endpoint is not a usable URL"))?,
        };
        self.remember(Some(url.clone()));
        Ok(url)
    }

    /// Forgets the discovered address: it may have moved.
    pub(super) fn forget(&self) {
        self.remember(None);
    }

    fn remember(&self, url: Option<Url>) {
        let discovered = url.map(|url| (url, Instant::now()));
        *self.discovered.lock().unwrap_or_else(PoisonError::into_inner) = discovered;
    }
}

/// The delay before sending a request again after `sent`, the outcome of attempt number `attempt`; `None` if it is final.
pub(super) fn retry_delay(sent: &Result<FetchedResponse, FetchFailure>, attempt: u32) -> Option<Duration> {
    let may_help = match sent {
        Ok(answer) => answer.status.is_server_error() && answer.retry_after().is_none(),
        Err(failure) => matches!(failure, FetchFailure::Connect | FetchFailure::Broken),
    };
    let delay = RETRY_DELAY.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX));
    (may_help && attempt < MAX_RETRIES).then(|| delay.mul_f64(0.5 + fastrand::f64() / 2.0))
}
