//! The keys of a store, as a service holds them in memory.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};
use countersign_core::clock::{Clock, SourceClock, UnixTime};
use countersign_core::integration::safe_text;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::pepper::read_mac;
use crate::store::{ApiKeyStore, Changes, StoredKey};

/// The pause after a read that failed, and between those that unknown keys cause.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// The time limit of one read.
const MAX_READ: Duration = Duration::from_secs(5);

/// The most requests that wait for a read; half as many with keys that are not known, once others are.
const MAX_WAITING: usize = 1024;

/// Uses are recorded this long after the first of them.
const RECORD_AFTER: Duration = Duration::from_secs(10);

/// The precision of a recorded use, in seconds.
const USE_SECONDS: u64 = 60;

/// Never, as milliseconds of the clock.
const NEVER: u64 = u64::MAX;

/// All keys of a store, and how they are kept up to date. Requests start reads, so a service without requests reads nothing.
pub(crate) struct Ring {
    store: Arc<dyn ApiKeyStore>,
    pub(crate) clock: SourceClock,
    refresh_every: Duration,
    max_age: Duration,
    loaded: ArcSwapOption<Loaded>,
    is_reading: AtomicBool,
    /// The times at which the latest read began, and at which the latest one failed if none succeeded since, in milliseconds.
    started_at: AtomicU64,
    failed_at: AtomicU64,
    /// The number of reads that ended.
    ended: watch::Sender<u64>,
    waiting: AtomicUsize,
    is_recording: AtomicBool,
}

/// The keys as of one read.
pub(crate) struct Loaded {
    revision: u64,
    read_at: Duration,
    entries: HashMap<String, Arc<Entry>>,
}

/// A key in memory.
pub(crate) struct Entry {
    pub(crate) key: StoredKey,
    pub(crate) mac: [u8; 32],
    uses: Arc<Uses>,
}

/// The times of the latest use and of the latest one that was recorded, in seconds since 1970.
#[derive(Default)]
struct Uses {
    used_at: AtomicU64,
    recorded_at: AtomicU64,
}

/// The keys cannot be used now.
pub(crate) struct Unavailable;

impl Ring {
    pub(crate) fn new(store: Arc<dyn ApiKeyStore>, refresh_every: Duration, max_age: Duration) -> Self {
        Ring {
            store,
            clock: SourceClock::new(),
            refresh_every,
            max_age,
            loaded: ArcSwapOption::empty(),
            is_reading: AtomicBool::new(false),
            started_at: AtomicU64::new(NEVER),
            failed_at: AtomicU64::new(NEVER),
            ended: watch::Sender::new(0),
            waiting: AtomicUsize::new(0),
            is_recording: AtomicBool::new(false),
        }
    }

    pub(crate) fn store(&self) -> &Arc<dyn ApiKeyStore> {
        &self.store
    }

    fn elapsed(&self) -> Duration {
        self.clock.get().elapsed()
    }

    /// The keys, if they are as new as they should be, or the store fails and they are not too old. Starts a read in time.
    #[inline]
    pub(crate) fn current(self: &Arc<Self>) -> Option<Guard<Option<Arc<Loaded>>>> {
        let loaded = self.loaded.load();
        let elapsed = self.elapsed();
        let age = elapsed.saturating_sub(loaded.as_ref()?.read_at);
        if age < self.refresh_every / 2 {
            return Some(loaded);
        }
        self.read_unless_paused(elapsed);
        let is_usable = age < self.refresh_every || age < self.max_age && self.has_failed_lately(elapsed);
        is_usable.then_some(loaded)
    }

