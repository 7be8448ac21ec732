//! Key sets over HTTP: at an address, or where an issuer's discovery document says.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::error::Fault;
use countersign_core::key::{KeySet, MAX_JWKS_BYTES};
use http::{HeaderValue, Method, StatusCode, header};
use reqwest::{Request, Url};

use super::kept::{Ask, KeyPlace};
use crate::fetch::{self, Answer, Endpoint, FetchFailure, Reach, discover, metadata_urls_within};
use crate::refresh::{FetchFuture, Fresh};

/// How long a discovered address is believed before the document is read again.
const REDISCOVER_AFTER: Duration = Duration::from_secs(3600);

/// Where the keys are, and what the last answers said for asking again.
#[derive(Debug)]
pub(super) struct HttpPlace {
    named: Named,
    found: Mutex<Found>,
    is_confined: AtomicBool,
    in_plain_http: AtomicBool,
}

#[derive(Debug)]
enum Named {
    Discovery(String),
    Address(String),
}

#[derive(Clone, Debug, Default)]
struct Found {
    address: Option<Url>,
    /// When the document is to be read again, on the clock's `elapsed`.
    rediscover_at: Duration,
    /// The validator of the last answer, and the set that it stands for.
    validator: Option<(HeaderValue, Arc<KeySet>)>,
}

impl HttpPlace {
    pub(super) fn discovered(issuer: String) -> Self {
        Self::new(Named::Discovery(issuer))
    }

    pub(super) fn at(url: String) -> Self {
        Self::new(Named::Address(url))
    }

    fn new(named: Named) -> Self {
        HttpPlace {
            named,
            found: Mutex::default(),
            is_confined: AtomicBool::new(false),
            in_plain_http: AtomicBool::new(false),
        }
    }

    /// From now on it calls public addresses alone.
    pub(super) fn confine(&self) {
        self.is_confined.store(true, Ordering::Relaxed);
    }

    pub(super) fn allow_plain_http(&self) {
        self.in_plain_http.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_in_plain_http(&self) -> bool {
        self.in_plain_http.load(Ordering::Relaxed)
    }

    fn reach(&self) -> Reach {
        match (self.is_confined.load(Ordering::Relaxed), self.is_in_plain_http()) {
            (true, _) => Reach::PublicOnly,
            (false, true) => Reach::AnywhereInPlainHttp,
            (false, false) => Reach::Anywhere,
        }
    }

    pub(super) fn origin(&self) -> String {
        match &self.named {
            Named::Discovery(issuer) => format!("discovery at {issuer}"),
            Named::Address(url) => format!("keys at {url}"),
        }
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        match &self.named {
            Named::Discovery(issuer) => metadata_urls_within(self.reach(), issuer).err(),
            Named::Address(url) => fetch::checked_url_within(self.reach(), url, "jwks").err(),
        }
    }

    fn found(&self) -> Found {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, found: Found) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }

    async fn fetch_from_here(&self, ask: Ask) -> Result<Fresh<KeySet>, FetchFailure> {
        let mut found = self.found();
        let address = self.address(&mut found, ask.elapsed).await?;
        let fetched = self.fetch_set(&address, &mut found.validator, &ask).await;
        found.address = Some(address);
        if fetched.is_err() {
            found.rediscover_at = Duration::ZERO; // it may have moved
            found.validator = None;
        }
        self.remember(found);
        fetched
    }

    /// The address, discovered anew where that is due. A document that must not be believed ends the fetch; one that
    /// cannot be had does not, as long as an address is known.
    async fn address(&self, found: &mut Found, elapsed: Duration) -> Result<Url, FetchFailure> {
        let issuer = match &self.named {
            Named::Address(url) => {
                return fetch::checked_url_within(self.reach(), url, "jwks")
                    .map_err(|_| FetchFailure::Unusable("the address is not usable"));
            }
            Named::Discovery(issuer) => issuer,
        };
        let known = found.address.take();
        if let Some(address) = known.clone().filter(|_| elapsed < found.rediscover_at) {
            return Ok(address);
        }
        let address = match (discover(issuer, Endpoint::Keys, self.reach()).await, known) {
            (Ok(address), _) => {
                found.rediscover_at = elapsed.saturating_add(REDISCOVER_AFTER);
                address
            }
            (Err(failure), Some(address)) if !failure.is_about_content() => address,
            (Err(failure), _) => return Err(failure),
        };
        Ok(address)
    }

    async fn fetch_set(
        &self,
        address: &Url,
        validator: &mut Option<(HeaderValue, Arc<KeySet>)>,
        ask: &Ask,
    ) -> Result<Fresh<KeySet>, FetchFailure> {
        let mut request = Request::new(Method::GET, address.clone());
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        // A validator serves only for the very set that is held, and not where that set lacks a key.
        let known = validator
            .take()
            .filter(|(_, set)| !ask.forced && ask.held.as_ref().is_some_and(|held| Arc::ptr_eq(held, set)));
        if ask.forced {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        if let Some((etag, _)) = &known {
            headers.insert(header::IF_NONE_MATCH, etag.clone());
        }
        let answer = fetch::send_within(self.reach(), request, MAX_JWKS_BYTES).await?;
        let etag = answer.headers.get(header::ETAG).cloned();
        let (value, etag) = match (answer.status, known) {
            (StatusCode::NOT_MODIFIED, Some((old, set))) => (set, Some(etag.unwrap_or(old))),
            (StatusCode::OK, _) => (read_set(&answer)?, etag),
            _ => return Err(answer.unexpected_status()),
        };
        *validator = etag.map(|etag| (etag, Arc::clone(&value)));
        Ok(Fresh { value, life: answer.life() })
    }
}

impl KeyPlace for HttpPlace {
    fn name(&self) -> &str {
        match &self.named {
            Named::Discovery(name) | Named::Address(name) => name,
        }
    }

    fn fetch(self: Arc<Self>, ask: Ask) -> FetchFuture<KeySet, FetchFailure> {
        Box::pin(async move { self.fetch_from_here(ask).await })
    }
}

pub(super) fn read_set(answer: &Answer) -> Result<Arc<KeySet>, FetchFailure> {
    let set = KeySet::from_jwks(&answer.body);
    set.map(Arc::new)
        .map_err(|_| FetchFailure::Unusable("no JWK Set with a usable key; run a check of the issuer's keys"))
}
