//! The fetch of one list.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::integration::{CheckedStatusList, ExpectedStatusList, StatusListStep, check_status_list};
use countersign_core::key::KeySource;
use countersign_core::policy::StatusListRules;
use countersign_core::status::StatusList;
use countersign_core::verify::Verifier;
use http::{HeaderValue, Method, StatusCode, header};
use reqwest::{Request, Url};

use super::state::ListState;
use super::stats::{Counts, StatusListFailure, add};
use crate::fetch::{self, ConnectionSettings, FetchFailure, FetchedResponse, Reach, unexpected_form};
use crate::refresh::{CachedValue, Fetch, FetchFuture, Fetched};
use crate::telemetry;

/// The media type of lists.
const MEDIA_TYPE: &str = "application/statuslist+jwt";

/// A list in memory. Times are readings of the clock's `elapsed`.
pub(super) struct HeldList {
    pub(super) list: Arc<StatusList>,
    pub(super) issued_at: UnixTime,
    /// The end of its use, by its age and by `exp`.
    pub(super) usable_until: Duration,
    expires_at: Duration,
    ttl: Option<Duration>,
    etag: Option<HeaderValue>,
}

/// The settings that all lists share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) verifier: Verifier,
    pub(super) connection: ConnectionSettings,
    pub(super) max_age: Duration,
    pub(super) max_list_bytes: usize,
    pub(super) counts: Arc<Counts>,
}

/// Fetches one list.
pub(super) struct ListFetch {
    pub(super) list: Arc<ListLocation>,
    pub(super) state: Arc<ListState>,
}

/// A list, and how it is fetched.
pub(super) struct ListLocation {
    pub(super) issuer: Arc<str>,
    pub(super) rules: Arc<StatusListRules>,
    /// Other keys than those of the issuer.
    pub(super) keys: Option<Arc<dyn KeySource>>,
    /// As the token names it.
    pub(super) uri: Box<str>,
    pub(super) url: Url,
    pub(super) shared: Shared,
}

/// The reason why there is no list, and the pause that the host asks for.
#[derive(Clone, Debug)]
pub(super) struct NoList {
    kind: StatusListFailure,
    detail: Arc<str>,
    retry_after: Option<Duration>,
}

impl From<FetchFailure> for NoList {
    fn from(failure: FetchFailure) -> Self {
        let retry_after = match &failure {
            FetchFailure::Status(_, retry_after) => *retry_after,
            _ => None,
        };
        let kind =
            if failure.is_about_content() { StatusListFailure::Unusable } else { StatusListFailure::Unreachable };
        NoList { kind, detail: failure.to_string().into(), retry_after }
    }
}

impl NoList {
    fn new(detail: impl Into<Arc<str>>) -> Self {
        NoList { kind: StatusListFailure::Unusable, detail: detail.into(), retry_after: None }
    }
}

impl ListLocation {
    async fn fetch(&self, current: Option<Arc<HeldList>>, forced: bool) -> Result<Fetched<HeldList>, NoList> {
        let clock = self.shared.verifier.clock();
        let began = clock.elapsed();
        let mut request = Request::new(Method::GET, self.url.clone());
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static(MEDIA_TYPE));
        if forced {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        // An expired list is of no use, even if it is unchanged.
        let known = current.filter(|held| !forced && began < held.expires_at);
        if let Some(etag) = known.as_ref().and_then(|held| held.etag.as_ref()) {
            headers.insert(header::IF_NONE_MATCH, etag.clone());
        }
        let expected = self.expected();
        let connection = &self.shared.connection;
        let response = fetch::send_within(connection, Reach::Anywhere, request, expected.max_text_bytes()).await?;
        let until = |expires_at: Duration| began.saturating_add(self.max_age()).min(expires_at);
        let held = match (response.status, known.filter(|held| held.etag.is_some())) {
            (StatusCode::NOT_MODIFIED, Some(held)) => HeldList {
                list: Arc::clone(&held.list),
                usable_until: until(held.expires_at),
                etag: response.etag().or_else(|| held.etag.clone()),
                ..*held
            },
            (StatusCode::OK, _) => {
                let CheckedStatusList { list, issued_at, expires_at, ttl, .. } = self.check(&response).await?;
                let left = |end: UnixTime| clock.elapsed().saturating_add(end.saturating_since(clock.now()));
                let expires_at = expires_at.map_or(Duration::MAX, left);
                let (list, usable_until, etag) = (Arc::new(list), until(expires_at), response.etag());
                HeldList { list, issued_at, usable_until, expires_at, ttl, etag }
            }
            _ => return Err(response.unexpected_status().into()),
        };
        // `ttl` goes before the headers, but a cache on the way has already used up a part of it.
        let stated = held.ttl.map(|ttl| ttl.saturating_sub(response.age())).or_else(|| response.fresh_for());
        let left = held.expires_at.saturating_sub(began);
        let lifetime = match stated {
            Some(stated) => Some(stated.min(left)),
            None => (held.expires_at < Duration::MAX).then_some(left.min(DEFAULT_LIFETIME)),
        };
        Ok(Fetched { value: Arc::new(held), lifetime })
    }

