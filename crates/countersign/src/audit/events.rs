//! Events through `tracing`.

use super::event::AuditEvent;
use super::sink::AuditSink;

/// Sends the events of an audit log through `tracing`, at INFO under the target `countersign::audit`. The fields are those of
/// the JSON lines; `actors` is their JSON as text.
///
/// ```
/// use countersign::audit::{AuditEvents, AuditLog};
///
/// let log = AuditLog::new("orders", AuditEvents);
/// # let _ = log;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditEvents;

impl AuditSink for AuditEvents {
    fn record(&self, event: &AuditEvent) {
        if !tracing::enabled!(target: "countersign::audit", tracing::Level::INFO) {
            return;
        }
        let caller = event.caller.as_ref();
        let actors = caller.map(|caller| &caller.actors).filter(|actors| !actors.is_empty());
        tracing::info!(
            target: "countersign::audit",
            time = event.time_text(),
            service = event.service,
            service_client = event.service_client,
            service_client_issuer = event.service_client_issuer,
            outcome = event.outcome.name(),
            code = event.code,
            status = event.status,
            grpc_status = event.grpc_status,
            method = event.method,
            route = event.route,
            requirement = event.requirement,
            unmet = event.unmet,
            would_deny = event.would_deny,
            issuer = caller.map(|caller| caller.issuer.as_str()),
            subject = caller.and_then(|caller| caller.subject.as_deref()),
            client = caller.and_then(|caller| caller.client.as_deref()),
            actors = actors.and_then(|actors| serde_json::to_string(actors).ok()),
            credential = caller.map(|caller| caller.credential),
            binding = caller.map(|caller| caller.binding),
            policy = event.policy_text(),
            txn = event.txn,
            trace_id = event.trace_id,
            parent_id = event.parent_id,
            duration_us = event.duration_us(),
            "decision"
        );
    }
}
