//! The settings of DPoP for a layer.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::Clock;
use countersign_core::error::Fault;
use countersign_core::key::Algorithm;
use countersign_core::proof::{ExternalUrl, Nonces, ProofKeys, ProofRules};

use super::check::ProofChecker;
use super::memory::MemoryReplays;
use super::replay::ReplayStore;

/// The longest wait of a request for the replay store.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The longest wait for the replay store that can be set.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest age that a proof may be allowed: nobody needs longer, and all proofs are remembered for as long.
const LONGEST_AGE: Duration = Duration::from_secs(300);

/// Accepts tokens that are bound to a key (`cnf.jkt`), with a proof for each request; for
/// [`AuthenticateLayerBuilder::dpop`](crate::authenticate::AuthenticateLayerBuilder::dpop).
///
/// A bound token without its proof stays refused, and so does a proof beside a token that is not bound. Bearer tokens that are not
/// bound are accepted as before: demand a proof on a route with [`proof_of_possession`](crate::authz::proof_of_possession),
/// or of all tokens of an issuer with
/// [`proof_of_possession_required`](crate::policy::TrustedIssuer::proof_of_possession_required).
///
/// ```
/// use countersign::error::ConfigError;
/// use countersign::prelude::*;
/// use countersign::proof::{Dpop, Nonces};
///
/// fn layer(verifier: Verifier) -> Result<AuthenticateLayer, ConfigError> {
///     let dpop = Dpop::at("https://api.example.com").nonces(Nonces::generate()?);
///     AuthenticateLayer::builder(verifier).dpop(dpop).build()
/// }
/// # let _ = layer;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Dpop {
    external_urls: Vec<String>,
    rules: ProofRules,
    nonces: Option<Nonces>,
    replays: Arc<dyn ReplayStore>,
    timeout: Duration,
}

impl Dpop {
    /// Accepts proofs for this address, under which clients call the service: `https://api.example.com`, or with the path that a
    /// gateway removes, `https://example.com/orders`.
    ///
    /// Proofs name the address that the client called. Neither `Host` nor headers of proxies count: whoever sends them could
    /// choose the address.
    pub fn at(external_url: impl Into<String>) -> Self {
        Dpop {
            external_urls: vec![external_url.into()],
            rules: ProofRules::default(),
            nonces: None,
            replays: Arc::new(MemoryReplays::new()),
            timeout: TIMEOUT,
        }
    }

    /// Also accepts proofs for this address.
    pub fn and_at(mut self, external_url: impl Into<String>) -> Self {
        self.external_urls.push(external_url.into());
        self
    }

    /// Allows exactly these algorithms, all asymmetric. Default: those of [`Algorithm::DEFAULT`].
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.rules = self.rules.algorithms(algorithms);
        self
    }

    /// Sets how old a proof may be. Default: 60 s, at most 300 s. The client's clock may be 10 s ahead.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.rules = self.rules.max_age(age);
        self
    }

    /// Demands a nonce of this service in each proof (RFC 9449 §9): a proof can then not be made long before it is used, whatever
    /// the client's clock says.
    ///
    /// A client without one gets 401 with `DPoP-Nonce` and repeats the request. All instances behind one address need the same
    /// secret; see [`Nonces::from_secret`].
    pub fn nonces(mut self, nonces: Nonces) -> Self {
        self.nonces = Some(nonces);
        self
    }

    /// Sets the store of used proofs. Default: a [`MemoryReplays`] of this value and its clones, for a service of one instance.
    pub fn replay_store(mut self, store: Arc<impl ReplayStore>) -> Self {
        self.replays = store;
        self
    }

    /// Sets how long a request waits for the replay store, before it gets 503. Default: 1 s, at most 60 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The settings as a checker, and their faults.
    pub(crate) fn build(self, clock: &Arc<dyn Clock>) -> (Option<ProofChecker>, Vec<Fault>) {
        let mut faults = self.replays.attach(clock);
        let mut external_urls = Vec::new();
        for url in &self.external_urls {
            match ExternalUrl::new(url) {
                Ok(url) => external_urls.push(url),
                Err(fault) => faults.push(fault),
            }
        }
        if self.rules.allowed().is_empty() || self.rules.allowed().iter().any(|algorithm| algorithm.is_symmetric()) {
            faults.push(Fault::new(
                "algorithms",
                "proofs need asymmetric algorithms, and no others; name one, such as ES256",
            ));
        }
        if self.rules.oldest() > LONGEST_AGE || self.rules.oldest() < Duration::from_secs(1) {
            faults.push(Fault::new("max_age", "the age of proofs is not within 1 s to 300 s"));
        }
        if self.timeout.is_zero() || self.timeout > LONGEST_TIMEOUT {
            faults.push(Fault::new("timeout", "the wait for the replay store is not within 60 s"));
        }
        if !faults.is_empty() {
            return (None, faults);
        }
        let Dpop { rules, nonces, replays, timeout, .. } = self;
        let keys = ProofKeys::new();
        (Some(ProofChecker { external_urls, rules, keys, nonces, replays, timeout }), faults)
    }
}
