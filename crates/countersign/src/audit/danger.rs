//! Ways to weaken the protection of persons in audit events, in one searchable module. Each use is logged at WARN.

use super::log::AuditLog;

/// Writes subjects as they are in place of their pseudonyms: every reader of the events learns who did what.
///
/// `deny_danger` refuses a layer with it.
///
/// ```
/// use countersign::audit::{AuditEvents, AuditLog, danger};
///
/// let log = danger::raw_subjects(AuditLog::new("orders", AuditEvents));
/// # let _ = log;
/// ```
pub fn raw_subjects(log: AuditLog) -> AuditLog {
    tracing::warn!(target: "countersign::audit_log", "audit events name subjects as they are: they are personal data");
    log.with_raw_subjects()
}
