//! The lists in memory, and the room for more.
//!
//! Tokens name the addresses of lists, and an issuer may sign what its tenants or clients ask for. Three bounds keep them from
//! taking the room of others:
//!
//! - A tenant of an issuer gets another list while it has fewer than are still free, so that it takes at most half.
//! - Lists that were never fetched take at most half of the room. Whoever names them gets at most half of that, and they make
//!   room if a fetch of theirs failed. A list in use is never removed.
//! - First fetches are limited per second, for each issuer and for whoever names the list.

use std::hash::{Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use countersign_core::integration::{NestedBudget, NestedPermit, RateBudget, Standing, fair_share};
use foldhash::fast;
use papaya::Equivalent;

use super::entry::Entry;
use super::party::Party;

/// The most lists of all issuers.
const MAX_ALL: usize = 4096;

/// The most lists of all issuers that were never fetched, those of one issuer, and those that one party of it names.
const MAX_UNPROVEN: (u32, [u32; 2]) = (256, [32, 16]);

/// The bits of a number that are the place of the list: enough for [`MAX_ALL`].
const PLACE_BITS: u32 = 13;

/// The first fetches per second of all issuers, of one issuer, and of one party.
const FIRST_FETCHES: [u32; 3] = [256, 32, 16];

/// The time in which first fetches are counted.
const WINDOW: Duration = Duration::from_secs(1);

/// The lists of all issuers by name.
pub(super) struct Room {
    lists: papaya::HashMap<Place, Arc<Entry>, fast::RandomState>,
    numbered: Numbered,
    /// Held while a list is added, so that the bounds are exact.
    adding: Mutex<()>,
    unproven: NestedBudget<2>,
    of_issuers: RateBudget,
    of_parties: RateBudget,
    pub(super) hasher: RandomState,
}

/// The same lists by their [numbers](Entry::number), which tokens remember: a lookup without a name.
struct Numbered(ArcSwap<Vec<Option<Arc<Entry>>>>);

/// The name of a list: an address counts with the issuer whose tokens name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    issuer: Arc<str>,
    uri: Box<str>,
}

/// A borrowed [`Place`], so that a lookup allocates nothing.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct PlaceRef<'p> {
    pub(super) issuer: &'p str,
    pub(super) uri: &'p str,
}

impl Equivalent<Place> for PlaceRef<'_> {
    fn equivalent(&self, place: &Place) -> bool {
        *self.uri == *place.uri && *self.issuer == *place.issuer
    }
}

impl Numbered {
    #[inline]
    fn read<R>(&self, number: u64, read: impl FnOnce(&Entry) -> R) -> Option<R> {
        let lists = self.0.load();
        let entry = lists.get(place_of(number))?.as_ref()?;
        (entry.number == number).then(|| read(entry))
    }

    /// Replaces all lists; the caller is the only writer.
    fn replace<'e>(&self, entries: impl Iterator<Item = &'e Arc<Entry>>) {
        let mut lists = Vec::new();
        for entry in entries {
            let place = place_of(entry.number);
            if lists.len() <= place {
                lists.resize(place + 1, None);
            }
            if let Some(list) = lists.get_mut(place) {
                *list = Some(Arc::clone(entry));
            }
        }
        self.0.store(Arc::new(lists));
    }

    /// A number that no list has had, at a place that none has now.
    fn unused(&self) -> u64 {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let lists = self.0.load();
        let place = lists.iter().position(Option::is_none).unwrap_or(lists.len());
        let generation = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        generation << PLACE_BITS | u64::try_from(place).unwrap_or_default()
    }
}

/// The place of the list with this number.
#[inline]
fn place_of(number: u64) -> usize {
    usize::try_from(number & ((1 << PLACE_BITS) - 1)).unwrap_or_default()
}

impl Room {
    pub(super) fn new() -> Self {
        let [all, of_issuer, of_party] = FIRST_FETCHES;
        Room {
            lists: papaya::HashMap::with_hasher(fast::RandomState::default()),
            numbered: Numbered(ArcSwap::default()),
            adding: Mutex::new(()),
            unproven: NestedBudget::new(MAX_UNPROVEN.0, MAX_UNPROVEN.1),
            of_issuers: RateBudget::new(all, WINDOW).share(of_issuer),
            of_parties: RateBudget::new(all, WINDOW).share(of_party),
            hasher: RandomState::new(),
        }
    }

    /// Reads the list of this name.
    #[inline]
    pub(super) fn read<R>(&self, place: PlaceRef<'_>, read: impl FnOnce(&Arc<Entry>) -> R) -> Option<R> {
        self.lists.pin().get(&place).map(read)
    }

