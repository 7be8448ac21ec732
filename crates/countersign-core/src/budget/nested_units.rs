//! Units shared on several levels, for an owner that locks them itself.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasherDefault;
use std::time::Duration;

use super::shares::{Hashed, OverBudget, fair_share};

/// The `retry_after` of refusals: the end of other uses is not known.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The place of what is not there.
const NOWHERE: u32 = u32::MAX;

/// The numbers of a [`NestedBudget`](super::NestedBudget), for a store that counts under a lock of its own and has a million
/// units in use: a unit takes four bytes, and does not return by itself.
///
/// ```
/// use countersign_core::integration::NestedUnits;
///
/// let mut units = NestedUnits::new(2, [1]);
/// let unit = units.take([Some(7)])?;
/// assert!(units.take([Some(7)]).is_err() && units.in_use() == 1);
/// units.give_back(unit);
/// assert!(units.take([Some(7)]).is_ok());
/// # Ok::<(), countersign_core::integration::OverBudget>(())
/// ```
pub struct NestedUnits<const LEVELS: usize> {
    bound: u32,
    shares: [u32; LEVELS],
    total: u32,
    /// The places of the keys that have units, by key and those above it.
    places: HashMap<u64, u32, BuildHasherDefault<Hashed>>,
    counts: Vec<Count>,
    free: Vec<u32>,
}

/// A unit in use, until it is [given back](NestedUnits::give_back). Its example has one.
#[derive(Clone, Copy)]
pub struct NestedUnit(u32);

/// The units of a key, with those of the keys that belong to it.
struct Count {
    name: u64,
    /// The place of the key above this one.
    above: u32,
    used: u32,
}

impl NestedUnit {
    /// The unit as a number, below the number of keys that had units at the same time: for tables that pack it.
    #[must_use]
    pub const fn to_number(self) -> u32 {
        self.0
    }

    /// The unit of this number.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        NestedUnit(number)
    }
}

impl<const LEVELS: usize> NestedUnits<LEVELS> {
    /// Units in use at the same time, of which a key gets at most the share of its level.
    #[must_use]
    pub fn new(units: u32, shares: [u32; LEVELS]) -> Self {
        let (places, counts, free) = Default::default();
        NestedUnits { bound: units, shares, total: 0, places, counts, free }
    }

    /// Takes a unit for the keys of this path, from the outermost to the innermost. A level without a key is skipped. Keys
    /// are hashes with a seed that nobody outside knows, such as those of `RandomState`.
    ///
    /// # Errors
    /// If a share on one of the levels, or the bound, is used up.
    pub fn take(&mut self, path: [Option<u64>; LEVELS]) -> Result<NestedUnit, OverBudget> {
        let names = names(path);
        let mut places = self.find(&names);
        let mut free = self.bound.saturating_sub(self.total);
        let mut is_refused = free == 0;
        for ((_, place), share) in names.iter().zip(places).zip(self.shares).filter(|((name, _), _)| name.is_some()) {
            let own = self.count(place).map_or(0, |count| count.used);
            is_refused |= !fair_share(u64::from(free), u64::from(own)) || own >= share;
            // What this key could still get, one after the other, is free to those that belong to it.
            free = free.saturating_sub(own).div_ceil(2).min(share.saturating_sub(own));
        }
        if is_refused {
            return Err(OverBudget { retry_after: RETRY_AFTER });
        }
        let mut above = NOWHERE;
        for (name, place) in names.iter().zip(&mut places) {
            let Some(name) = *name else { continue };
            if *place == NOWHERE {
                *place = self.add(Count { name, above, used: 0 });
            }
            above = *place;
            if let Some(count) = self.count_mut(above) {
                count.used += 1;
            }
        }
        self.total += 1;
        Ok(NestedUnit(above))
    }

    /// Returns a unit on every level.
    pub fn give_back(&mut self, unit: NestedUnit) {
        self.total = self.total.saturating_sub(1);
        let mut place = unit.0;
        while let Some(count) = self.count_mut(place) {
            count.used = count.used.saturating_sub(1);
            let (name, above, is_unused) = (count.name, count.above, count.used == 0);
            if is_unused {
                self.places.remove(&name);
                self.free.push(place);
            }
            place = above;
        }
    }

