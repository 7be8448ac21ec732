//! The indices of tokens: random ones of blocks that are reserved in the store.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::rand;

use crate::store::LIST_ENTRIES;

/// The indices that are reserved by one write to the store.
pub(super) const BLOCK: u16 = 1024;

/// The time within which the indices of a block are used. After it, the rest is lost.
pub(super) const BLOCK_LIFETIME: Duration = Duration::from_secs(3600);

/// An index, counted through all lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StatusIndex(pub(crate) u64);

impl StatusIndex {
    /// The number of its list.
    pub(crate) const fn list(self) -> u64 {
        self.0 / LIST_ENTRIES
    }

    /// The index within the list.
    pub(crate) const fn within(self) -> u64 {
        self.0 % LIST_ENTRIES
    }

    pub(crate) fn new(list: u64, within: u64) -> Option<Self> {
        let first = list.checked_mul(LIST_ENTRIES).filter(|_| within < LIST_ENTRIES)?;
        first.checked_add(within).map(StatusIndex)
    }
}

/// The indices of reserved blocks that are not used yet.
#[derive(Default)]
pub(super) struct Indices(Mutex<Vec<Block>>);

struct Block {
    first: u64,
    /// In the order in which they are used, from the end.
    rest: Vec<u16>,
    /// As a reading of the clock's `elapsed`.
    until: Duration,
}

impl Indices {
    /// Takes an index that nobody else gets.
    pub(super) fn take(&self, elapsed: Duration) -> Option<StatusIndex> {
        let mut blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(block) = blocks.last_mut() {
            match block.rest.pop().filter(|_| elapsed < block.until) {
                Some(next) => return Some(StatusIndex(block.first + u64::from(next))),
                None => drop(blocks.pop()),
            }
        }
        None
    }

    /// Adds a reserved block. Its order is random, so that an index does not tell when its token was issued among the others.
    ///
    /// `None` if the system provides no randomness.
    pub(super) fn add(&self, first: u64, until: Duration) -> Option<()> {
        let mut random = vec![0; 2 * usize::from(BLOCK)];
        rand::fill(&mut random).ok()?;
        let mut rest: Vec<u16> = (0..BLOCK).collect();
        for (place, [low, high]) in random.as_chunks().0.iter().enumerate() {
            let left = rest.len() - place;
            let other = place + usize::from(u16::from_le_bytes([*low, *high])) % left;
            rest.swap(place, other);
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Block { first, rest, until });
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s14_08_each_index_of_a_block_is_given_once_in_random_order_and_not_after_its_time() {
        let indices = Indices::default();
        assert_eq!(indices.take(Duration::ZERO), None);
        indices.add(5 * 1024, Duration::from_secs(10)).expect("randomness");
        let taken: Vec<u64> =
            std::iter::from_fn(|| indices.take(Duration::ZERO)).map(|StatusIndex(index)| index).collect();
        let mut sorted = taken.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (5 * 1024..6 * 1024).collect::<Vec<_>>());
        assert_ne!(taken, sorted);
        assert!(taken.iter().ne(sorted.iter().rev()));
        indices.add(6 * 1024, Duration::from_secs(10)).expect("randomness");
        assert!(indices.take(Duration::from_secs(9)).is_some());
        assert_eq!(indices.take(Duration::from_secs(10)), None);
    }
}
