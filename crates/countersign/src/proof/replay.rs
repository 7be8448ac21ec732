//! The interface of stores of used proofs.

use std::fmt::{self, Debug};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::{Clock, UnixTime};
use countersign_core::error::Fault;
use countersign_core::key::Thumbprint;
use countersign_core::proof::DpopProof;
use countersign_core::verify::Verified;

use super::replay_stats::ReplayStats;

/// Remembers used proofs, so that each counts once (RFC 9449 §11.1).
///
/// [`MemoryReplays`](super::MemoryReplays) serves one process. Several instances behind one address need a store that they
/// share: the crate `countersign-redis` has one in Redis or Valkey. One of your own inserts and compares in one step:
///
/// ```
/// use std::sync::Arc;
/// use countersign::proof::{ProofUse, ReplayOutcome, ReplayQuery, ReplayStore};
///
/// # #[derive(Debug)] struct Cluster;
/// # impl Cluster {
/// #     async fn set_if_absent(&self, key: String, until: u64) -> Result<bool, ()> { let _ = (key, until); Ok(true) }
/// # }
/// #[derive(Debug)]
/// struct Shared(Arc<Cluster>);
///
/// impl ReplayStore for Shared {
///     fn insert(&self, proof: &ProofUse<'_>) -> ReplayQuery {
///         let (cluster, key, until) = (Arc::clone(&self.0), proof.name(), proof.keep_until().as_secs());
///         ReplayQuery::Pending(Box::pin(async move {
///             match cluster.set_if_absent(key, until).await {
///                 Ok(true) => ReplayOutcome::New,
///                 Ok(false) => ReplayOutcome::Used,
///                 Err(_) => ReplayOutcome::Unknown,
///             }
///         }))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no store of used proofs",
    label = "`ReplayStore` is not implemented for `{Self}`",
    note = "use `MemoryReplays`, or implement `ReplayStore` for a client of your store"
)]
pub trait ReplayStore: Send + Sync + Debug + 'static {
    /// Records the use of a proof unless one of the same [name](ProofUse::name) is recorded, in one step. The record has to
    /// stay until [`keep_until`](ProofUse::keep_until).
    fn insert(&self, proof: &ProofUse<'_>) -> ReplayQuery;

    /// Takes the clock of the verifier whose layer uses this store, and returns the faults of this use.
    ///
    /// Called each time such a layer is built. By default the clock is ignored.
    fn attach(&self, _clock: &Arc<dyn Clock>) -> Vec<Fault> {
        Vec::new()
    }

    /// The numbers of the store, for metrics; read when they are collected, so it must not wait. By default there are none.
    fn stats(&self) -> Option<ReplayStats> {
        None
    }
}

/// The time by which clocks of instances may differ.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(60);

/// One use of a proof; [`ReplayStore`] has an example.
pub struct ProofUse<'p> {
    proof: &'p DpopProof,
    pub(super) now: UnixTime,
    pub(super) token: &'p Arc<Verified>,
}

impl<'p> ProofUse<'p> {
    /// The use of `proof` with `token` at this time, for tests of a store. The layer makes it of a proof that passed all checks.
    #[must_use]
    pub fn new(proof: &'p DpopProof, token: &'p Arc<Verified>, now: UnixTime) -> Self {
        ProofUse { proof, now, token }
    }

    /// The name of the proof: the thumbprint of its key, a dot, and its `jti`, at most 300 bytes. The `jti` is any text.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.key(), self.id())
    }

    /// The key of the proof.
    #[must_use]
    pub fn key(&self) -> Thumbprint {
        self.proof.thumbprint()
    }

    /// The identifier of the proof (`jti`), which is unique for the key.
    #[must_use]
    pub fn id(&self) -> &str {
        self.proof.id()
    }

    /// The time at which the client made the proof, by its clock.
    #[must_use]
    pub fn issued_at(&self) -> UnixTime {
        self.proof.issued_at()
    }

    /// The last time at which the proof is accepted, by the clock of this instance.
    #[must_use]
    pub fn ends_at(&self) -> UnixTime {
        self.proof.ends_at()
    }

    /// The time until which a shared store has to keep the record: a minute longer, because clocks of instances differ.
    #[must_use]
    pub fn keep_until(&self) -> UnixTime {
        UnixTime::from_secs(self.ends_at().as_secs() + 1).saturating_add(CLOCK_DIFFERENCE)
    }

    /// The time of the request.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.now
    }

    /// The token that the proof was sent with, for shares of the store.
    #[must_use]
    pub fn token(&self) -> &Arc<Verified> {
        self.token
    }
}

/// The outcome of an insertion, or the future of one. [`ReplayStore`] has an example.
#[non_exhaustive]
pub enum ReplayQuery {
    /// The outcome is known at once.
    Known(ReplayOutcome),
    /// The outcome comes from elsewhere.
    Pending(ReplayFuture),
}

/// The future of an outcome; [`ReplayStore`] has an example.
pub type ReplayFuture = Pin<Box<dyn Future<Output = ReplayOutcome> + Send>>;

/// The outcome of an insertion; [`ReplayStore`] has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayOutcome {
    /// The proof was not used before, and is recorded now.
    New,
    /// The proof was used before: 401.
    Used,
    /// The proof is older than what the store remembers, so it may have been used: 401. A new proof helps.
    Forgotten,
    /// The share of the caller in the store is used up: 503 for this caller.
    ShareUsedUp,
    /// The store is full or cannot be reached, or the clock was set back behind what it has seen: 503.
    Unknown,
}

impl Debug for ReplayQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayQuery::Known(outcome) => f.debug_tuple("Known").field(outcome).finish(),
            ReplayQuery::Pending(_) => f.write_str("Pending"),
        }
    }
}

/// Only the times: key and `jti` identify a client.
impl Debug for ProofUse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofUse").field("issued_at", &self.issued_at().as_secs()).finish_non_exhaustive()
    }
}
