//! The entries that a thread asked for most, each thread's apart: a hit writes no memory that another thread writes.
//!
//! The whole cache has a lock for each of its parts, and one reference count for each value. If all threads use one token, they
//! would wait for each other there.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, TryLockError};
use std::thread;
use std::time::Duration;

use crate::counter::stripe;

/// The part of a cache's memory that threads have apart.
const SHARE: usize = 16;

/// The most entries of one thread.
const MAX_SLOTS: usize = 32;

/// The most that an entry in a slot takes, in bytes, besides what the whole cache has of it. Larger ones get no slot.
const SLOT_BYTES: u32 = 2048;

/// The most places. More threads share them; one that finds its place in use asks the whole cache.
const MAX_PLACES: usize = 64;

/// The hits after which the whole cache is asked again: it then knows that the entry is in use.
const USES: u16 = 1024;

/// An entry that is found so often in a row in the whole cache gets its slot: among many that are used alike, none does.
const REPEATS: u8 = 8;

/// The hits that keep an entry in its slot while another one is asked for as often.
const MAX_CREDIT: u8 = 3;

/// The locked slots of a place.
type Slots<'p, K, V> = MutexGuard<'p, Box<[Slot<K, V>]>>;

/// A value that threads share.
pub(crate) trait Share {
    /// The same value with a reference count of its own.
    fn view(this: &Arc<Self>) -> Arc<Self>;

    /// Returns whether both are the same value, or views of it.
    fn is_same(&self, other: &Self) -> bool;

    /// The token that it is the value of.
    fn token(&self) -> Option<&Arc<str>>;
}

/// The places of threads, each with slots.
pub(super) struct HotEntries<K, V>(Box<[Place<K, V>]>);

#[repr(align(128))] // two cache lines, to avoid false sharing
struct Place<K, V> {
    /// Of the keys in the slots, read without the lock: a key without a slot takes none.
    tails: Box<[Tails]>,
    slots: Mutex<Box<[Slot<K, V>]>>,
}

/// Parts of keys, as numbers.
#[derive(Default)]
struct Tails {
    /// Of the key in the slot.
    kept: AtomicU64,
    /// Of the last one that was found in the whole cache.
    found: AtomicU64,
    /// The times in a row that it was found.
    repeats: AtomicU8,
}

struct Slot<K, V> {
    entry: Option<HotEntry<K, V>>,
    uses: u16,
    credit: u8,
}

/// An entry of one thread.
pub(super) struct HotEntry<K, V> {
    pub(super) key: K,
    /// With a reference count of its own.
    pub(super) value: Arc<V>,
    pub(super) ends_at: Duration,
    /// Of the whole cache, before the entry was read there. An entry of an earlier one is not used.
    pub(super) revision: u64,
}

impl<K, V> Default for Slot<K, V> {
    fn default() -> Self {
        Slot { entry: None, uses: 0, credit: 0 }
    }
}

impl<K, V> HotEntries<K, V> {
    /// No places.
    pub(super) fn none() -> Self {
        HotEntries(Box::default())
    }

    /// Places that keep entries within their part of a cache of so many bytes; none if that is too little for one entry of each.
    pub(super) fn of_cache(max_bytes: usize) -> Self {
        let places = places();
        match (max_bytes / SHARE / (places * SLOT_BYTES as usize)).min(MAX_SLOTS) {
            0 => HotEntries::none(),
            slots => HotEntries((0..places).map(|_| Place::new(slots)).collect()),
        }
    }

    /// The bytes that the entries take at most.
    pub(super) fn max_bytes(&self) -> usize {
        self.0.iter().map(|place| place.tails.len() * SLOT_BYTES as usize).sum()
    }

    /// The slot for keys of this tail in the place of this thread; `None` if there are no places.
    #[inline]
    pub(super) fn slot_of(&self, tail: u64) -> Option<SlotOf<'_, K, V>> {
        let place = self.0.get(stripe() & self.0.len().wrapping_sub(1))?;
        let index = index_of(tail, place.tails.len());
        Some(SlotOf { place, tails: place.tails.get(index)?, tail, index })
    }
}

/// The slot for one key.
pub(super) struct SlotOf<'h, K, V> {
    place: &'h Place<K, V>,
    tails: &'h Tails,
    tail: u64,
    index: usize,
}

