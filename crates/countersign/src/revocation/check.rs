//! The hook.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use countersign_core::verify::Verified;

/// Says whether a verified token was revoked since it was issued.
///
/// It is asked once a request, after everything else was checked. What is known in memory is answered at once; what must be
/// asked for elsewhere is a future, which is given up after [`Revocation::timeout`](super::Revocation::timeout).
///
/// ```
/// use std::sync::Arc;
/// use countersign::revocation::{RevocationQuery, RevocationCheck, RevocationStatus};
/// use countersign::verify::Verified;
///
/// #[derive(Debug)]
/// struct Sessions; // a client of the store that holds revoked sessions
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
pub trait RevocationCheck: Send + Sync + Debug + 'static {
    /// What is known about `token`: name it by issuer and `jti`, or by issuer, subject and time of issue.
    fn check(&self, token: &Arc<Verified>) -> RevocationQuery;
}

/// An answer, or the promise of one.
pub enum RevocationQuery {
    /// Known at once.
    Known(RevocationStatus),
    /// Asked for elsewhere.
    Pending(RevocationFuture),
}

/// An answer that must be waited for.
pub type RevocationFuture = Pin<Box<dyn Future<Output = RevocationStatus> + Send>>;

/// What is known about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationStatus {
    /// It was not revoked.
    Valid,
    /// It was.
    Revoked,
    /// It cannot be told now; the posture decides.
    Unknown,
}

impl Debug for RevocationQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RevocationQuery::Known(verdict) => f.debug_tuple("Known").field(verdict).finish(),
            RevocationQuery::Pending(_) => f.write_str("Pending"),
        }
    }
}
