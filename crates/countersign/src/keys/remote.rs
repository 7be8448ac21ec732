//! A key set fetched over the network and kept fresh.

use std::fmt;
use std::sync::Arc;

use countersign_core::clock::Clock;
use countersign_core::error::Fault;
use countersign_core::key::{KeyCell, KeySource, KeySourceInfo, RefreshFuture, RefreshReason, SourceContext};

use super::kept::{KeptKeys, KeyPlace};
use super::place::HttpPlace;
use super::snapshot::KeySnapshot;
use crate::refresh::RefreshPolicy;

/// A source of keys that are fetched: at first use, then ahead of their end, and at once for an unknown `kid`, though
/// never more often than the policy's cool-down allows.
///
/// Fetches run in tasks of the tokio runtime that the verifier is used in, with its timer on.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use countersign::keys::{RefreshPolicy, RemoteKeys};
/// use countersign::policy::NeedsAudience;
///
/// let policy = RefreshPolicy::default().stale_for(Duration::from_secs(3600));
/// let keys = RemoteKeys::from_issuer("https://id.example.com").refresh_policy(policy);
/// let issuer = NeedsAudience::new("https://id.example.com", Arc::new(keys)).audience("orders");
/// # let _ = issuer;
/// ```
pub struct RemoteKeys {
    place: Arc<HttpPlace>,
    kept: KeptKeys,
}

impl RemoteKeys {
    /// Keys of this issuer, whose discovery document says where they are and must repeat the name exactly.
    pub fn from_issuer(issuer: impl Into<String>) -> Self {
        Self::new(HttpPlace::discovered(issuer.into()))
    }

    /// Keys at this address.
    pub fn from_url(url: impl Into<String>) -> Self {
        Self::new(HttpPlace::at(url.into()))
    }

    fn new(place: HttpPlace) -> Self {
        RemoteKeys { place: Arc::new(place), kept: KeptKeys::new(RefreshPolicy::default()) }
    }

    /// Fetches by other numbers than the defaults; senseless ones are refused when the verifier is built.
    #[must_use]
    pub fn refresh_policy(mut self, policy: RefreshPolicy) -> Self {
        self.kept.policy = policy;
        self
    }

    /// Counts ages on this clock; it must be the verifier's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.kept.clock = clock.into();
        self
    }

    /// Lets the keys, and the discovery document, come over plain `http` off loopback: whoever sits on the path can hand us
    /// keys of their own, and be every caller.
    ///
    /// It is logged when a verifier is built, and `deny_danger` forbids it.
    #[must_use]
    pub fn danger_allow_plain_http(self) -> Self {
        self.place.allow_plain_http();
        self
    }

    /// Begins with the keys of an earlier run, so that a cold start need not wait for the issuer.
    #[must_use]
    pub fn initial_snapshot(mut self, snapshot: KeySnapshot) -> Self {
        self.kept.snapshot = Some(snapshot);
        self
    }

    /// The keys now held, for the next start; `None` before the first fetch.
    #[must_use]
    pub fn snapshot(&self) -> Option<KeySnapshot> {
        self.kept.snapshot(self.place.name())
    }
}

impl KeySource for RemoteKeys {
    fn cell(&self) -> &KeyCell {
        self.kept.cell()
    }

    fn refresh(&self, reason: RefreshReason) -> RefreshFuture<'_> {
        Box::pin(self.kept.refresh(&self.place, reason))
    }

    fn describe(&self) -> KeySourceInfo {
        let info = self.kept.describe(self.place.origin());
        if self.place.is_in_plain_http() { info.weakening("keys may come over plain http") } else { info }
    }

    fn attach(&self, context: &SourceContext) -> Vec<Fault> {
        if !context.allows_private_addresses() {
            self.place.confine();
        }
        let mut faults = self.kept.attach(context);
        faults.extend(self.place.fault());
        if self.kept.snapshot.as_ref().is_some_and(|snapshot| snapshot.source() != self.place.name()) {
            faults.push(Fault::new("snapshot", "it is another source's; each issuer needs its own"));
        }
        faults
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys")
            .field("place", &self.place.name())
            .field("cell", self.kept.cell())
            .finish_non_exhaustive()
    }
}