impl<K, V> SlotOf<'_, K, V> {
    /// The value of the key and its end, if the slot has it for this revision and it has not ended.
    #[inline]
    pub(super) fn get(
        &self,
        is_key: impl FnOnce(&K) -> bool,
        revision: u64,
        elapsed: Duration,
    ) -> Option<(Arc<V>, Duration)> {
        if self.tails.kept.load(Ordering::Relaxed) != self.tail {
            return None;
        }
        self.place.get(self.index, is_key, revision, elapsed)
    }

    /// Notes that the whole cache has the key, with an entry of so many bytes. One that is found often in a row gets the slot.
    #[inline]
    pub(super) fn found(&self, bytes: u32, entry: impl FnOnce() -> Option<HotEntry<K, V>>) {
        if self.tails.found.load(Ordering::Relaxed) == self.tail {
            self.repeated(bytes, entry);
        } else {
            self.tails.found.store(self.tail, Ordering::Relaxed);
            self.tails.repeats.store(0, Ordering::Relaxed);
        }
    }

    #[cold]
    fn repeated(&self, bytes: u32, entry: impl FnOnce() -> Option<HotEntry<K, V>>) {
        let repeats = self.tails.repeats.load(Ordering::Relaxed).saturating_add(1);
        self.tails.repeats.store(repeats, Ordering::Relaxed);
        if repeats >= REPEATS && bytes <= SLOT_BYTES && self.place.offer(self.index, entry) {
            self.tails.kept.store(self.tail, Ordering::Relaxed);
        }
    }

    /// Removes a value. Other threads remove it from their places when they ask for it.
    pub(super) fn remove(&self, is_stale: impl FnOnce(&HotEntry<K, V>) -> bool) {
        if let Some(mut slots) = self.place.lock()
            && let Some(slot) = slots.get_mut(self.index)
            && slot.entry.as_ref().is_some_and(is_stale)
        {
            slot.entry = None;
        }
    }
}

impl<K, V> Place<K, V> {
    fn new(slots: usize) -> Self {
        Place {
            tails: (0..slots).map(|_| Tails::default()).collect(),
            slots: Mutex::new((0..slots).map(|_| Slot::default()).collect()),
        }
    }

    /// The slots; `None` if another thread has the same place and uses it now.
    fn lock(&self) -> Option<Slots<'_, K, V>> {
        match self.slots.try_lock() {
            Ok(slots) => Some(slots),
            Err(TryLockError::Poisoned(slots)) => Some(slots.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn get(
        &self,
        index: usize,
        is_key: impl FnOnce(&K) -> bool,
        revision: u64,
        elapsed: Duration,
    ) -> Option<(Arc<V>, Duration)> {
        let mut slots = self.lock()?;
        let slot = slots.get_mut(index)?;
        let entry = slot.entry.as_ref().filter(|entry| is_key(&entry.key))?;
        if slot.uses == 0 || elapsed >= entry.ends_at || revision != entry.revision {
            slot.entry = None;
            return None;
        }
        slot.uses -= 1;
        slot.credit = (slot.credit + 1).min(MAX_CREDIT);
        Some((Arc::clone(&entry.value), entry.ends_at))
    }

    /// Keeps an entry, unless the one in the slot is used more. Returns whether it did.
    fn offer(&self, index: usize, entry: impl FnOnce() -> Option<HotEntry<K, V>>) -> bool {
        let Some(mut slots) = self.lock() else { return false };
        let Some(slot) = slots.get_mut(index) else { return false };
        if slot.entry.is_some() && slot.credit > 0 {
            slot.credit -= 1;
            return false;
        }
        let Some(entry) = entry() else { return false };
        *slot = Slot { entry: Some(entry), uses: USES, credit: 1 };
        true
    }
}

/// Twice as many places as cores, so that few threads share one.
fn places() -> usize {
    static PLACES: OnceLock<usize> = OnceLock::new();
    *PLACES.get_or_init(|| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        (2 * cores).next_power_of_two().min(MAX_PLACES)
    })
}

/// The slot of a tail, by its high bits after a multiplication that spreads them (Knuth, The Art of Computer Programming, 6.4).
#[inline]
fn index_of(tail: u64, slots: usize) -> usize {
    let spread = tail.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    ((spread * slots as u64) >> 32) as usize
}

/// Runs `task` in a thread that has another place than this one.
#[cfg(test)]
pub(super) fn in_another_place<T: Send>(task: impl Fn() -> T + Sync) -> T {
    let place = || stripe() % places();
    let own = place();
    let run = || (place() != own).then(&task);
    loop {
        let done = thread::scope(|scope| scope.spawn(run).join().expect("the task ends"));
        if let Some(done) = done {
            return done;
        }
    }
}
