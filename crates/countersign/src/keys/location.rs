//! The interface between a key source and the location of its keys.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::error::Fault;
use countersign_core::key::KeySet;

use crate::fetch::FetchFailure;
use crate::refresh::FetchFuture;

/// A location that key sets are fetched from.
pub(super) trait KeyLocation: Send + Sync + 'static {
    /// The name of the location in events and snapshots.
    fn name(&self) -> &str;

    /// The location as text that distinguishes it from others of any kind.
    fn origin(&self) -> String;

    /// Fetches the key set. If nothing has changed, returns the current set itself.
    fn fetch(self: Arc<Self>, request: KeyRequest) -> FetchFuture<KeySet, FetchFailure>;

    /// Settings that weaken the source, in words.
    fn weakenings(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Restricts fetches to public addresses from now on. Without effect if the operator chose the address.
    fn restrict_to_public_addresses(&self) {}

    /// Settings that cannot work.
    fn fault(&self) -> Option<Fault> {
        None
    }
}

/// One fetch of a key set.
pub(super) struct KeyRequest {
    pub(super) current: Option<Arc<KeySet>>,
    /// Bypasses the caches of intermediaries, because a key is missing.
    pub(super) forced: bool,
    /// The reading of the clock's `elapsed`.
    pub(super) elapsed: Duration,
}