    /// The age at which the list is no longer used.
    pub(super) fn max_age(&self) -> Duration {
        self.rules.age_bound().unwrap_or(self.shared.max_age)
    }

    fn expected(&self) -> ExpectedStatusList<'_> {
        ExpectedStatusList {
            issuer: &self.issuer,
            keys: self.keys.as_ref(),
            uri: &self.uri,
            max_bytes: self.rules.bytes_bound().unwrap_or(self.shared.max_list_bytes),
        }
    }

    /// Checks a list; its key is fetched if it is not cached.
    async fn check(&self, response: &FetchedResponse) -> Result<CheckedStatusList, NoList> {
        let text =
            std::str::from_utf8(&response.body).map_err(|_| NoList::new("the list is not a token"))?.trim_ascii();
        let check = |outcome: Option<&_>| check_status_list(&self.shared.verifier, &self.expected(), text, outcome);
        let mut checked = check(None);
        if let StatusListStep::NeedsKeys(keys) = &checked {
            let outcome = keys.refresh().await;
            checked = check(Some(&outcome));
        }
        match checked {
            StatusListStep::Genuine(list) => Ok(list),
            StatusListStep::Refused(error) => Err(match unexpected_form(&response.headers, &response.body) {
                Some(form) => NoList::new(format!("not a status list, but {form}")),
                None => NoList {
                    kind: StatusListFailure::Refused,
                    ..NoList::new(format!("the list cannot be used: {error}"))
                },
            }),
            StatusListStep::NeedsKeys(_) => {
                Err(NoList { kind: StatusListFailure::Refused, ..NoList::new("the key of the list is not here") })
            }
        }
    }
}

/// The lifetime of a list that states neither `ttl` nor a lifetime in its headers.
pub(super) const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);

impl Fetch<HeldList> for ListFetch {
    type Error = NoList;

    fn fetch(&self, current: Option<Arc<HeldList>>, forced: bool) -> FetchFuture<HeldList, NoList> {
        let list = Arc::clone(&self.list);
        Box::pin(async move { list.fetch(current, forced).await })
    }

    fn timeout_error(&self) -> NoList {
        FetchFailure::Timeout.into()
    }

    fn on_finish(&self, error: Option<&NoList>, _forced: bool, cached: Option<&CachedValue<HeldList>>) {
        let Shared { counts, verifier, .. } = &self.list.shared;
        let elapsed = verifier.clock().elapsed();
        self.state.record_fetch(error.map(|error| error.kind), elapsed);
        match error {
            None => add(&counts.fetched),
            Some(NoList { detail, .. }) => {
                add(&counts.failed);
                let age = cached.map(|cached| elapsed.saturating_sub(cached.fetched_at).as_secs());
                let (issuer, uri) = (&*self.list.issuer, &self.list.uri);
                telemetry::status_list_failed(issuer, uri, detail, age, &counts.log, elapsed);
            }
        }
    }

    fn is_needed(&self) -> bool {
        self.state.take_use()
    }

    fn retry_after(&self, error: &NoList) -> Option<Duration> {
        error.retry_after
    }
}
