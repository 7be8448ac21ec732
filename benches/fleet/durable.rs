//! The durable list of revocations of an issuer, which the publisher reads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_core::revocation::{ChangeFuture, LogFuture, LogPage, RevocationLog, RevocationNotice};
use tokio::sync::Notify;

/// Revocations that are read at once.
const PAGE: usize = 1_000;

#[derive(Clone, Debug, Default)]
pub(crate) struct Durable(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    notices: Mutex<Vec<RevocationNotice>>,
    changed: Notify,
}

impl Durable {
    pub(crate) fn add(&self, notices: impl IntoIterator<Item = RevocationNotice>) {
        self.notices().extend(notices);
        self.0.changed.notify_waiters();
    }

    fn notices(&self) -> MutexGuard<'_, Vec<RevocationNotice>> {
        self.0.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RevocationLog for Durable {
    fn read(&self, after: u64) -> LogFuture {
        let notices = self.notices();
        let from = usize::try_from(after).unwrap_or(usize::MAX).min(notices.len());
        let end = (from + PAGE).min(notices.len());
        let page = LogPage::new("of this bench", end as u64, end == notices.len(), notices[from..end].to_vec());
        Box::pin(std::future::ready(Ok(page)))
    }

    fn changed(&self) -> ChangeFuture {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.changed.notified().await })
    }
}
