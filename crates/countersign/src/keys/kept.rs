//! What every kept key source stands on: a place to fetch from, a cell to write into, and how they fare.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use countersign_core::clock::Clock;
use countersign_core::error::Fault;
use countersign_core::key::{
    KeyCell, KeyHealth, KeySet, KeySourceInfo, KeyStats, RefreshOutcome, RefreshReason, SourceClock, SourceContext,
};

use super::snapshot::KeySnapshot;
use crate::fetch::FetchFailure;
use crate::refresh::{Fetch, FetchFuture, Fresh, Held, Look, RefreshPolicy, Refreshed};
use crate::telemetry;

/// The shortest time named to those who should ask again.
const LEAST_RETRY_AFTER: Duration = Duration::from_secs(1);

/// A place that key sets are fetched from.
pub(super) trait KeyPlace: Send + Sync + 'static {
    /// Its name in events and snapshots.
    fn name(&self) -> &str;

    /// Fetches the set; where nothing changed, gives back the very `held`.
    fn fetch(self: Arc<Self>, ask: Ask) -> FetchFuture<KeySet, FetchFailure>;
}

/// What a place may want to know for one fetch.
pub(super) struct Ask {
    pub(super) held: Option<Arc<KeySet>>,
    /// A `kid` was not found: stores on the way must not answer.
    pub(super) forced: bool,
    /// The clock's monotonic reading.
    pub(super) elapsed: Duration,
}

/// Settings, then keys kept fresh once somebody asks for them.
pub(super) struct KeptKeys {
    pub(super) policy: RefreshPolicy,
    pub(super) clock: SourceClock,
    pub(super) snapshot: Option<KeySnapshot>,
    cell: Arc<KeyCell>,
    use_of_keys: Arc<Use>,
    counts: Arc<Counts>,
    refreshed: OnceLock<Refreshed<KeySet, KeyFetch>>,
}

/// How often what happened.
#[derive(Default)]
struct Counts {
    fetched: AtomicU64,
    failed: AtomicU64,
    forced: AtomicU64,
    suppressed: AtomicU64,
}

/// Whether keys are asked for, where they are kept for that alone.
#[derive(Default)]
struct Use {
    on_demand: AtomicBool,
    seen: AtomicBool,
}

impl Use {
    /// On the way of every token: where nothing is new, nothing is written.
    fn note(&self) {
        if self.on_demand.load(Ordering::Relaxed) && !self.seen.load(Ordering::Relaxed) {
            self.seen.store(true, Ordering::Relaxed);
        }
    }

    /// Whether keys are kept in any case, or were asked for since this was last answered.
    fn goes_on(&self) -> bool {
        !self.on_demand.load(Ordering::Relaxed) || self.seen.swap(false, Ordering::Relaxed)
    }
}

impl KeptKeys {
    pub(super) fn new(policy: RefreshPolicy) -> Self {
        KeptKeys {
            policy,
            clock: SourceClock::new(),
            snapshot: None,
            cell: Arc::default(),
            use_of_keys: Arc::default(),
            counts: Arc::default(),
            refreshed: OnceLock::new(),
        }
    }

    pub(super) fn cell(&self) -> &KeyCell {
        self.use_of_keys.note();
        &self.cell
    }

    /// Takes the verifier's clock. Keys of a resolved issuer are fetched ahead only as long as somebody asks for them.
    pub(super) fn attach(&self, context: &SourceContext) -> Vec<Fault> {
        if context.is_resolved() {
            self.use_of_keys.on_demand.store(true, Ordering::Relaxed);
        }
        let mut faults = self.policy.faults();
        faults.extend(self.clock.attach(context));
        faults
    }

    pub(super) fn describe(&self, origin: String) -> KeySourceInfo {
        KeySourceInfo::new(self.health()).stats(self.stats()).origin(origin)
    }

    /// Looks for newer keys, within the cool-down; from the first time on, a task keeps them fresh.
    pub(super) async fn refresh(&self, place: &Arc<impl KeyPlace>, reason: RefreshReason) -> RefreshOutcome {
        let refreshed = self.started(place);
        refreshed.keep_fresh(); // before anything is awaited: a caller who leaves must not take the keeper along
        match refreshed.look(reason).await {
            Look::Looked => RefreshOutcome::Refreshed,
            Look::Failed { retry_after, .. } => {
                RefreshOutcome::Unavailable { retry_after: retry_after.max(LEAST_RETRY_AFTER) }
            }
        }
    }

