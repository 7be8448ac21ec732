//! The check of tokens against the status lists of their issuers.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::clock::{Clock, SourceClock};
use countersign_core::error::Fault;
use countersign_core::integration::{remember_list, remembered_list};
use countersign_core::policy::{ConnectionConfig, StatusListRules};
use countersign_core::status::MAX_STATUS_LIST_BYTES;
use countersign_core::verify::{Verified, Verifier};

use super::entry::Entry;
use super::fetch_list::{DEFAULT_LIFETIME, ListLocation, Shared};
use super::issuer::{StatusListIssuer, location_faults, permitted};
use super::party::Party;
use super::room::{PlaceRef, Room};
use super::stats::{Counts, IssuerStatusLists, StatusListStats, add};
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
    room: Room,
    /// The issuers that were added in code.
    issuers: HashMap<String, IssuerInCode>,
    repeated: Vec<String>,
    shared: Shared,
    /// The connections that policies name: few, and kept so that their lists share a client.
    connections: Mutex<Vec<(ConnectionConfig, ConnectionSettings)>>,
    max_lists: usize,
    timeout: Duration,
}

/// An issuer that was added in code.
struct IssuerInCode {
    settings: StatusListIssuer,
    rules: Arc<StatusListRules>,
}

/// The most connections of policies that are kept.
const MAX_CONNECTIONS: usize = 16;

/// The longest wait for a list if tokens of unknown status are accepted: shorter than
/// [`Revocation::timeout`](crate::revocation::Revocation::timeout), which refuses them.
const UNKNOWN_AFTER: Duration = Duration::from_millis(500);

