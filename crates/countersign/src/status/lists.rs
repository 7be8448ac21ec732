//! The check of tokens against the status lists of their issuers.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::clock::{Clock, SourceClock};
use countersign_core::error::Fault;
use countersign_core::status::MAX_STATUS_LIST_BYTES;
use countersign_core::verify::{Verified, Verifier};
use foldhash::fast::RandomState;
use papaya::Equivalent;

use super::entry::Entry;
use super::fetch_list::{DEFAULT_LIFETIME, ListLocation, Shared};
use super::issuer::StatusListIssuer;
use super::stats::{Counts, StatusListStats, add};
use crate::fetch::ConnectionSettings;
use crate::refresh::RefreshPolicy;
use crate::revocation::{RevocationCheck, RevocationQuery, RevocationStatus};
use crate::telemetry;

/// The age at which a list is no longer used, whatever its host says.
const MAX_AGE: Duration = Duration::from_secs(300);

/// The most lists of one issuer.
const MAX_LISTS: usize = 64;

/// The longest pause between two attempts to fetch a list.
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// Checks tokens against the status lists of their issuers (draft-ietf-oauth-status-list-21).
///
/// The list that a token names (`status.status_list`) is fetched once, and again when its `ttl` ends, as long as tokens name it. A
/// request with a list in memory waits for nothing. A list that cannot be fetched is used until it is
/// [`max_age`](Self::max_age) old or expires (`exp`). After that, the status of its tokens is unknown, and the
/// [`UnknownPolicy`](crate::revocation::UnknownPolicy) decides: 503 by default.
///
/// | token | status |
/// |---|---|
/// | value 0 | valid |
/// | value 2 | suspended: 401 with the reason `suspended` |
/// | another value, or an index that the list lacks | revoked: 401 |
/// | no list named | valid, or revoked if the issuer's lists are [required](StatusListIssuer::required) |
/// | a list at an address that is not permitted, or a claim that cannot be read | unknown |
/// | no usable list | unknown |
///
/// A list must be signed under the rules of its issuer's policy for `alg`, `kid` and keys, with the type `statuslist+jwt`, and
/// name its own address as `sub`. Redirects are not followed.
///
/// ```
/// use std::sync::Arc;
/// use countersign::error::ConfigError;
/// use countersign::prelude::*;
/// use countersign::status::{StatusListIssuer, StatusLists};
///
/// fn layer(verifier: Verifier) -> Result<AuthenticateLayer, ConfigError> {
///     let issuer = StatusListIssuer::new("https://id.example.com").location("https://id.example.com/status-lists/");
///     let lists = Arc::new(StatusLists::new(&verifier).add_issuer(issuer));
///     AuthenticateLayer::builder(verifier).revocation(lists).build()
/// }
/// # let _ = layer;
/// ```
pub struct StatusLists {
    lists: papaya::HashMap<Place, Arc<Entry>, RandomState>,
    /// Held while a list is added, so that the bound is exact.
    adding: Mutex<()>,
    issuers: HashMap<String, StatusListIssuer>,
    repeated: Vec<String>,
    shared: Shared,
    max_lists: usize,
    timeout: Duration,
}

/// The name of a list: an address counts with the issuer whose tokens name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    issuer: Arc<str>,
    uri: Box<str>,
}

/// A borrowed [`Place`], so that a lookup allocates nothing.
#[derive(Clone, Copy, Debug, Hash)]
struct PlaceRef<'p> {
    issuer: &'p str,
    uri: &'p str,
}

impl Equivalent<Place> for PlaceRef<'_> {
    fn equivalent(&self, place: &Place) -> bool {
        *self.uri == *place.uri && *self.issuer == *place.issuer
    }
}

