//! The receiver of events.

use std::fmt::Debug;
use std::sync::Arc;

use super::event::AuditEvent;

/// Receives the audit events of a service: [`AuditWriter`](super::AuditWriter), [`AuditEvents`](super::AuditEvents), or one of
/// your own.
///
/// It is called on the task of the request, before the response goes on: it must not wait. Hand the event to a queue with a
/// bound, and to a thread or task behind it. A panic is caught and logged, and the request goes on.
///
/// ```
/// use std::sync::mpsc::SyncSender;
/// use countersign::audit::{AuditEvent, AuditSink};
///
/// #[derive(Debug)]
/// struct ToBroker(SyncSender<AuditEvent>);
///
/// impl AuditSink for ToBroker {
///     fn record(&self, event: &AuditEvent) {
///         if self.0.try_send(event.clone()).is_err() {
///             // count it as dropped
///         }
///     }
/// }
/// # let _ = ToBroker;
/// ```
pub trait AuditSink: Debug + Send + Sync + 'static {
    /// Takes one event.
    fn record(&self, event: &AuditEvent);
}

impl<S: AuditSink + ?Sized> AuditSink for Arc<S> {
    fn record(&self, event: &AuditEvent) {
        (**self).record(event);
    }
}
