//! The memory that decoded claims may take.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes that the decoded claims of all cached tokens may take together.
#[derive(Debug)]
pub(crate) struct DecodedBudget {
    max_bytes: usize,
    used: AtomicUsize,
}

impl DecodedBudget {
    pub(crate) fn new(max_bytes: usize) -> Self {
        DecodedBudget { max_bytes, used: AtomicUsize::new(0) }
    }

    /// Takes `bytes` and returns whether they were left.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let left = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.max_bytes);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok()
    }

    pub(super) fn release(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The memory of an object with at least one member, in bytes: a node of a B-tree map of JSON values.
const OBJECT_BYTES: usize = 720;

/// The memory of a list, in bytes: the capacity of a vector at its first item.
const LIST_BYTES: usize = 160;

/// The memory of a further member or item, in bytes; a vector may have twice the capacity it needs.
const ITEM_BYTES: usize = 96;

/// An upper estimate of the memory of the claims `json`, decoded into any type of about the size of a JSON value tree.
pub(super) fn decoded_bytes(json: &str) -> usize {
    let sum = |sum: usize, byte: u8| match byte {
        b'{' => sum + OBJECT_BYTES,
        b'[' => sum + LIST_BYTES,
        b',' => sum + ITEM_BYTES,
        _ => sum,
    };
    // Signs within strings count too, which errs on the safe side. Strings have a heap block of their own each.
    json.bytes().fold(2 * json.len(), sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s11_04_decoded_claims_take_no_more_than_the_budget() {
        let budget = DecodedBudget::new(10);
        assert!(budget.take(4) && budget.take(6), "all of it");
        assert!(!budget.take(1) && !budget.take(usize::MAX));
        budget.release(6);
        assert!(!budget.take(7) && budget.take(6));
    }
}
