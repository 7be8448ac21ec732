//! The settings that a verifier hands down to its key sources.

use std::sync::Arc;

use super::memory::KeyMemory;
use crate::clock::Clock;

/// The context in which a key source is used: the verifier's clock, and whether the issuer was resolved at run time.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::clock::SystemClock;
/// use countersign_core::key::SourceContext;
///
/// let context = SourceContext::new(Arc::new(SystemClock)).resolved(false);
/// assert!(context.is_resolved() && !context.allows_private_addresses());
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SourceContext {
    clock: Arc<dyn Clock>,
    is_resolved: bool,
    private_addresses_allowed: bool,
    key_memory: Option<Arc<KeyMemory>>,
}

impl SourceContext {
    /// The context of an issuer that the operator configured, under this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        SourceContext { clock, is_resolved: false, private_addresses_allowed: true, key_memory: None }
    }

    /// The context of an issuer that was resolved by the `iss` of a token.
    pub fn resolved(mut self, private_addresses_allowed: bool) -> Self {
        self.is_resolved = true;
        self.private_addresses_allowed = private_addresses_allowed;
        self
    }

    /// Sets the count of the memory that fetched keys take.
    pub fn with_key_memory(mut self, key_memory: Arc<KeyMemory>) -> Self {
        self.key_memory = Some(key_memory);
        self
    }

    /// The verifier's clock: it measures lifetimes of keys.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Returns whether the issuer was resolved at run time. Its source then fetches only while its keys are in use.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        self.is_resolved
    }

    /// Returns whether the source may connect to private addresses; always true for issuers that the operator configured.
    #[must_use]
    pub fn allows_private_addresses(&self) -> bool {
        self.private_addresses_allowed
    }

    /// The count of the memory that fetched keys take, if it is bounded.
    #[must_use]
    pub fn key_memory(&self) -> Option<&Arc<KeyMemory>> {
        self.key_memory.as_ref()
    }
}
