//! The events of messages, which have no request.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::error::VerifyError;
use countersign_core::verify::Verified;

use super::event::AuditEvent;
use super::log::Auditor;
use super::outcome::AuditOutcome;

/// In place of a method.
const METHOD: &str = "MESSAGE";

impl Auditor {
    /// The time and the monotonic time, before a message is verified.
    pub(crate) fn begin(&self) -> (UnixTime, Duration) {
        (self.clock.now(), self.clock.elapsed())
    }

    /// Writes the event of a message whose token was verified since `begin`.
    pub(crate) fn message(&self, begin: (UnixTime, Duration), result: &Result<Arc<Verified>, VerifyError>) {
        let (outcome, code) = match result {
            Ok(_) if !self.log.records_allowed => return,
            Ok(_) => (AuditOutcome::Allowed, "ok"),
            Err(error) if error.is_unavailable() => (AuditOutcome::Unavailable, error.code()),
            Err(error) => (AuditOutcome::Refused, error.code()),
        };
        let (service, service_client, service_client_issuer) = self.service();
        self.write(&AuditEvent {
            time: begin.0,
            service,
            service_client,
            service_client_issuer,
            outcome,
            code,
            status: None,
            grpc_status: None,
            method: METHOD.to_owned(),
            route: None,
            requirement: None,
            unmet: None,
            would_deny: None,
            caller: result.as_ref().ok().map(|verified| self.caller(verified)),
            policy: self.policy(),
            txn: None,
            trace_id: None,
            parent_id: None,
            duration: self.clock.elapsed().saturating_sub(begin.1),
        });
    }
}
