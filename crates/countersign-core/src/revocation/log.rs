//! The interface to a list of revocations that outlives the processes that share it.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::notice::RevocationNotice;
use super::sink::SinkError;

/// The longest name of a log, in bytes.
pub const MAX_LOG_NAME_BYTES: usize = 64;

/// Keeps revocations durably, numbered in the order in which they became readable.
///
/// Whoever distributes revocations reads a log: what a channel loses is filled in again from here. The embedded issuer is one.
///
/// ```
/// use countersign_core::revocation::{LogFuture, LogPage, RevocationLog};
///
/// #[derive(Debug)]
/// struct Empty;
///
/// impl RevocationLog for Empty {
///     fn read(&self, after: u64) -> LogFuture {
///         Box::pin(std::future::ready(Ok(LogPage::new("of 2026-11-30", after, true, Vec::new()))))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a durable list of revocations",
    note = "use `countersign_issuer::Issuer`, or implement `RevocationLog` for your store"
)]
pub trait RevocationLog: Send + Sync + Debug + 'static {
    /// Reads the revocations with a number above `after`, or the first of them. Those that are over may be left out.
    ///
    /// A revocation that is read once must never get a lower number, and none may become readable below the end of a page that
    /// was read.
    fn read(&self, after: u64) -> LogFuture;

    /// Completes when this process stores a revocation after the call. Default: never; others are found by reading once a
    /// second.
    fn changed(&self) -> ChangeFuture {
        Box::pin(std::future::pending())
    }
}

impl<L: RevocationLog> RevocationLog for Arc<L> {
    fn read(&self, after: u64) -> LogFuture {
        (**self).read(after)
    }

    fn changed(&self) -> ChangeFuture {
        (**self).changed()
    }
}

/// The future of [`RevocationLog::read`].
pub type LogFuture = Pin<Box<dyn Future<Output = Result<LogPage, SinkError>> + Send>>;

/// The future of [`RevocationLog::changed`].
pub type ChangeFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A part of a [`RevocationLog`], which has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct LogPage {
    log: String,
    end: u64,
    is_last: bool,
    notices: Vec<RevocationNotice>,
}

impl LogPage {
    /// The revocations up to the number `end`. `log` names the list: one that was emptied, such as a new one in memory, has
    /// another name, at most 64 bytes long. `is_last` is true if nothing followed when it was read.
    pub fn new(log: impl Into<String>, end: u64, is_last: bool, notices: Vec<RevocationNotice>) -> Self {
        LogPage { log: log.into(), end, is_last, notices }
    }

    /// The name of the list.
    #[must_use]
    pub fn log(&self) -> &str {
        &self.log
    }

    /// The number after which the next page begins.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Returns whether nothing followed when it was read.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.is_last
    }

    /// The revocations.
    #[must_use]
    pub fn notices(&self) -> &[RevocationNotice] {
        &self.notices
    }
}
