//! Key sets over HTTP, at a known address or at the one that discovery finds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::error::Fault;
use countersign_core::key::{KeyRejected, KeySet, MAX_JWKS_BYTES, SettingsDigest};
use http::{HeaderValue, Method, StatusCode, header};
use reqwest::{Request, Url};

use super::location::{KeyDocument, KeyLocation, KeyRequest, failure};
use crate::fetch::{
    self, ConnectionSettings, Endpoint, FetchFailure, FetchedResponse, Reach, discover, metadata_urls, unexpected_form,
};
use crate::refresh::{FetchFuture, Fetched};

/// The time that a discovered address is used before the discovery document is read again.
const REDISCOVER_AFTER: Duration = Duration::from_secs(3600);

/// An HTTP location, with what the last responses stated for the next request.
#[derive(Debug)]
pub(super) struct HttpLocation {
    target: Target,
    document: KeyDocument,
    state: Mutex<State>,
    public_only: AtomicBool,
    answered_from_cache: AtomicBool,
    plain_http_allowed: AtomicBool,
    settings: Mutex<ConnectionSettings>,
}

#[derive(Debug)]
enum Target {
    Issuer(String),
    Url(String),
}

#[derive(Clone, Debug, Default)]
struct State {
    address: Option<Url>,
    /// When to read the discovery document again, as a reading of the clock's `elapsed`.
    rediscover_at: Duration,
    /// The address that served the current keys.
    served: Option<Url>,
    /// The validator of the last response, with the set that it stands for.
    validator: Option<(HeaderValue, Arc<KeySet>)>,
}

impl HttpLocation {
    pub(super) fn from_issuer(issuer: String) -> Self {
        Self::new(Target::Issuer(issuer), KeyDocument::JwkSet)
    }

    pub(super) fn from_url(url: String, document: KeyDocument) -> Self {
        Self::new(Target::Url(url), document)
    }

    fn new(target: Target, document: KeyDocument) -> Self {
        HttpLocation {
            target,
            document,
            state: Mutex::default(),
            public_only: AtomicBool::new(false),
            answered_from_cache: AtomicBool::new(false),
            plain_http_allowed: AtomicBool::new(false),
            settings: Mutex::default(),
        }
    }

    pub(super) fn allow_plain_http(&self) {
        self.plain_http_allowed.store(true, Ordering::Relaxed);
    }

