//! The tokens that a thread asked for most, each thread's apart: a hit writes no memory that another thread writes.
//!
//! The whole cache has a lock for each of its parts, and one reference count for each token. If all threads use one token, they
//! would wait for each other there.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, TryLockError};
use std::thread;

use crate::counter::stripe;

/// The most tokens of one thread.
const MAX_SLOTS: usize = 32;

/// The most that a token in a slot takes, in bytes, besides what the whole cache has of it. Larger ones get no slot.
const SLOT_BYTES: u32 = 2048;

/// The most places. More threads share them; one that finds its place in use asks the whole cache.
const MAX_PLACES: usize = 64;

/// The hits after which the whole cache is asked again: it then knows that the token is in use.
const USES: u16 = 1024;

/// A token that is found so often in a row in the whole cache gets its slot: among many tokens that are used alike, none does.
const REPEATS: u8 = 8;

/// The hits that keep a token in its slot while another one is asked for as often.
const MAX_CREDIT: u8 = 3;

/// The trailing characters of a token by which a slot is found. They belong to the signature.
const TAIL: usize = 8;

/// A value that threads share.
pub(crate) trait Share {
    /// The same value with a reference count of its own.
    fn view(this: &Arc<Self>) -> Arc<Self>;

    /// Returns whether both are the same value, or views of it.
    fn is_same(&self, other: &Self) -> bool;

    /// The token that it is the value of.
    fn token(&self) -> &str;
}

/// The places of threads, each with slots.
pub(super) struct HotTokens<V>(Box<[Place<V>]>);

#[repr(align(128))] // two cache lines, to avoid false sharing
struct Place<V> {
    /// Of the tokens in the slots, read without the lock: a token without a slot takes none.
    tails: Box<[Tails]>,
    slots: Mutex<Box<[Slot<V>]>>,
}

/// The trailing characters of tokens, as numbers.
#[derive(Default)]
struct Tails {
    /// Of the token in the slot.
    kept: AtomicU64,
    /// Of the last one that was found in the whole cache.
    found: AtomicU64,
    /// The times in a row that it was found.
    repeats: AtomicU8,
}

struct Slot<V> {
    value: Option<Arc<V>>,
    ends_at: u32,
    uses: u16,
    credit: u8,
}

impl<V> Default for Slot<V> {
    fn default() -> Self {
        Slot { value: None, ends_at: 0, uses: 0, credit: 0 }
    }
}

impl<V: Share> HotTokens<V> {
    /// Places that keep tokens of at most so many bytes; none if that is too little for one token of each.
    pub(super) fn within(max_bytes: usize) -> Self {
        let places = places();
        match (max_bytes / (places * SLOT_BYTES as usize)).min(MAX_SLOTS) {
            0 => HotTokens(Box::default()),
            slots => HotTokens((0..places).map(|_| Place::new(slots)).collect()),
        }
    }

    /// The bytes that the tokens take at most.
    pub(super) fn max_bytes(&self) -> usize {
        self.0.iter().map(|place| place.tails.len() * SLOT_BYTES as usize).sum()
    }

    /// The slot of this token in the place of this thread; `None` if there are no places.
    #[inline]
    pub(super) fn slot_of(&self, token: &str) -> Option<SlotOf<'_, V>> {
        let place = self.0.get(stripe() & self.0.len().wrapping_sub(1))?;
        let tail = tail_of(token);
        let index = index_of(tail, place.tails.len());
        Some(SlotOf { place, tails: place.tails.get(index)?, tail, index })
    }
}

/// The slot for one token.
pub(super) struct SlotOf<'h, V> {
    place: &'h Place<V>,
    tails: &'h Tails,
    tail: u64,
    index: usize,
}

impl<V: Share> SlotOf<'_, V> {
    /// The value of exactly this token at `now`, if the slot has it.
    #[inline]
    pub(super) fn get(&self, token: &str, now: u32) -> Option<Arc<V>> {
        if self.tails.kept.load(Ordering::Relaxed) != self.tail {
            return None;
        }
        self.place.get(self.index, token, now)
    }

    /// Notes that the whole cache has the token. One that is found often in a row gets the slot.
    #[inline]
    pub(super) fn found(&self, value: &Arc<V>, ends_at: u32, bytes: u32) {
        if self.tails.found.load(Ordering::Relaxed) == self.tail {
            self.repeated(value, ends_at, bytes);
        } else {
            self.tails.found.store(self.tail, Ordering::Relaxed);
            self.tails.repeats.store(0, Ordering::Relaxed);
        }
    }

    #[cold]
    fn repeated(&self, value: &Arc<V>, ends_at: u32, bytes: u32) {
        let repeats = self.tails.repeats.load(Ordering::Relaxed).saturating_add(1);
        self.tails.repeats.store(repeats, Ordering::Relaxed);
        if repeats >= REPEATS && bytes <= SLOT_BYTES && self.place.offer(self.index, value, ends_at) {
            self.tails.kept.store(self.tail, Ordering::Relaxed);
        }
    }

    /// Removes this value. Other threads remove it from their places when they ask for it.
    pub(super) fn remove(&self, stale: &V) {
        if let Some(mut slots) = self.place.lock()
            && let Some(slot) = slots.get_mut(self.index)
            && slot.value.as_ref().is_some_and(|value| value.is_same(stale))
        {
            slot.value = None;
        }
    }
}

impl<V: Share> Place<V> {
    fn new(slots: usize) -> Self {
        Place {
            tails: (0..slots).map(|_| Tails::default()).collect(),
            slots: Mutex::new((0..slots).map(|_| Slot::default()).collect()),
        }
    }

    /// The slots; `None` if another thread has the same place and uses it now.
    fn lock(&self) -> Option<MutexGuard<'_, Box<[Slot<V>]>>> {
        match self.slots.try_lock() {
            Ok(slots) => Some(slots),
            Err(TryLockError::Poisoned(slots)) => Some(slots.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn get(&self, index: usize, token: &str, now: u32) -> Option<Arc<V>> {
        let mut slots = self.lock()?;
        let slot = slots.get_mut(index)?;
        let value = slot.value.as_ref().filter(|value| value.token() == token)?;
        if slot.uses == 0 || now >= slot.ends_at {
            slot.value = None;
            return None;
        }
        slot.uses -= 1;
        slot.credit = (slot.credit + 1).min(MAX_CREDIT);
        Some(Arc::clone(value))
    }

    /// Keeps a view of the value, unless the one in the slot is used more. Returns whether it did.
    fn offer(&self, index: usize, value: &Arc<V>, ends_at: u32) -> bool {
        let Some(mut slots) = self.lock() else { return false };
        let Some(slot) = slots.get_mut(index) else { return false };
        if slot.value.is_some() && slot.credit > 0 {
            slot.credit -= 1;
            return false;
        }
        *slot = Slot { value: Some(V::view(value)), ends_at, uses: USES, credit: 1 };
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

#[inline]
fn tail_of(token: &str) -> u64 {
    token.as_bytes().last_chunk::<TAIL>().map_or(0, |tail| u64::from_le_bytes(*tail))
}

/// The slot of a tail, by its high bits after a multiplication that spreads them (Knuth, The Art of Computer Programming, 6.4).
#[inline]
fn index_of(tail: u64, slots: usize) -> usize {
    let spread = tail.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    ((spread * slots as u64) >> 32) as usize
}
