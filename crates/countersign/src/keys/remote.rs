//! Keys from discovery or a JWKS address.

use countersign_core::error::Fault;
use countersign_core::key::{KeyCell, KeySource, KeySourceInfo, RefreshFuture, RefreshReason, SourceContext};

use super::http_location::HttpLocation;
use super::location::KeyDocument;
use super::refreshing::RefreshingKeys;
use super::snapshot::KeySnapshot;
use crate::fetch::ConnectionSettings;
use crate::refresh::RefreshPolicy;

/// Keys fetched over HTTPS: at first use, then before they expire, and at once for an unknown `kid`, though never more often
/// than the policy's cool-down allows.
///
/// Fetches run in tasks of the tokio runtime that uses the verifier; its timer must be enabled.
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
#[derive(Debug)]
pub struct RemoteKeys(RefreshingKeys<HttpLocation>);

impl RemoteKeys {
    /// Keys of an issuer, whose discovery document names their address and must repeat the issuer's name exactly.
    pub fn from_issuer(issuer: impl Into<String>) -> Self {
        Self::new(HttpLocation::from_issuer(issuer.into()))
    }

    /// Keys at this address, without discovery.
    pub fn from_url(url: impl Into<String>) -> Self {
        Self::new(HttpLocation::from_url(url.into(), KeyDocument::JwkSet))
    }

    /// The keys for JWT-SVIDs of a SPIFFE trust domain, from its bundle endpoint at this address (profile `https_web`).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use countersign::issuers::Preset;
    /// use countersign::keys::RemoteKeys;
    ///
    /// let keys = Arc::new(RemoteKeys::from_spiffe_bundle("https://bundle.partner.example"));
    /// let issuer = Preset::SPIFFE.issuer("spiffe://partner.example").keys(keys).audience("orders");
    /// # let _ = issuer;
    /// ```
    pub fn from_spiffe_bundle(url: impl Into<String>) -> Self {
        Self::new(HttpLocation::from_url(url.into(), KeyDocument::SpiffeBundle))
    }

    fn new(location: HttpLocation) -> Self {
        RemoteKeys(RefreshingKeys::new(location, RefreshPolicy::default()))
    }

    /// The settings of the connections that fetch keys and discovery document. Default: roots and proxy of the system.
    #[must_use]
    pub fn connection(self, settings: ConnectionSettings) -> Self {
        self.0.location.set_connection(settings);
        self
    }

    /// Allows plain `http` off loopback for the keys and the discovery document: whoever controls the network path can then
    /// substitute keys and impersonate every caller.
    ///
    /// A warning is logged when a verifier is built, and `deny_danger` forbids it.
    #[must_use]
    pub fn danger_allow_plain_http(self) -> Self {
        self.0.location.allow_plain_http();
        self
    }

    /// Sets lifetimes and pauses other than the defaults; impossible ones are reported when the verifier is built.
    #[must_use]
    pub fn refresh_policy(mut self, policy: RefreshPolicy) -> Self {
        self.0.policy = policy;
        self
    }

    /// Starts with the keys of an earlier run, so that a cold start need not wait for the first fetch. While they are fresh, that
    /// fetch comes within the jitter's share of their lifetime, at most a minute after the start, and at a different time in
    /// each process: replicas that start together do not all fetch at once.
    #[must_use]
    pub fn initial_snapshot(mut self, snapshot: KeySnapshot) -> Self {
        self.0.initial_snapshot = Some(snapshot);
        self
    }

    /// The current keys, for the next start; `None` before the first fetch.
    #[must_use]
    pub fn snapshot(&self) -> Option<KeySnapshot> {
        self.0.snapshot()
    }
}

impl KeySource for RemoteKeys {
    fn cell(&self) -> &KeyCell {
        self.0.cell()
    }

    fn refresh(&self, reason: RefreshReason) -> RefreshFuture<'_> {
        self.0.refresh(reason, None)
    }

    fn refresh_for_key<'a>(&'a self, key_id: Option<&'a str>) -> RefreshFuture<'a> {
        self.0.refresh(RefreshReason::MissingKey, key_id)
    }

    fn record_use(&self) {
        self.0.record_use();
    }

    fn describe(&self) -> KeySourceInfo {
        self.0.describe()
    }

    fn attach(&self, context: &SourceContext) -> Vec<Fault> {
        self.0.attach(context)
    }

    fn detach(&self) {
        self.0.detach();
    }
}