    /// Reads the list with this number, if there still is one.
    #[inline]
    pub(super) fn read_numbered<R>(&self, number: u64, read: impl FnOnce(&Entry) -> R) -> Option<R> {
        self.numbered.read(number, read)
    }

    pub(super) fn for_each(&self, mut each: impl FnMut(&Entry)) {
        self.lists.pin().values().for_each(|entry| each(entry));
    }

    pub(super) fn len(&self) -> usize {
        self.lists.len()
    }

    /// The list of this name that is `current`, or the one that `make` makes of a place for it. One that is not current makes way.
    ///
    /// # Errors
    /// The reason for which there is no room for it now.
    pub(super) fn get_or_add(
        &self,
        place: PlaceRef<'_>,
        party: Party,
        max_lists: usize,
        elapsed: Duration,
        current: impl Fn(&Entry) -> bool,
        make: impl FnOnce(NestedPermit<2>, u64) -> Entry,
    ) -> Result<Arc<Entry>, &'static str> {
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let lists = self.lists.pin();
        if let Some(entry) = lists.get(&place).filter(|entry| current(entry)) {
            return Ok(Arc::clone(entry));
        }
        self.admit_fetch(party, elapsed)?;
        if let Some(other) = lists.remove(&place) {
            other.give_back();
        }
        let added = self.permit_in_room(party, max_lists, elapsed).map(|permit| {
            let entry = Arc::new(make(permit, self.numbered.unused()));
            lists.insert(Place { issuer: place.issuer.into(), uri: place.uri.into() }, Arc::clone(&entry));
            entry
        });
        // Also if none was added: others may have made room.
        self.numbered.replace(lists.values());
        added
    }

    /// The place of another list, after lists that are no longer used have made room for it.
    fn permit_in_room(
        &self,
        party: Party,
        max_lists: usize,
        elapsed: Duration,
    ) -> Result<NestedPermit<2>, &'static str> {
        let lists = self.lists.pin();
        if !self.has_room(party, max_lists) {
            lists.retain(|_, entry| {
                let is_kept = entry.is_in_use(elapsed);
                if !is_kept {
                    entry.give_back();
                }
                is_kept
            });
        }
        let permit = match self.unproven_permit(party, max_lists) {
            Some(permit) => permit,
            None => {
                self.remove_failed(party);
                self.unproven_permit(party, max_lists).ok_or("too many lists of its issuer cannot be fetched")?
            }
        };
        if !self.has_room(party, max_lists) {
            return Err("max_lists of its issuer are in use, or the share of its tenant");
        }
        Ok(permit)
    }

    fn admit_fetch(&self, party: Party, elapsed: Duration) -> Result<(), &'static str> {
        let own = self.of_parties.spend(&party.name, Standing::Known, elapsed);
        let own = own.map_err(|_| "too many new lists were named in this second by its tenant or client")?;
        if self.of_issuers.spend(&party.issuer, Standing::Known, elapsed).is_err() {
            self.of_parties.refund(own);
            return Err("too many new lists of its issuer were named in this second");
        }
        Ok(())
    }

    /// Returns whether the issuer may have another list, and its tenant.
    fn has_room(&self, party: Party, max_lists: usize) -> bool {
        let (mut of_issuer, mut of_tenant) = (0, 0);
        self.for_each(|entry| {
            of_issuer += usize::from(entry.party.issuer == party.issuer);
            of_tenant += usize::from(entry.party.tenant == party.tenant && entry.party.issuer == party.issuer);
        });
        let free = max_lists.saturating_sub(of_issuer).min(MAX_ALL.saturating_sub(self.len()));
        let is_fair = party.tenant.is_none() || fair_share(free as u64, of_tenant as u64);
        free > 0 && is_fair
    }

    /// A place among the lists that were never fetched.
    fn unproven_permit(&self, party: Party, max_lists: usize) -> Option<NestedPermit<2>> {
        let mut unproven = 0;
        self.for_each(|entry| {
            unproven += usize::from(entry.party.issuer == party.issuer && entry.is_unproven());
        });
        let is_below = unproven < max_lists.div_ceil(2);
        if is_below { self.unproven.acquire([Some(party.issuer), Some(party.name)]).ok() } else { None }
    }

    /// Removes the list of the issuer whose fetches only failed, and that was asked for longest ago: one of the same party, if
    /// there is one.
    fn remove_failed(&self, party: Party) {
        let lists = self.lists.pin();
        let failed = lists.iter().filter(|(_, entry)| entry.party.issuer == party.issuer);
        let failed = failed.filter_map(|(place, entry)| Some(((entry.party != party, entry.failed_at()?), place)));
        if let Some((_, place)) = failed.min_by_key(|(rank, _)| *rank) {
            let removed = lists.remove(place);
            removed.into_iter().for_each(|entry| entry.give_back());
        }
    }
}