impl StatusLists {
    /// Checks tokens of the issuers whose policy has [status lists](countersign_core::policy::StatusListsConfig), also of a
    /// policy that comes into force later; lists are verified under the rules of this verifier.
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
            room: Room::new(),
            issuers: HashMap::new(),
            repeated: Vec::new(),
            shared,
            connections: Mutex::default(),
            max_lists: MAX_LISTS,
            timeout: RefreshPolicy::default().timeout,
        }
    }

    /// Checks the tokens of this issuer too.
    ///
    /// Tokens of an issuer without rules, here or in the policy, are valid if they name no list, and of unknown status if they do.
    #[must_use]
    pub fn add_issuer(mut self, issuer: StatusListIssuer) -> Self {
        let rules = Arc::new(issuer.rules.clone());
        if let Some(earlier) = self.issuers.insert(issuer.issuer.clone(), IssuerInCode { settings: issuer, rules }) {
            self.repeated.push(earlier.settings.issuer);
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
        self.room.for_each(|entry| {
            let numbers = entry.numbers(elapsed);
            stats.lists += 1;
            stats.bytes += numbers.bytes;
            stats.unusable += usize::from(!numbers.is_usable);
            stats.too_old += usize::from(numbers.is_too_old());
            stats.oldest = stats.oldest.max(numbers.age.filter(|_| numbers.is_usable));
        });
        stats
    }

    /// The state of the lists of each issuer, sorted by name. An issuer whose lists no token has named yet has none.
    #[must_use]
    pub fn report(&self) -> Vec<IssuerStatusLists> {
        let none = |issuer: &str| IssuerStatusLists {
            issuer: issuer.to_owned(),
            lists: 0,
            too_old: 0,
            age: None,
            last_failure: None,
        };
        let names = self.rules_in_policy().map(|(name, _)| name).chain(self.issuers.keys().cloned());
        let mut report: BTreeMap<String, IssuerStatusLists> = names.map(|name| (name.clone(), none(&name))).collect();
        let elapsed = self.shared.verifier.clock().elapsed();
        self.room.for_each(|entry| {
            let state = report.entry(entry.issuer().to_owned()).or_insert_with(|| none(entry.issuer()));
            let numbers = entry.numbers(elapsed);
            state.lists += 1;
            state.too_old += usize::from(numbers.is_too_old());
            if numbers.is_in_use {
                state.age = state.age.max(numbers.age);
                state.last_failure = state.last_failure.or(numbers.failure);
            }
        });
        report.into_values().collect()
    }

    /// The issuers that have rules in the policy in force.
    fn rules_in_policy(&self) -> impl Iterator<Item = (String, Arc<StatusListRules>)> {
        let issuers = self.shared.verifier.issuers();
        issuers.filter_map(|issuer| Some((issuer.issuer().to_owned(), Arc::clone(issuer.status_list_rules()?))))
    }

    fn refresh_policy(&self, max_age: Duration) -> RefreshPolicy {
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

    /// The rules for the lists of a token's issuer: those of the policy under which it was verified, or those in code.
    #[inline]
    fn rules<'s>(&'s self, token: &'s Verified) -> Option<&'s Arc<StatusListRules>> {
        token.status_list_rules().or_else(|| self.issuers.get(token.issuer()).map(|issuer| &issuer.rules))
    }

    /// The status of a token that names no list, or none that can be read.
    #[cold]
    fn unlisted(&self, token: &Verified) -> RevocationStatus {
        if token.has_malformed_status() {
            self.refuse(token.issuer(), "the claim status.status_list cannot be read");
            return RevocationStatus::Unknown;
        }
        match self.rules(token) {
            Some(rules) if rules.is_required() => RevocationStatus::Revoked,
            _ => RevocationStatus::Valid,
        }
    }

    /// The status of a token whose list is not in memory, or no longer fresh.
    #[cold]
    fn query(&self, token: &Verified, place: PlaceRef<'_>, index: u64) -> RevocationQuery {
        let Some(rules) = self.rules(token) else {
            self.refuse(place.issuer, "its issuer has no rules for status lists");
            return RevocationQuery::Known(RevocationStatus::Unknown);
        };
        let known = self.room.read(place, |entry| entry.is_by(rules).then(|| Arc::clone(entry)));
        let Some(entry) = known.flatten().or_else(|| self.add(token, rules, place)) else {
            return RevocationQuery::Known(self.unknown(rules));
        };
        let (issued_at, rules) = (token.issued_at(), Arc::clone(rules));
        let counts = Arc::clone(&self.shared.counts);
        let clock = Arc::clone(self.shared.verifier.clock());
        RevocationQuery::Pending(Box::pin(async move {
            if !rules.accepts_unknown() {
                return entry.status(index, issued_at).await;
            }
            match tokio::time::timeout(UNKNOWN_AFTER, entry.status(index, issued_at)).await {
                Ok(status) if status != RevocationStatus::Unknown => status,
                _ => accepted(&counts, clock.elapsed()),
            }
        }))
    }

    /// Adds a list that is permitted, if there is room for it.
    fn add(&self, token: &Verified, rules: &Arc<StatusListRules>, place: PlaceRef<'_>) -> Option<Arc<Entry>> {
        let Some(url) = permitted(rules, place.uri) else {
            self.refuse(place.issuer, "its address is not below a configured location of the issuer");
            return None;
        };
        let Some(connection) = self.connection_of(rules) else {
            self.refuse(place.issuer, "the connection that the policy names cannot be used");
            return None;
        };
        let party = Party::of(token, &self.room.hasher);
        let make = |permit, number| {
            let keys = self.issuers.get(place.issuer).and_then(|issuer| issuer.settings.keys.clone());
            let shared = Shared { connection, ..self.shared.clone() };
            let list = ListLocation {
                issuer: place.issuer.into(),
                rules: Arc::clone(rules),
                keys,
                uri: place.uri.into(),
                url,
                shared,
            };
            let policy = self.refresh_policy(list.max_age());
            Entry::new(list, policy, party, permit, token.status_list_rules().is_none(), number)
        };
        let max_lists = rules.lists_bound().unwrap_or(self.max_lists);
        let elapsed = self.shared.verifier.clock().elapsed();
        let added = self.room.get_or_add(place, party, max_lists, elapsed, |entry| entry.is_by(rules), make);
        added.map_err(|reason| self.refuse(place.issuer, reason)).ok()
    }

    /// The settings of the connections to the lists of these rules.
    fn connection_of(&self, rules: &StatusListRules) -> Option<ConnectionSettings> {
        let Some(config) = rules.connection_config() else { return Some(self.shared.connection.clone()) };
        let mut known = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, settings)) = known.iter().find(|(known, _)| known == config) {
            return Some(settings.clone());
        }
        let settings = ConnectionSettings::from_config(config).ok().filter(|settings| settings.faults().is_empty())?;
        if known.len() >= MAX_CONNECTIONS {
            known.remove(0);
        }
        known.push((config.clone(), settings.clone()));
        Some(settings)
    }

    /// The status of a token that has no list by these rules.
    fn unknown(&self, rules: &StatusListRules) -> RevocationStatus {
        match rules.accepts_unknown() {
            true => accepted(&self.shared.counts, self.shared.verifier.clock().elapsed()),
            false => RevocationStatus::Unknown,
        }
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
            let rules = token.status_list_rules();
            return RevocationQuery::Known(match (self.unlisted(token), rules) {
                (RevocationStatus::Unknown, Some(rules)) => self.unknown(rules),
                (status, _) => status,
            });
        };
        let (place, index) = (PlaceRef { issuer: token.issuer(), uri: reference.uri() }, reference.index());
        let (elapsed, rules) = (self.shared.verifier.clock().elapsed(), token.status_list_rules());
        let fresh = |entry: &Entry| {
            let is_current = match rules {
                Some(rules) => entry.is_by(rules),
                None => entry.is_in_code,
            };
            if is_current { entry.fresh_status(index, elapsed) } else { None }
        };
        // The list that the token was found in before: no name is hashed or compared.
        if let Some(status) = self.room.read_numbered(remembered_list(reference), fresh).flatten() {
            return RevocationQuery::Known(status);
        }
        let status = self.room.read(place, |entry| {
            remember_list(reference, entry.number);
            fresh(entry)
        });
        match status.flatten() {
            Some(status) => RevocationQuery::Known(status),
            None => self.query(token, place, index),
        }
    }

    fn checks_status_lists(&self) -> bool {
        true
    }

    fn attach(&self, clock: &Arc<dyn Clock>) -> Vec<Fault> {
        let own = self.shared.verifier.clock();
        let mut faults: Vec<Fault> = SourceClock::from(Arc::clone(own)).attach(clock).into_iter().collect();
        for name in &self.repeated {
            let name = countersign_core::integration::word(name);
            faults.push(Fault::new("status list issuer", format!("{name} is added twice; remove one")));
        }
        let in_policy: HashMap<String, Arc<StatusListRules>> = self.rules_in_policy().collect();
        for issuer in self.issuers.values() {
            faults.extend(issuer.settings.attach(own, in_policy.contains_key(&issuer.settings.issuer)));
        }
        faults.extend(in_policy.values().flat_map(|rules| location_faults(rules)));
        if self.shared.max_age < Duration::from_secs(1) {
            faults.push(Fault::new("max_age", "below 1 s; every request would fetch a list"));
        }
        if self.max_lists == 0 || self.shared.max_list_bytes == 0 {
            faults.push(Fault::new("max_lists", "this or max_list_bytes is zero, so that no list could be used"));
        }
        faults.extend(
            self.refresh_policy(self.shared.max_age).faults().into_iter().filter(|fault| fault.field == "timeout"),
        );
        faults.extend(self.shared.connection.faults());
        faults
    }
}

/// The status of a token whose own one is unknown, and that is accepted nevertheless.
fn accepted(counts: &Counts, elapsed: Duration) -> RevocationStatus {
    telemetry::status_unknown_accepted(&counts.log, elapsed);
    RevocationStatus::Valid
}

impl fmt::Debug for StatusLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers: Vec<&str> = self.issuers.keys().map(String::as_str).collect();
        f.debug_struct("StatusLists")
            .field("issuers", &issuers)
            .field("lists", &self.room.len())
            .finish_non_exhaustive()
    }
}
