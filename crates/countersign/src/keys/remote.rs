//! A key set fetched over the network and kept fresh.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::clock::{Clock, SystemClock};
use countersign_core::error::Fault;
use countersign_core::key::{KeyCell, KeySet, KeySource, MAX_JWKS_BYTES, Refresh, RefreshFuture};
use countersign_core::policy::NeedsAudience;
use http::{HeaderValue, Method, StatusCode, header};
use reqwest::{Request, Url};

use crate::fetch::{self, Answer, Endpoint, FetchFailure, discover, metadata_urls};
use crate::refresh::{Fetch, FetchFuture, Fresh, Held, Look, RefreshPolicy, Refreshed};
use crate::telemetry;

/// Trusts an OpenID provider or OAuth server by its issuer name; its keys are found by discovery, at first use.
///
/// ```
/// use countersign::prelude::*;
///
/// let verifier = Verifier::trusting(oidc("https://id.example.com").audience("orders"))?;
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
pub fn oidc(issuer: impl Into<String>) -> NeedsAudience {
    let issuer = issuer.into();
    let keys = RemoteKeys::by_discovery(issuer.clone());
    NeedsAudience::new(issuer, Arc::new(keys))
}

/// Trusts an issuer whose keys are at a known address, without discovery.
///
/// ```
/// use countersign::prelude::*;
///
/// let issuer = jwks("https://id.example.com", "https://id.example.com/keys.json").audience("orders");
/// let verifier = Verifier::trusting(issuer)?;
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
pub fn jwks(issuer: impl Into<String>, url: impl Into<String>) -> NeedsAudience {
    NeedsAudience::new(issuer, Arc::new(RemoteKeys::at(url)))
}

/// A source of keys that are fetched: at first use, then ahead of their end, and at once for an unknown `kid`, though
/// never more often than the policy's cool-down allows.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use countersign::keys::{RefreshPolicy, RemoteKeys};
/// use countersign::policy::NeedsAudience;
///
/// let policy = RefreshPolicy { stale_for: Duration::from_secs(3600), ..RefreshPolicy::default() };
/// let keys = RemoteKeys::by_discovery("https://id.example.com").refresh_policy(policy);
/// let issuer = NeedsAudience::new("https://id.example.com", Arc::new(keys)).audience("orders");
/// # let _ = issuer;
/// ```
pub struct RemoteKeys {
    place: Place,
    policy: RefreshPolicy,
    clock: Arc<dyn Clock>,
    cell: Arc<KeyCell>,
    started: std::sync::OnceLock<Refreshed<KeySet, KeyFetch>>,
}

#[derive(Clone, Debug)]
enum Place {
    Discovery(String),
    Address(String),
}

impl RemoteKeys {
    /// Keys of this issuer, whose discovery document says where they are and must repeat the name exactly.
    pub fn by_discovery(issuer: impl Into<String>) -> Self {
        Self::new(Place::Discovery(issuer.into()))
    }

    /// Keys at this address.
    pub fn at(url: impl Into<String>) -> Self {
        Self::new(Place::Address(url.into()))
    }

    fn new(place: Place) -> Self {
        RemoteKeys {
            place,
            policy: RefreshPolicy::default(),
            clock: Arc::new(SystemClock),
            cell: Arc::default(),
            started: std::sync::OnceLock::new(),
        }
    }

    /// Fetches by other numbers than the defaults; senseless ones are refused when the verifier is built.
    #[must_use]
    pub fn refresh_policy(mut self, policy: RefreshPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Counts ages on this clock; it must be the verifier's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    fn refreshed(&self) -> &Refreshed<KeySet, KeyFetch> {
        self.started.get_or_init(|| {
            let fetch = KeyFetch {
                source: Arc::new(KeyPlace { place: self.place.clone(), found: Mutex::default() }),
                cell: Arc::clone(&self.cell),
            };
            Refreshed::new(fetch, self.policy.clone(), Arc::clone(&self.clock))
        })
    }
}

impl KeySource for RemoteKeys {
    fn cell(&self) -> &KeyCell {
        &self.cell
    }