    fn health(&self) -> KeyHealth {
        let Some(refreshed) = self.refreshed.get() else {
            return KeyHealth::NotReady { reason: "nobody has asked for its keys yet".into() };
        };
        let status = refreshed.status();
        let reason =
            || status.last_error.as_ref().map_or("no fetch has ended yet".into(), |error| error.to_string().into());
        match (self.cell.is_usable(self.clock.get().elapsed()), status.failing_since) {
            (true, None) => KeyHealth::Ready,
            (true, Some(since)) => KeyHealth::Degraded { since, reason: reason() },
            (false, _) => KeyHealth::NotReady { reason: reason() },
        }
    }

    fn stats(&self) -> KeyStats {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut stats = KeyStats::default();
        stats.fetched = count(&self.counts.fetched);
        stats.failed = count(&self.counts.failed);
        stats.forced = count(&self.counts.forced);
        stats.suppressed = count(&self.counts.suppressed);
        if let Some(held) = self.refreshed.get().and_then(Refreshed::held) {
            let elapsed = self.clock.get().elapsed();
            stats.age = Some(elapsed.saturating_sub(held.fetched_at));
            stats.is_stale = held.is_kept_past_its_life() && elapsed >= held.fresh_until;
        }
        stats
    }

    /// The keys held, for another start.
    pub(super) fn snapshot(&self, name: &str) -> Option<KeySnapshot> {
        let held = self.refreshed.get()?.held()?;
        let elapsed = self.clock.get().elapsed();
        let fetched_at = self.clock.get().now().saturating_sub(elapsed.saturating_sub(held.fetched_at));
        let life = held.fresh_until.saturating_sub(held.fetched_at);
        Some(KeySnapshot::of(name, &held.value, fetched_at, life))
    }

    fn started(&self, place: &Arc<impl KeyPlace>) -> &Refreshed<KeySet, KeyFetch> {
        self.refreshed.get_or_init(|| {
            let place = Arc::clone(place) as Arc<dyn KeyPlace>;
            let fetch = KeyFetch {
                place,
                cell: Arc::clone(&self.cell),
                use_of_keys: Arc::clone(&self.use_of_keys),
                counts: Arc::clone(&self.counts),
                clock: Arc::clone(self.clock.get()),
            };
            let refreshed = Refreshed::new(fetch, self.policy.clone(), Arc::clone(self.clock.get()));
            if let Some(snapshot) = &self.snapshot
                && let Some((set, life, age)) = snapshot.unpack(self.clock.get().now())
            {
                refreshed.preload(set, life, age);
            }
            refreshed
        })
    }
}

/// Fetches one source's keys and writes them into its cell.
struct KeyFetch {
    place: Arc<dyn KeyPlace>,
    cell: Arc<KeyCell>,
    use_of_keys: Arc<Use>,
    counts: Arc<Counts>,
    clock: Arc<dyn Clock>,
}

impl Fetch<KeySet> for KeyFetch {
    type Error = FetchFailure;

    fn fetch(&self, held: Option<Arc<KeySet>>, forced: bool) -> FetchFuture<KeySet, FetchFailure> {
        let place = Arc::clone(&self.place);
        let ask = Ask { held: held.clone(), forced, elapsed: self.clock.elapsed() };
        if forced {
            self.counts.forced.fetch_add(1, Ordering::Relaxed);
        }
        let fetched = Arc::clone(&place).fetch(ask);
        Box::pin(async move {
            let fetched: Result<Fresh<KeySet>, FetchFailure> = fetched.await;
            if let Ok(fresh) = &fetched {
                telemetry::keys_fetched(place.name(), forced, held.as_deref(), &fresh.value);
            }
            fetched
        })
    }

    fn timed_out(&self) -> FetchFailure {
        FetchFailure::Timeout
    }

    fn landed(&self, failure: Option<&FetchFailure>, forced: bool, held: Option<&Held<KeySet>>) {
        let Some(failure) = failure else {
            self.counts.fetched.fetch_add(1, Ordering::Relaxed);
            return;
        };
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
        let age = held.map(|held| self.clock.elapsed().saturating_sub(held.fetched_at));
        telemetry::keys_not_fetched(self.place.name(), forced, failure, age);
    }

    fn settled(&self, held: &Held<KeySet>) {
        if held.is_kept_past_its_life() {
            self.cell.serve_stale(held.usable_until);
        } else {
            self.cell.store(Arc::clone(&held.value), Some(held.usable_until));
        }
    }

    fn suppressed(&self) {
        self.counts.suppressed.fetch_add(1, Ordering::Relaxed);
        telemetry::look_cooled(self.place.name(), self.clock.elapsed());
    }

    fn is_wanted(&self) -> bool {
        self.use_of_keys.goes_on()
    }

    fn pause(&self, error: &FetchFailure) -> Option<Duration> {
        match error {
            FetchFailure::Status(_, retry_after) => *retry_after,
            _ => None,
        }
    }
}