impl StatusLists {
    /// Checks no issuer's tokens yet; lists are verified under the rules of this verifier.
    #[must_use]
    pub fn new(verifier: &Verifier) -> Self {
        let shared = Shared {
            verifier: verifier.clone(),
            connection: ConnectionSettings::default(),
            max_age: MAX_AGE,
            max_list_bytes: MAX_STATUS_LIST_BYTES,
            counts: Arc::new(Counts::default()),
        };
        StatusLists {
            lists: papaya::HashMap::with_hasher(RandomState::default()),
            adding: Mutex::new(()),
            issuers: HashMap::new(),
            repeated: Vec::new(),
            shared,
            max_lists: MAX_LISTS,
            timeout: RefreshPolicy::default().timeout,
        }
    }

    /// Checks the tokens of this issuer too.
    ///
    /// Tokens of an issuer that is not added are valid if they name no list, and of unknown status if they do.
    #[must_use]
    pub fn add_issuer(mut self, issuer: StatusListIssuer) -> Self {
        if let Some(earlier) = self.issuers.insert(issuer.issuer.clone(), issuer) {
            self.repeated.push(earlier.issuer);
        }
        self
    }

    /// Sets the age at which a list is no longer used if it cannot be fetched again. Default 5 min; at least 1 s. The list is
    /// never used past its `exp`.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.shared.max_age = age;
        self
    }

    /// Sets the most lists of one issuer. Default 64. Tokens of further lists are of unknown status until a list is no longer
    /// used.
    #[must_use]
    pub fn max_lists(mut self, lists: usize) -> Self {
        self.max_lists = lists;
        self
    }

    /// Sets the longest list that is read, in bytes after decompression. Default 1 MiB: a million tokens with eight bits each, or
    /// eight million with one.
    #[must_use]
    pub fn max_list_bytes(mut self, bytes: usize) -> Self {
        self.shared.max_list_bytes = bytes;
        self
    }

    /// Sets the time limit of one fetch. Default 5 s. No request waits longer than
    /// [`Revocation::timeout`](crate::revocation::Revocation::timeout).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Fetches lists over connections of these settings.
    #[must_use]
    pub fn connection(mut self, settings: ConnectionSettings) -> Self {
        self.shared.connection = settings;
        self
    }

    /// The numbers since the check was made.
    #[must_use]
    pub fn stats(&self) -> StatusListStats {
        let counts = &self.shared.counts;
        let mut stats = StatusListStats {
            fetched: counts.fetched.load(Ordering::Relaxed),
            failed: counts.failed.load(Ordering::Relaxed),
            not_permitted: counts.not_permitted.load(Ordering::Relaxed),
            ..StatusListStats::default()
        };
        let elapsed = self.shared.verifier.clock().elapsed();
        for entry in self.lists.pin().values() {
            stats.lists += 1;
            match entry.state(elapsed) {
                Some((age, bytes, is_usable)) => {
                    stats.bytes += bytes;
                    stats.unusable += usize::from(!is_usable);
                    stats.oldest = stats.oldest.max(is_usable.then_some(age));
                }
                None => stats.unusable += 1,
            }
        }
        stats
    }

    fn refresh_policy(&self) -> RefreshPolicy {
        let max_age = self.shared.max_age;
        let defaults = RefreshPolicy::default();
        let shortest = Duration::from_secs(1);
        RefreshPolicy {
            default_lifetime: DEFAULT_LIFETIME.min(max_age),
            min_lifetime: shortest,
            max_lifetime: max_age,
            stale_for: max_age,
            timeout: self.timeout,
            max_wait: defaults.max_wait.min(self.timeout),
            max_backoff: MAX_BACKOFF,
            ..defaults
        }
    }

    /// The status of a token that names no list, or none that can be read.
    #[cold]
    fn unlisted(&self, token: &Verified) -> RevocationStatus {
        if token.has_malformed_status() {
            self.refuse(token.issuer(), "the claim status.status_list cannot be read");
            return RevocationStatus::Unknown;
        }
        match self.issuers.get(token.issuer()) {
            Some(issuer) if issuer.is_required => RevocationStatus::Revoked,
            _ => RevocationStatus::Valid,
        }
    }

    /// The status of a token whose list is not in memory, or no longer fresh.
    #[cold]
    fn query(&self, token: &Verified, place: PlaceRef<'_>, index: u64) -> RevocationQuery {
        let known = self.lists.pin().get(&place).map(Arc::clone);
        let Some(entry) = known.or_else(|| self.add(place)) else {
            return RevocationQuery::Known(RevocationStatus::Unknown);
        };
        let issued_at = token.issued_at();
        RevocationQuery::Pending(Box::pin(async move { entry.status(index, issued_at).await }))
    }

    /// Adds a list that is permitted, if there is room for it.
    fn add(&self, place: PlaceRef<'_>) -> Option<Arc<Entry>> {
        let issuer = self.issuers.get(place.issuer);
        let permitted = issuer.and_then(|issuer| Some((issuer, issuer.permitted(place.uri)?)));
        let Some((issuer, url)) = permitted else {
            self.refuse(place.issuer, "its address is not below a configured location of the issuer");
            return None;
        };
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let lists = self.lists.pin();
        if let Some(entry) = lists.get(&place) {
            return Some(Arc::clone(entry));
        }
        let of_issuer = || lists.keys().filter(|known| *known.issuer == *place.issuer).count();
        if of_issuer() >= self.max_lists {
            let elapsed = self.shared.verifier.clock().elapsed();
            lists.retain(|_, entry| !entry.is_idle(elapsed));
        }
        if of_issuer() >= self.max_lists {
            self.refuse(place.issuer, "max_lists of its issuer are in use");
            return None;
        }
        let (issuer, uri, shared) = (issuer.clone(), place.uri.into(), self.shared.clone());
        let entry = Arc::new(Entry::new(ListLocation { issuer, uri, url, shared }, self.refresh_policy()));
        let place = Place { issuer: place.issuer.into(), uri: place.uri.into() };
        lists.insert(place, Arc::clone(&entry));
        Some(entry)
    }

    fn refuse(&self, issuer: &str, reason: &'static str) {
        let Shared { counts, verifier, .. } = &self.shared;
        add(&counts.not_permitted);
        telemetry::status_list_refused(issuer, reason, &counts.log, verifier.clock().elapsed());
    }
}