    fn refresh(&self) -> RefreshFuture<'_> {
        Box::pin(async {
            let refreshed = self.refreshed();
            let look = refreshed.look().await;
            refreshed.keep_fresh();
            match look {
                Look::Looked => Refresh::Looked,
                Look::Failed { retry_after, .. } => {
                    Refresh::Unavailable { retry_after: retry_after.max(Duration::from_secs(1)) }
                }
            }
        })
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = self.policy.faults();
        let place = match &self.place {
            Place::Discovery(issuer) => metadata_urls(issuer).err(),
            Place::Address(url) => fetch::checked_url(url, "jwks").err(),
        };
        faults.extend(place);
        faults
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys").field("place", &self.place).field("cell", &self.cell).finish_non_exhaustive()
    }
}

/// Fetches one source's keys and writes them into its cell.
struct KeyFetch {
    source: Arc<KeyPlace>,
    cell: Arc<KeyCell>,
}

/// Where the keys are, and what the last answer said for asking again.
struct KeyPlace {
    place: Place,
    found: Mutex<Found>,
}

#[derive(Clone, Default)]
struct Found {
    address: Option<Url>,
    etag: Option<HeaderValue>,
}

impl Fetch<KeySet> for KeyFetch {
    type Error = FetchFailure;

    fn fetch(&self, held: Option<Arc<KeySet>>, forced: bool) -> FetchFuture<KeySet, FetchFailure> {
        let source = Arc::clone(&self.source);
        Box::pin(async move {
            let fetched = source.fetch(held, forced).await;
            telemetry::keys_fetched(source.name(), &fetched);
            fetched
        })
    }

    fn timed_out(&self) -> FetchFailure {
        FetchFailure::Timeout
    }

    fn settled(&self, held: &Held<KeySet>) {
        self.cell.store(Arc::clone(&held.value), Some(held.usable_until));
    }

    fn pause(&self, error: &FetchFailure) -> Option<Duration> {
        match error {
            FetchFailure::Status(_, retry_after) => *retry_after,
            _ => None,
        }
    }
}

impl KeyPlace {
    fn name(&self) -> &str {
        match &self.place {
            Place::Discovery(name) | Place::Address(name) => name,
        }
    }

    fn found(&self) -> Found {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, found: Found) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }

    async fn fetch(&self, held: Option<Arc<KeySet>>, forced: bool) -> Result<Fresh<KeySet>, FetchFailure> {
        let found = self.found();
        let address = match (&self.place, found.address) {
            (_, Some(address)) => address,
            (Place::Address(url), None) => {
                fetch::checked_url(url, "jwks").map_err(|_| FetchFailure::Unusable("the address is not usable"))?
            }
            (Place::Discovery(issuer), None) => discover(issuer, Endpoint::Keys).await?,
        };
        let etag = found.etag.filter(|_| held.is_some());
        match self.fetch_set(&address, etag, held, forced).await {
            Ok((fresh, etag)) => {
                self.remember(Found { address: Some(address), etag });
                Ok(fresh)
            }
            Err(failure) => {
                self.remember(Found::default()); // the address may have moved: discover anew next time
                Err(failure)
            }
        }
    }

    async fn fetch_set(
        &self,
        address: &Url,
        etag: Option<HeaderValue>,
        held: Option<Arc<KeySet>>,
        forced: bool,
    ) -> Result<(Fresh<KeySet>, Option<HeaderValue>), FetchFailure> {
        let mut request = Request::new(Method::GET, address.clone());
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        if forced {
            // A store on the way must not hand back the set that lacks the key.
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        if let Some(etag) = &etag {
            headers.insert(header::IF_NONE_MATCH, etag.clone());
        }
        let answer = fetch::send(request, MAX_JWKS_BYTES).await?;
        let value = match (answer.status, held) {
            (StatusCode::NOT_MODIFIED, Some(held)) if etag.is_some() => held,
            (StatusCode::OK, _) => Arc::new(self.read(&answer)?),
            _ => return Err(answer.unexpected_status()),
        };
        let etag = answer.headers.get(header::ETAG).cloned().or(etag);
        Ok((Fresh { value, life: answer.life() }, etag))
    }

    fn read(&self, answer: &Answer) -> Result<KeySet, FetchFailure> {
        let set = KeySet::from_jwks(&answer.body)
            .map_err(|_| FetchFailure::Unusable("no JWK Set with a usable key; run a check of the issuer's keys"))?;
        for skipped in set.skipped() {
            telemetry::key_skipped(self.name(), skipped);
        }
        Ok(set)
    }
}