    /// The number of units in use.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        self.total
    }

    /// The places of these keys. Only one is looked up if the innermost is known: it knows those above it.
    fn find(&self, names: &[Option<u64>; LEVELS]) -> [u32; LEVELS] {
        let mut places = [NOWHERE; LEVELS];
        let mut known = NOWHERE;
        for (name, place) in names.iter().zip(&mut places).rev() {
            let Some(name) = name else { continue };
            if known == NOWHERE {
                known = self.places.get(name).copied().unwrap_or(NOWHERE);
            }
            *place = known;
            known = self.count(known).map_or(NOWHERE, |count| count.above);
        }
        places
    }

    fn add(&mut self, count: Count) -> u32 {
        let name = count.name;
        let place = match self.free.pop() {
            Some(place) => place,
            None => u32::try_from(self.counts.len()).unwrap_or(NOWHERE),
        };
        match self.count_mut(place) {
            Some(unused) => *unused = count,
            None => self.counts.push(count),
        }
        self.places.insert(name, place);
        place
    }

    fn count(&self, place: u32) -> Option<&Count> {
        self.counts.get(place as usize)
    }

    fn count_mut(&mut self, place: u32) -> Option<&mut Count> {
        self.counts.get_mut(place as usize)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty() && self.free.len() == self.counts.len()
    }
}

/// The names of the keys of a path: each counts with its level and the keys above it.
fn names<const LEVELS: usize>(path: [Option<u64>; LEVELS]) -> [Option<u64>; LEVELS] {
    let mut above: u64 = 0;
    path.map(|key| {
        above = above.wrapping_add(LEVEL).rotate_left(23);
        above ^= key?;
        Some(above)
    })
}

/// Makes the levels of a path differ: half of the bits of the golden ratio.
const LEVEL: u64 = 0x9e37_79b9_7f4a_7c15;

/// Only the numbers: keys identify callers.
impl<const LEVELS: usize> fmt::Debug for NestedUnits<LEVELS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NestedUnits").field("bound", &self.bound).field("in_use", &self.total).finish_non_exhaustive()
    }
}

impl fmt::Debug for NestedUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NestedUnit").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Path = [Option<u64>; 3];

    /// As hashes are.
    const KEYS: [u64; 3] = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0];

    /// The rule by itself: the units in use, each with its path.
    fn is_free(used: &[(NestedUnit, Path)], path: Path, bound: u32, shares: [u32; 3]) -> bool {
        let mut free = bound - u32::try_from(used.len()).expect("few");
        let mut is_free = free > 0;
        for level in (0..3).filter(|level| path[*level].is_some()) {
            let belongs = |other: &Path| other[..=level] == path[..=level];
            let own = u32::try_from(used.iter().filter(|(_, other)| belongs(other)).count()).expect("few");
            is_free &= own < free && own < shares[level];
            free = free.saturating_sub(own).div_ceil(2).min(shares[level].saturating_sub(own));
        }
        is_free
    }

    proptest! {
        #[test]
        fn s15_01_units_are_counted_on_every_level(
            bound in 0u32..24,
            shares in prop::array::uniform3(1u32..16),
            steps in prop::collection::vec((prop::array::uniform3(prop::option::of(prop::sample::select(&KEYS[..]))), any::<prop::sample::Index>(), any::<bool>()), 0..80),
        ) {
            let mut units = NestedUnits::new(bound, shares);
            let mut used: Vec<(NestedUnit, Path)> = Vec::new();
            for (path, index, takes) in steps {
                if takes {
                    let expected = is_free(&used, path, bound, shares);
                    let taken = units.take(path);
                    prop_assert_eq!(taken.is_ok(), expected, "{:?} beside {:?}", path, used);
                    used.extend(taken.map(|unit| (unit, path)));
                } else if !used.is_empty() {
                    units.give_back(used.swap_remove(index.index(used.len())).0);
                }
                prop_assert_eq!(units.in_use() as usize, used.len());
            }
            used.into_iter().for_each(|(unit, _)| units.give_back(unit));
            prop_assert!(units.is_empty(), "nothing is remembered of keys without units");
        }
    }
}