impl RevocationCheck for StatusLists {
    #[inline]
    fn check(&self, token: &Arc<Verified>) -> RevocationQuery {
        let Some(reference) = token.status_reference() else {
            return RevocationQuery::Known(self.unlisted(token));
        };
        let (place, index) = (PlaceRef { issuer: token.issuer(), uri: reference.uri() }, reference.index());
        let elapsed = self.shared.verifier.clock().elapsed();
        let status = self.lists.pin().get(&place).and_then(|entry| entry.fresh_status(index, elapsed));
        match status {
            Some(status) => RevocationQuery::Known(status),
            None => self.query(token, place, index),
        }
    }

    fn attach(&self, clock: &Arc<dyn Clock>) -> Vec<Fault> {
        let own = self.shared.verifier.clock();
        let mut faults: Vec<Fault> = SourceClock::from(Arc::clone(own)).attach(clock).into_iter().collect();
        for name in &self.repeated {
            let name = countersign_core::integration::word(name);
            faults.push(Fault::new("status list issuer", format!("{name} is added twice; remove one")));
        }
        faults.extend(self.issuers.values().flat_map(|issuer| issuer.attach(own)));
        if self.shared.max_age < Duration::from_secs(1) {
            faults.push(Fault::new("max_age", "below 1 s; every request would fetch a list"));
        }
        if self.max_lists == 0 || self.shared.max_list_bytes == 0 {
            faults.push(Fault::new("max_lists", "this or max_list_bytes is zero, so that no list could be used"));
        }
        faults.extend(self.refresh_policy().faults().into_iter().filter(|fault| fault.field == "timeout"));
        faults.extend(self.shared.connection.faults());
        faults
    }
}

impl fmt::Debug for StatusLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers: Vec<&str> = self.issuers.keys().map(String::as_str).collect();
        f.debug_struct("StatusLists")
            .field("issuers", &issuers)
            .field("lists", &self.lists.len())
            .finish_non_exhaustive()
    }
}