    /// Waits for a read, and returns the keys if they are not too old. `id` is that of the key that is checked.
    pub(crate) async fn read(self: &Arc<Self>, id: Option<&str>) -> Result<Guard<Option<Arc<Loaded>>>, Unavailable> {
        let is_known = self.loaded.load().as_ref().is_none_or(|loaded| id.is_none_or(|id| loaded.get(id).is_some()));
        self.wait(if is_known { MAX_WAITING } else { MAX_WAITING / 2 }).await?;
        let loaded = self.loaded.load();
        let age = loaded.as_ref().map(|loaded| self.elapsed().saturating_sub(loaded.read_at));
        match age {
            Some(age) if age < self.max_age => Ok(loaded),
            _ => Err(Unavailable),
        }
    }

    /// Returns whether a read for a key that is not known may begin now, or is under way.
    pub(crate) fn may_know_more(&self) -> bool {
        self.is_reading.load(Ordering::Acquire) || is_over(&self.started_at, self.elapsed())
    }

    /// Returns whether the latest read failed, so that a key that is not known may be there.
    pub(crate) fn is_failing(&self) -> bool {
        self.failed_at.load(Ordering::Acquire) != NEVER
    }

    fn has_failed_lately(&self, elapsed: Duration) -> bool {
        !is_over(&self.failed_at, elapsed)
    }

    fn read_unless_paused(self: &Arc<Self>, elapsed: Duration) {
        if !self.has_failed_lately(elapsed) {
            self.start();
        }
    }

    /// Waits until a read ends, which begins now if none is under way.
    async fn wait(self: &Arc<Self>, max_waiting: usize) -> Result<(), Unavailable> {
        let mut ended = self.ended.subscribe();
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= max_waiting {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Unavailable);
        }
        let _waiting = Waiting(self);
        self.read_unless_paused(self.elapsed());
        if self.is_reading.load(Ordering::Acquire) {
            let _ = timeout(MAX_READ, ended.changed()).await;
        }
        Ok(())
    }

    /// Starts a read unless one is under way.
    fn start(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else { return };
        if self.is_reading.swap(true, Ordering::AcqRel) {
            return;
        }
        let started_at = self.elapsed();
        self.started_at.store(millis(started_at), Ordering::Release);
        let failure = Some("it panicked, or the runtime ended".to_owned());
        let reading = Reading { ring: Arc::clone(self), failure };
        runtime.spawn(async move {
            let outcome = reading.ring.read_changes(started_at).await;
            reading.end(outcome);
        });
    }

    async fn read_changes(&self, started_at: Duration) -> Result<(), String> {
        let before = self.loaded.load_full();
        let after = before.as_ref().map_or(0, |loaded| loaded.revision);
        let changes = timeout(MAX_READ, self.store.changes(after)).await;
        let changes = changes.map_err(|_| format!("no answer within {} s", MAX_READ.as_secs()))?;
        let changes = changes.map_err(|error| error.to_string())?;
        let loaded = Loaded::new(before.as_deref(), changes, started_at)?;
        self.loaded.store(Some(Arc::new(loaded)));
        Ok(())
    }

    fn note_outcome(&self, failure: Option<&str>) {
        let failed_at = failure.map_or(NEVER, |_| millis(self.elapsed()));
        let is_news = (self.failed_at.swap(failed_at, Ordering::AcqRel) == NEVER) != (failed_at == NEVER);
        match failure.filter(|_| is_news) {
            Some(failure) => {
                let detail = safe_text(failure);
                tracing::warn!(target: "countersign::api_keys", detail, "the store of API keys cannot be read");
            }
            None if is_news => {
                tracing::info!(target: "countersign::api_keys", "the store of API keys is readable again");
            }
            None => {}
        }
    }

    /// Notes the use of a key, which is recorded a little later.
    #[inline]
    pub(crate) fn note_use(self: &Arc<Self>, entry: &Entry, now: UnixTime) {
        let used_at = now.as_secs() / USE_SECONDS * USE_SECONDS;
        if entry.uses.used_at.load(Ordering::Relaxed) < used_at {
            entry.uses.used_at.fetch_max(used_at, Ordering::Relaxed);
            self.record_later();
        }
    }

    #[cold]
    fn record_later(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else { return };
        if !self.is_recording.swap(true, Ordering::AcqRel) {
            let ring = Arc::clone(self);
            runtime.spawn(async move {
                let recording = Recording(&ring);
                tokio::time::sleep(RECORD_AFTER).await;
                drop(recording);
                ring.record_uses().await;
            });
        }
    }

    /// Records the uses that are not recorded yet.
    pub(crate) async fn record_uses(&self) {
        let Some(loaded) = self.loaded.load_full() else { return };
        let used = |entry: &Arc<Entry>| {
            let used_at = entry.uses.used_at.load(Ordering::Relaxed);
            (used_at > entry.uses.recorded_at.load(Ordering::Relaxed)).then(|| (Arc::clone(entry), used_at))
        };
        let used: Vec<_> = loaded.entries.values().filter_map(used).collect();
        if used.is_empty() {
            return;
        }
        let uses = used.iter().map(|(entry, used_at)| (entry.key.id.clone(), UnixTime::from_secs(*used_at))).collect();
        match timeout(MAX_READ, self.store.record_uses(uses)).await {
            Ok(Ok(())) => {
                for (entry, used_at) in used {
                    entry.uses.recorded_at.fetch_max(used_at, Ordering::Relaxed);
                }
            }
            Ok(Err(error)) => uses_not_recorded(&error.to_string()),
            Err(_) => uses_not_recorded("no answer in time"),
        }
    }
}

