//! News of revocations for responses that are still running.

use tokio::sync::watch;

/// Tells running responses that a [`RevocationCheck`](super::RevocationCheck) knows of new revocations.
///
/// The check hands out its [`changes`](Self::changes) and [sends](Self::send) after each revocation that it takes. Each
/// running response is asked about again within a second, and at most once a second, however many are sent.
///
/// ```
/// use std::sync::Arc;
/// use countersign::revocation::{
///     RevocationChanges, RevocationCheck, RevocationQuery, RevocationSignal, RevocationStatus,
/// };
/// use countersign::verify::Verified;
///
/// #[derive(Debug, Default)]
/// struct Banned {
///     signal: RevocationSignal, // sent whenever a name is added
/// }
///
/// impl RevocationCheck for Banned {
///     fn check(&self, _: &Arc<Verified>) -> RevocationQuery {
///         RevocationQuery::Known(RevocationStatus::Valid)
///     }
///
///     fn changes(&self) -> Option<RevocationChanges> {
///         Some(self.signal.changes())
///     }
/// }
/// ```
#[derive(Debug)]
pub struct RevocationSignal(watch::Sender<()>);

/// The changes of a check, as a [`RevocationSignal`] sends them; it has an example.
#[derive(Clone, Debug)]
pub struct RevocationChanges(watch::Receiver<()>);

impl RevocationSignal {
    /// A signal that nobody waits for yet.
    #[must_use]
    pub fn new() -> Self {
        RevocationSignal(watch::Sender::new(()))
    }

    /// Tells everybody who waits. It takes no time if nobody does.
    pub fn send(&self) {
        self.0.send_replace(());
    }

    /// The changes from now on. The first counts as having come already: nobody has asked yet.
    #[must_use]
    pub fn changes(&self) -> RevocationChanges {
        let mut receiver = self.0.subscribe();
        // What came between a request's check and this is not missed.
        receiver.mark_changed();
        RevocationChanges(receiver)
    }
}

impl Default for RevocationSignal {
    fn default() -> Self {
        Self::new()
    }
}

impl RevocationChanges {
    /// Waits for a change since the last call. It never ends if the check is gone.
    pub(crate) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
