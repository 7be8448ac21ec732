//! An endpoint of an authorization server: given, or discovered from its issuer.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use countersign_core::clock::SourceClock;
use countersign_core::error::Fault;
use countersign_core::key::RefreshReason;
use reqwest::Url;

use crate::fetch::{
    ConnectionSettings, Endpoint, FetchFailure, FetchedResponse, Reach, checked_url_within, discover, metadata_urls,
};
use crate::refresh::{Fetch, FetchFuture, Fetched, Outcome, RefreshCache, RefreshPolicy};

/// The number of retries after a failed connection or a 5xx.
const MAX_RETRIES: u32 = 2;

/// The delay before the first such retry, twice as long before the next; jitter takes up to half of it away.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// The time for which a discovered address is used before the metadata is read again.
const DISCOVERED_FOR: Duration = Duration::from_secs(3600);

/// The time limit of a discovery, and the longest time that a call waits for it.
const DISCOVERY_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest pause after discoveries that failed.
const MAX_DISCOVERY_BACKOFF: Duration = Duration::from_secs(10);

/// An endpoint. A discovered address is used for an hour; after a request that failed, it is discovered again, at most
/// once per cool-down for all callers.
pub(crate) struct ServerEndpoint {
    location: Location,
    /// Its name in settings.
    field: &'static str,
    pub(crate) reach: Reach,
    /// Once there is a clock.
    discovered: OnceLock<RefreshCache<Url, Discovery>>,
    /// The address that failed, if it was not discovered again since.
    failed: Mutex<Option<Arc<Url>>>,
}

enum Location {
    Issuer(String),
    Url(String),
}

impl ServerEndpoint {
    /// The endpoint in the metadata of this issuer.
    pub(crate) fn from_issuer(issuer: String, field: &'static str) -> Self {
        Self::new(Location::Issuer(issuer), field)
    }

    pub(crate) fn from_url(url: String, field: &'static str) -> Self {
        Self::new(Location::Url(url), field)
    }

    fn new(location: Location, field: &'static str) -> Self {
        let (reach, discovered, failed) = (Reach::Anywhere, OnceLock::new(), Mutex::default());
        ServerEndpoint { location, field, reach, discovered, failed }
    }

    /// The issuer, if the endpoint is discovered from it.
    pub(crate) fn issuer(&self) -> Option<&str> {
        match &self.location {
            Location::Issuer(issuer) => Some(issuer),
            Location::Url(_) => None,
        }
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        match &self.location {
            Location::Issuer(issuer) => metadata_urls(self.reach, issuer).err(),
            Location::Url(url) => checked_url_within(self.reach, url, self.field).err(),
        }
    }

    /// The address, of the `endpoint` in the metadata if it is discovered.
    pub(crate) async fn url(
        &self,
        endpoint: Endpoint,
        settings: &ConnectionSettings,
        clock: &SourceClock,
    ) -> Result<Arc<Url>, FetchFailure> {
        let issuer = match &self.location {
            Location::Issuer(issuer) => issuer,
            Location::Url(url) => {
                let url = checked_url_within(self.reach, url, self.field);
                return url.map(Arc::new).map_err(|_| FetchFailure::Unusable("the endpoint is not a usable URL"));
            }
        };
        let discovered = self.discovered.get_or_init(|| {
            let (issuer, settings) = (issuer.clone(), settings.clone());
            let discovery = Discovery { issuer, endpoint, reach: self.reach, settings };
            RefreshCache::new(discovery, discovery_policy(), Arc::clone(clock.get()))
        });
        let current = discovered.get().await.map_err(failure)?;
        let has_failed = self.failed().as_ref().is_some_and(|failed| Arc::ptr_eq(failed, &current));
        if !has_failed {
            return Ok(current);
        }
        discovered.refresh(RefreshReason::MissingKey, None).await;
        discovered.get().await.map_err(failure)
    }

    /// Records that a request to `url` failed: it may have moved.
    pub(crate) fn has_failed(&self, url: &Arc<Url>) {
        *self.failed() = Some(Arc::clone(url));
    }

    fn failed(&self) -> std::sync::MutexGuard<'_, Option<Arc<Url>>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Discovers the endpoint.
struct Discovery {
    issuer: String,
    endpoint: Endpoint,
    reach: Reach,
    settings: ConnectionSettings,
}

impl Fetch<Url> for Discovery {
    type Error = FetchFailure;

    fn fetch(&self, _: Option<Arc<Url>>, _: bool) -> FetchFuture<Url, FetchFailure> {
        let (issuer, settings) = (self.issuer.clone(), self.settings.clone());
        let (endpoint, reach) = (self.endpoint, self.reach);
        Box::pin(async move {
            let url = discover(&settings, &issuer, endpoint, reach).await?;
            Ok(Fetched { value: Arc::new(url), lifetime: None })
        })
    }

    fn timeout_error(&self) -> FetchFailure {
        FetchFailure::Timeout
    }

    fn brings_news(&self, current: &Url, fetched: &Url) -> bool {
        current != fetched
    }

    fn retry_after(&self, error: &FetchFailure) -> Option<Duration> {
        match error {
            FetchFailure::Status(_, retry_after) => *retry_after,
            _ => None,
        }
    }
}

fn discovery_policy() -> RefreshPolicy {
    RefreshPolicy::default()
        .default_lifetime(DISCOVERED_FOR)
        .max_lifetime(DISCOVERED_FOR)
        .timeout(DISCOVERY_TIMEOUT)
        .max_wait(DISCOVERY_TIMEOUT)
        .max_backoff(MAX_DISCOVERY_BACKOFF)
}

fn failure(outcome: Outcome<FetchFailure>) -> FetchFailure {
    match outcome {
        Outcome::Failed { error: Some(error), .. } => error,
        Outcome::Failed { .. } | Outcome::Refreshed | Outcome::Deferred { .. } => FetchFailure::Timeout,
    }
}

/// The delay before sending a request again after `sent`, the outcome of attempt number `attempt`; `None` if it is final.
pub(crate) fn retry_delay(sent: &Result<FetchedResponse, FetchFailure>, attempt: u32) -> Option<Duration> {
    let may_help = match sent {
        Ok(answer) => answer.status.is_server_error() && answer.retry_after().is_none(),
        Err(FetchFailure::Connection(failure)) => failure.may_pass(),
        Err(failure) => matches!(failure, FetchFailure::Broken),
    };
    let delay = RETRY_DELAY.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX));
    (may_help && attempt < MAX_RETRIES).then(|| delay.mul_f64(0.5 + fastrand::f64() / 2.0))
}
