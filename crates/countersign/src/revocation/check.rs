//! The hook.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use countersign_core::verify::Verified;

/// Says whether a verified token was revoked since it was issued.
///
/// It is asked once a request, after everything else was checked. What is known in memory is answered at once; what must be
/// asked for elsewhere is a future, which is given up after [`Revocation::wait`](super::Revocation::wait).
///
/// ```
/// use std::sync::Arc;
/// use countersign::revocation::{Check, RevocationCheck, Verdict};
/// use countersign::verify::Verified;
///
/// #[derive(Debug)]
/// struct Sessions; // a client of the store that holds revoked sessions
///
/// impl RevocationCheck for Sessions {
///     fn check(&self, token: &Arc<Verified>) -> Check {
///         let Some(id) = token.token_id() else { return Check::Known(Verdict::Unknown) };
///         let key = format!("{} {id}", token.issuer());
///         Check::Asked(Box::pin(async move {
///             // let found = store.exists(&key).await;
///             if key.is_empty() { Verdict::Revoked } else { Verdict::Valid }
///         }))
///     }
/// }
/// ```
pub trait RevocationCheck: Send + Sync + Debug + 'static {
    /// What is known about `token`: name it by issuer and `jti`, or by issuer, subject and time of issue.
    fn check(&self, token: &Arc<Verified>) -> Check;
}

/// An answer, or the promise of one.
pub enum Check {
    /// Known at once.
    Known(Verdict),
    /// Asked for elsewhere.
    Asked(VerdictFuture),
}

/// An answer that must be waited for.
pub type VerdictFuture = Pin<Box<dyn Future<Output = Verdict> + Send>>;

/// What is known about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was not revoked.
    Valid,
    /// It was.
    Revoked,
    /// It cannot be told now; the posture decides.
    Unknown,
}

impl Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Check::Known(verdict) => f.debug_tuple("Known").field(verdict).finish(),
            Check::Asked(_) => f.write_str("Asked"),
        }
    }
}
