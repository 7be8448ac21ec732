//! The verifiers and issuers that use a source, and the memory that its keys take for them.

use std::sync::Arc;

use countersign_core::integration::KeyMemory;
use countersign_core::key::{KeySet, SourceContext};

/// The number of uses of a source. All methods are called under the lock of `cached_keys.rs`.
#[derive(Default)]
pub(super) struct Attachments {
    /// Issuers that were resolved at run time.
    resolved: usize,
    /// True if the operator configured the source for a verifier: then its keys are never dropped.
    is_configured: bool,
    is_released: bool,
    /// Changes when the keys are dropped, so that a fetch that began before stores none.
    generation: u64,
    memory: Option<Arc<KeyMemory>>,
    bytes: usize,
}

impl Attachments {
    pub(super) fn add(&mut self, context: &SourceContext) {
        if context.is_resolved() {
            self.resolved += 1;
        } else {
            self.is_configured = true;
        }
        self.is_released = false;
        // The first issuer counts the keys that several share.
        if self.memory.is_none() {
            self.memory = context.key_memory().cloned();
        }
    }

    /// Removes a resolved issuer. Returns true if nobody uses the keys anymore.
    pub(super) fn remove(&mut self) -> bool {
        self.resolved = self.resolved.saturating_sub(1);
        if self.is_configured || self.resolved > 0 {
            return false;
        }
        self.is_released = true;
        self.generation += 1;
        self.count(None);
        self.memory = None;
        true
    }

    /// Counts the memory of these keys in place of that of the earlier ones.
    pub(super) fn count(&mut self, keys: Option<&KeySet>) {
        let Some(memory) = &self.memory else { return };
        let bytes = keys.map_or(0, |keys| keys.memory_bytes() + SOURCE_BYTES);
        memory.replace(self.bytes, bytes);
        self.bytes = bytes;
    }

    pub(super) fn memory(&self) -> Option<Arc<KeyMemory>> {
        self.memory.clone()
    }

    /// The number of the use that begins now; `None` if nobody uses the source.
    pub(super) fn generation(&self) -> Option<u64> {
        (!self.is_released).then_some(self.generation)
    }
}

impl Drop for Attachments {
    fn drop(&mut self) {
        self.count(None);
    }
}

/// The approximate memory of a source besides its keys: addresses, a validator and the state of its cache.
const SOURCE_BYTES: usize = 2 * 1024;
