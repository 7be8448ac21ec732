//! The interface of a revocation check.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use countersign_core::clock::Clock;
use countersign_core::error::Fault;
use countersign_core::verify::Verified;

use super::changes::RevocationChanges;

/// Looks up whether a verified token was revoked after it was issued.
///
/// The layer asks once for each request, after all other checks. A status that is in memory is returned at once. One that is
/// stored elsewhere is a future, which the layer drops after [`Revocation::timeout`](super::Revocation::timeout).
///
/// ```
/// use std::sync::Arc;
/// use countersign::revocation::{RevocationCheck, RevocationQuery, RevocationStatus};
/// use countersign::verify::Verified;
///
/// #[derive(Debug)]
/// struct Sessions; // a client of the store that lists revoked sessions
///
/// impl RevocationCheck for Sessions {
///     fn check(&self, token: &Arc<Verified>) -> RevocationQuery {
///         let Some(id) = token.token_id() else { return RevocationQuery::Known(RevocationStatus::Unknown) };
///         let key = format!("{} {id}", token.issuer());
///         RevocationQuery::Pending(Box::pin(async move {
///             // let found = store.exists(&key).await;
///             if key.is_empty() { RevocationStatus::Revoked } else { RevocationStatus::Valid }
///         }))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a revocation check",
    note = "use `RevocationList` or `SingleUse`, or implement `RevocationCheck` for a client of your store"
)]
pub trait RevocationCheck: Send + Sync + Debug + 'static {
    /// Looks up the status of `token`, identified by issuer and `jti`, or by issuer, subject and time of issue.
    fn check(&self, token: &Arc<Verified>) -> RevocationQuery;

    /// Looks up the status of `token` again, while a response to its caller is still running.
    ///
    /// Asked by [`lifetime`](crate::lifetime) once a minute, and after [changes](Self::changes). A check that accepts a token once must not count this. Default:
    /// [`check`](Self::check).
    fn recheck(&self, token: &Arc<Verified>) -> RevocationQuery {
        self.check(token)
    }

    /// The news of revocations, so that running responses are asked about again within a second of each.
    ///
    /// Default: `None`; they are asked about once a minute.
    fn changes(&self) -> Option<RevocationChanges> {
        None
    }

    /// Returns whether it checks the status lists that policies name
    /// ([`StatusListRules`](countersign_core::policy::StatusListRules)). If no check does, a layer adds one. Default: false.
    fn checks_status_lists(&self) -> bool {
        false
    }

    /// Takes the clock of the verifier whose layer uses this check, and returns the faults of this use.
    ///
    /// Called each time such a layer is built. By default the clock is ignored.
    fn attach(&self, _clock: &Arc<dyn Clock>) -> Vec<Fault> {
        Vec::new()
    }
}

/// A revocation status, or the future of one. [`RevocationCheck`] has an example.
#[non_exhaustive]
pub enum RevocationQuery {
    /// The status is known at once.
    Known(RevocationStatus),
    /// The status comes from elsewhere.
    Pending(RevocationFuture),
}

/// The future of a revocation status; [`RevocationCheck`] has an example.
pub type RevocationFuture = Pin<Box<dyn Future<Output = RevocationStatus> + Send>>;

/// The revocation status of a token; [`RevocationCheck`] has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationStatus {
    /// The token was not revoked.
    Valid,
    /// The token was revoked.
    Revoked,
    /// The token is not valid for now. It is refused as a revoked one, with a reason of its own.
    Suspended,
    /// The status is unknown now; the [`UnknownPolicy`](super::UnknownPolicy) decides.
    Unknown,
}

impl RevocationStatus {
    /// The status of a token that has both: revoked counts before suspended, that before unknown, and unknown before valid.
    pub(super) fn worst(self, other: Self) -> Self {
        match (self, other) {
            (RevocationStatus::Revoked, _) | (_, RevocationStatus::Revoked) => RevocationStatus::Revoked,
            (RevocationStatus::Suspended, _) | (_, RevocationStatus::Suspended) => RevocationStatus::Suspended,
            (RevocationStatus::Unknown, _) | (_, RevocationStatus::Unknown) => RevocationStatus::Unknown,
            (RevocationStatus::Valid, RevocationStatus::Valid) => RevocationStatus::Valid,
        }
    }
}

impl Debug for RevocationQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RevocationQuery::Known(status) => f.debug_tuple("Known").field(status).finish(),
            RevocationQuery::Pending(_) => f.write_str("Pending"),
        }
    }
}
