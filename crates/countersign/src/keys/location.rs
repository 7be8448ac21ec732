//! The interface between a key source and the location of its keys.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::error::Fault;
use countersign_core::key::{KeyRejected, KeyRejectedKind, KeySet, SettingsDigest};

use crate::fetch::FetchFailure;
use crate::refresh::FetchFuture;

/// A location that key sets are fetched from.
pub(super) trait KeyLocation: Send + Sync + 'static {
    /// The name of the location in events and snapshots.
    fn name(&self) -> &str;

    /// The name for logs and `Debug`, without what may be secret.
    fn shown_name(&self) -> &str {
        self.name()
    }

    /// The location as text that distinguishes it from others of any kind.
    fn origin(&self) -> String;

    /// Everything but the origin that decides which keys a fetch accepts.
    fn settings(&self) -> SettingsDigest;

    /// The host that a fetch asks, with its port; `None` if a fetch costs nobody else anything.
    fn host(&self) -> Option<String> {
        None
    }

    /// Fetches the key set. If nothing has changed, returns the current set itself.
    fn fetch(self: Arc<Self>, request: KeyRequest) -> FetchFuture<KeySet, FetchFailure>;

    /// Returns whether the last answer came from a cache on the way, so that it may be older than the request for it.
    fn answered_from_cache(&self) -> bool {
        false
    }

    /// Settings that weaken the source, in words.
    fn weakenings(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Restricts fetches to public addresses from now on. Without effect if the operator chose the address.
    fn restrict_to_public_addresses(&self) {}

    /// Drops what it keeps of earlier fetches.
    fn forget(&self) {}

    /// Settings that cannot work.
    fn fault(&self) -> Option<Fault> {
        None
    }
}

/// The form of the document with the keys.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum KeyDocument {
    /// A JWK Set.
    JwkSet,
    /// The trust bundle of a SPIFFE trust domain.
    SpiffeBundle,
}

impl KeyDocument {
    pub(super) fn read(self, json: &[u8]) -> Result<KeySet, KeyRejected> {
        match self {
            KeyDocument::JwkSet => KeySet::from_jwks(json),
            KeyDocument::SpiffeBundle => KeySet::from_spiffe_bundle(json),
        }
    }

    /// Its name in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            KeyDocument::JwkSet => "JWK Set",
            KeyDocument::SpiffeBundle => "trust bundle",
        }
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

/// The failure for a document that is not a usable set. A well-formed empty one states that the issuer has no keys.
pub(super) fn failure(rejected: &KeyRejected) -> FetchFailure {
    match rejected.kind() {
        KeyRejectedKind::NoKeys => FetchFailure::NoKeys,
        _ => FetchFailure::Content(rejected.to_string()),
    }
}
