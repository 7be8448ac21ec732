//! The interface to whoever keeps or distributes revocations.

use std::fmt::{self, Debug};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::notice::RevocationNotice;

/// Takes revocations: a list in memory, a store, or a stream to other instances.
///
/// ```
/// use countersign_core::clock::UnixTime;
/// use countersign_core::revocation::{RevocationNotice, RevocationSink, SinkFuture};
///
/// #[derive(Debug)]
/// struct Printed;
///
/// impl RevocationSink for Printed {
///     fn revoke(&self, notice: RevocationNotice) -> SinkFuture {
///         println!("{}", notice.to_json());
///         Box::pin(std::future::ready(Ok(())))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` takes no revocations",
    note = "use a list of revocations, or implement `RevocationSink` for a client of your store"
)]
pub trait RevocationSink: Send + Sync + Debug + 'static {
    /// Takes a revocation. The future completes when the sink has it as durably as it promises; a notice that was taken
    /// before is taken again without effect.
    fn revoke(&self, notice: RevocationNotice) -> SinkFuture;
}

/// The future of [`RevocationSink::revoke`].
pub type SinkFuture = Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send>>;

impl<S: RevocationSink> RevocationSink for Arc<S> {
    fn revoke(&self, notice: RevocationNotice) -> SinkFuture {
        (**self).revoke(notice)
    }
}

/// A revocation was not taken: its tokens may still be accepted.
///
/// ```
/// use countersign_core::revocation::SinkError;
///
/// assert_eq!(SinkError::Full.code(), "revocation_full");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub enum SinkError {
    /// The sink has no room. Trying again helps only after other revocations are over.
    Full,
    /// The sink cannot be reached, with the reason. Try again.
    Unavailable(String),
}

impl SinkError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            SinkError::Full => "revocation_full",
            SinkError::Unavailable(_) => "revocation_unavailable",
        }
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SinkError::Full => {
                f.write_str("there is no room for another revocation; wait until some are over, or raise the bound")
            }
            SinkError::Unavailable(reason) => write!(f, "the revocation was not taken: {reason}; try again"),
        }
    }
}

impl std::error::Error for SinkError {}