impl Loaded {
    /// The keys after these changes. Keys that stay as they are stay the same entries, so that what is known of them stays too.
    fn new(before: Option<&Loaded>, changes: Changes, read_at: Duration) -> Result<Self, String> {
        let Changes { revision, keys, removed, is_complete } = changes;
        let before = before.map(|before| &before.entries);
        let mut entries = match before {
            Some(before) if !is_complete => before.clone(),
            _ => HashMap::with_capacity(keys.len()),
        };
        for id in removed {
            entries.remove(&id);
        }
        for key in keys {
            let key = StoredKey { last_used_at: None, ..key }; // a use is no change
            let known = before.and_then(|before| before.get(&key.id));
            let entry = match known {
                Some(known) if known.key == key => Arc::clone(known),
                _ => {
                    let uses = known.map(|known| Arc::clone(&known.uses)).unwrap_or_default();
                    let mac =
                        read_mac(&key.mac).ok_or_else(|| format!("the key {} has a mac of another form", key.id))?;
                    Arc::new(Entry { key, mac, uses })
                }
            };
            entries.insert(entry.key.id.clone(), entry);
        }
        Ok(Loaded { revision, read_at, entries })
    }

    #[inline]
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Entry>> {
        self.entries.get(id)
    }
}

/// A read that is under way; its end wakes those that wait, however it ends.
struct Reading {
    ring: Arc<Ring>,
    failure: Option<String>,
}

impl Reading {
    fn end(mut self, outcome: Result<(), String>) {
        self.failure = outcome.err();
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.ring.note_outcome(self.failure.as_deref());
        self.ring.is_reading.store(false, Ordering::Release);
        self.ring.ended.send_modify(|ended| *ended = ended.wrapping_add(1));
    }
}

/// A request that waits.
struct Waiting<'r>(&'r Ring);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A task that will record uses.
struct Recording<'r>(&'r Ring);

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        self.0.is_recording.store(false, Ordering::Release);
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("store", &self.store).finish_non_exhaustive()
    }
}

fn uses_not_recorded(detail: &str) {
    let detail = safe_text(detail);
    tracing::debug!(target: "countersign::api_keys", detail, "uses of API keys are not recorded");
}

fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(NEVER - 1)
}

/// Returns whether the pause after this time is over.
fn is_over(at: &AtomicU64, elapsed: Duration) -> bool {
    match at.load(Ordering::Acquire) {
        NEVER => true,
        at => millis(elapsed).saturating_sub(at) >= millis(PAUSE),
    }
}
