//! Events about audit logs themselves. The decisions are events of their own.

use std::io;
use std::time::Duration;

use super::samples::Sampler;

/// The least time between two events about the same failure.
const PAUSE: Duration = Duration::from_secs(60);

/// The failures of one writer.
#[derive(Debug, Default)]
pub(crate) struct AuditFailures {
    writes: Failing,
    openings: Failing,
}

/// Failures of one kind, each logged at most once a minute.
#[derive(Debug, Default)]
struct Failing {
    logged: Option<Duration>,
    is_failing: bool,
}

impl Failing {
    fn is_to_be_logged(&mut self, elapsed: Duration) -> bool {
        self.is_failing = true;
        let is_due = self.logged.is_none_or(|logged| elapsed.saturating_sub(logged) >= PAUSE);
        if is_due {
            self.logged = Some(elapsed);
        }
        is_due
    }
}

impl AuditFailures {
    /// Logs a failed write, and the first that succeeds again.
    pub(crate) fn written(&mut self, result: io::Result<()>, elapsed: Duration) {
        match result {
            Ok(()) if std::mem::take(&mut self.writes.is_failing) => {
                tracing::info!(target: "countersign::audit_log", "audit lines are written again");
            }
            Err(error) if self.writes.is_to_be_logged(elapsed) => {
                tracing::warn!(target: "countersign::audit_log", %error, "audit lines are lost: they cannot be written");
            }
            _ => {}
        }
    }

    /// Logs that a file which was renamed cannot be opened under its name.
    pub(crate) fn not_opened(&mut self, error: &io::Error, elapsed: Duration) {
        if self.openings.is_to_be_logged(elapsed) {
            tracing::warn!(
                target: "countersign::audit_log", %error,
                "the audit file was renamed and cannot be created again; lines go on to the renamed one"
            );
        }
    }
}

pub(crate) fn audit_sink_panicked(sample: &Sampler, elapsed: Duration) {
    if let Some(unlogged) = sample.admit(elapsed) {
        tracing::error!(target: "countersign::audit_log", unlogged, "an audit sink panicked; its event is lost");
    }
}