    pub(super) fn set_connection(&self, settings: ConnectionSettings) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    fn connection(&self) -> ConnectionSettings {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reach(&self) -> Reach {
        match (self.public_only.load(Ordering::Relaxed), self.plain_http_allowed.load(Ordering::Relaxed)) {
            (true, _) => Reach::PublicOnly,
            (false, true) => Reach::AnywhereInPlainHttp,
            (false, false) => Reach::Anywhere,
        }
    }

    fn load_state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn store_state(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    async fn fetch_keys(&self, request: KeyRequest) -> Result<Fetched<KeySet>, FetchFailure> {
        let mut state = self.load_state();
        let address = self.address(&mut state, request.elapsed).await?;
        let mut fetched = self.fetch_set(&address, &mut state.validator, &request).await;
        match &fetched {
            Ok(_) => state.served = Some(address.clone()),
            Err(FetchFailure::Status(StatusCode::GONE, _)) => {
                // An address that never served keys may be a wrong one. A snapshot of an earlier run counts as served.
                if state.served.as_ref().map_or(request.current.is_some(), |served| *served == address) {
                    fetched = Err(FetchFailure::NoKeys);
                }
            }
            Err(_) => {}
        }
        state.address = Some(address);
        if fetched.is_err() {
            state.rediscover_at = Duration::ZERO; // the keys may have moved
            state.validator = None;
        }
        self.store_state(state);
        fetched
    }

    /// The address of the keys; runs discovery if that is due. A discovery document with bad content ends the fetch; one that
    /// is unreachable does not, if an earlier address is known.
    async fn address(&self, state: &mut State, elapsed: Duration) -> Result<Url, FetchFailure> {
        let issuer = match &self.target {
            Target::Url(url) => {
                return fetch::checked_url_within(self.reach(), url, "jwks")
                    .map_err(|_| FetchFailure::Unusable("the address is not usable"));
            }
            Target::Issuer(issuer) => issuer,
        };
        let known = state.address.take();
        if let Some(address) = known.clone().filter(|_| elapsed < state.rediscover_at) {
            return Ok(address);
        }
        let address = match (discover(&self.connection(), issuer, Endpoint::Keys, self.reach()).await, known) {
            (Ok(address), _) => {
                state.rediscover_at = elapsed.saturating_add(REDISCOVER_AFTER);
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
        key_request: &KeyRequest,
    ) -> Result<Fetched<KeySet>, FetchFailure> {
        let mut request = Request::new(Method::GET, address.clone());
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        // A validator is sent only for the current set, and not if that set lacks a key.
        let is_current = |set: &Arc<KeySet>| key_request.current.as_ref().is_some_and(|now| Arc::ptr_eq(now, set));
        let known = validator.take().filter(|(_, set)| !key_request.forced && is_current(set));
        if key_request.forced {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        if let Some((etag, _)) = &known {
            headers.insert(header::IF_NONE_MATCH, etag.clone());
        }
        let response = fetch::send_within(&self.connection(), self.reach(), request, MAX_JWKS_BYTES).await?;
        let etag = response.etag();
        let (value, etag) = match (response.status, known) {
            (StatusCode::NOT_MODIFIED, Some((old, set))) => (set, Some(etag.unwrap_or(old))),
            (StatusCode::OK, _) => (read_set(&response, self.document)?, etag),
            _ => return Err(response.unexpected_status()),
        };
        *validator = etag.map(|etag| (etag, Arc::clone(&value)));
        self.answered_from_cache.store(response.is_from_cache(), Ordering::Relaxed);
        Ok(Fetched { value, lifetime: response.fresh_for() })
    }
}

impl KeyLocation for HttpLocation {
    fn name(&self) -> &str {
        match &self.target {
            Target::Issuer(name) | Target::Url(name) => name,
        }
    }

    fn shown_name(&self) -> &str {
        self.name().split(['?', '#']).next().unwrap_or_default() // a query may hold a secret
    }

    fn origin(&self) -> String {
        match &self.target {
            Target::Issuer(issuer) => format!("discovery at {issuer}"),
            Target::Url(url) => format!("keys at {url}"),
        }
    }

    fn settings(&self) -> SettingsDigest {
        SettingsDigest::of(&(self.connection().digest(), self.document))
    }

    fn host(&self) -> Option<String> {
        let url = Url::parse(self.name()).ok()?;
        Some(url.authority().to_owned())
    }

    fn fetch(self: Arc<Self>, request: KeyRequest) -> FetchFuture<KeySet, FetchFailure> {
        Box::pin(async move { self.fetch_keys(request).await })
    }

    fn answered_from_cache(&self) -> bool {
        self.answered_from_cache.load(Ordering::Relaxed)
    }

    fn weakenings(&self) -> Vec<&'static str> {
        let allowed = self.plain_http_allowed.load(Ordering::Relaxed);
        allowed.then_some("keys may come over plain http").into_iter().collect()
    }

    fn restrict_to_public_addresses(&self) {
        self.public_only.store(true, Ordering::Relaxed);
    }

    fn forget(&self) {
        self.store_state(State::default());
    }

    fn fault(&self) -> Option<Fault> {
        let settings = self.connection();
        let of_address = match &self.target {
            Target::Issuer(issuer) => metadata_urls(self.reach(), issuer).err(),
            Target::Url(url) => fetch::checked_url_within(self.reach(), url, "jwks").err(),
        };
        let hides_address = self.reach() == Reach::PublicOnly && settings.has_proxy();
        of_address
            .or_else(|| hides_address.then(fetch::proxy_hides_address))
            .or_else(|| settings.faults().into_iter().next())
    }
}

pub(super) fn read_set(response: &FetchedResponse, document: KeyDocument) -> Result<Arc<KeySet>, FetchFailure> {
    let rejected = |rejected: KeyRejected| match unexpected_form(&response.headers, &response.body) {
        Some(form) => FetchFailure::Content(format!("not a {}, but {form}", document.name())),
        None => failure(&rejected),
    };
    document.read(&response.body).map(Arc::new).map_err(rejected)
}
