//! Several sources of one issuer's keys, in order of preference.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use countersign_core::clock::{Clock, SystemClock};
use countersign_core::error::Fault;
use countersign_core::key::{KeyCell, KeyHealth, KeySource, KeyStats, RefreshFuture, RefreshOutcome, RefreshReason};

/// Reads from the first source whose keys are fresh, else from the first whose keys may be used at all.
///
/// A later source is asked only where the earlier ones cannot look; one that looked and lacks the key is believed. All
/// must be sources of the same issuer's keys, for any of them can let a token in.
///
/// ```
/// use std::sync::Arc;
/// use countersign::keys::{FailoverKeys, RemoteKeys};
///
/// let near = RemoteKeys::from_url("https://keys.internal.example/id.example.com.json");
/// let keys = FailoverKeys::new([Arc::new(RemoteKeys::from_issuer("https://id.example.com")) as _, Arc::new(near) as _]);
/// # let _ = keys;
/// ```
pub struct FailoverKeys {
    sources: Vec<Arc<dyn KeySource>>,
    clock: Arc<dyn Clock>,
    none: KeyCell,
}

impl FailoverKeys {
    /// These sources, the preferred one first.
    pub fn new(sources: impl IntoIterator<Item = Arc<dyn KeySource>>) -> Self {
        FailoverKeys { sources: sources.into_iter().collect(), clock: Arc::new(SystemClock), none: KeyCell::new() }
    }

    /// Judges ages on this clock; it must be the sources' and the verifier's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl KeySource for FailoverKeys {
    fn cell(&self) -> &KeyCell {
        let elapsed = self.clock.elapsed();
        let cells = || self.sources.iter().map(|source| source.cell());
        let fresh = cells().find(|cell| cell.is_fresh(elapsed));
        fresh.or_else(|| cells().find(|cell| cell.is_usable(elapsed))).unwrap_or(&self.none)
    }

    fn refresh(&self, reason: RefreshReason) -> RefreshFuture<'_> {
        Box::pin(async move {
            let mut soonest = None;
            for source in &self.sources {
                match source.refresh(reason).await {
                    RefreshOutcome::Unavailable { retry_after } => {
                        soonest = Some(soonest.map_or(retry_after, |soonest| retry_after.min(soonest)));
                    }
                    refreshed => return refreshed,
                }
            }
            RefreshOutcome::Unavailable { retry_after: soonest.unwrap_or_default() }
        })
    }

    /// As healthy as the preferred source; degraded where another serves in its place.
    fn health(&self) -> KeyHealth {
        let states: Vec<KeyHealth> = self.sources.iter().map(|source| source.health()).collect();
        let serving = states.iter().find(|state| **state == KeyHealth::Ready);
        let serving = serving.or_else(|| states.iter().find(|state| state.is_ready()));
        match (states.first(), serving) {
            (Some(KeyHealth::NotReady { reason }), Some(KeyHealth::Ready)) => KeyHealth::Degraded {
                since: self.clock.now(),
                reason: format!("the preferred source: {reason}").into(),
            },
            (Some(first), Some(_)) if first.is_ready() => first.clone(),
            (_, Some(serving)) => serving.clone(),
            (Some(first), None) => first.clone(),
            (None, None) => KeyHealth::NotReady { reason: "there is no source".into() },
        }
    }

    /// The counts of all sources together, and the age of the keys that serve.
    fn stats(&self) -> KeyStats {
        let serving = self.cell();
        let mut sum = KeyStats::default();
        for source in &self.sources {
            let stats = source.stats();
            sum.fetched += stats.fetched;
            sum.failed += stats.failed;
            sum.forced += stats.forced;
            sum.suppressed += stats.suppressed;
            if std::ptr::eq(source.cell(), serving) {
                (sum.age, sum.is_stale) = (stats.age, stats.is_stale);
            }
        }
        sum
    }

    fn weakenings(&self) -> Vec<&'static str> {
        self.sources.iter().flat_map(|source| source.weakenings()).collect()
    }

    fn origin(&self) -> Option<Cow<'_, str>> {
        let origins: Option<Vec<Cow<'_, str>>> = self.sources.iter().map(|source| source.origin()).collect();
        origins.map(|origins| origins.join(", else ").into())
    }

    fn serve_resolved(&self, private_addresses_allowed: bool) {
        self.sources.iter().for_each(|source| source.serve_resolved(private_addresses_allowed));
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = self.sources.iter().flat_map(|source| source.faults()).collect();
        if self.sources.is_empty() {
            faults.push(Fault::new("keys", "failover has no source; name at least one"));
        }
        faults
    }
}

impl fmt::Debug for FailoverKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailoverKeys").field("sources", &self.sources).finish_non_exhaustive()
    }
}
