//! The outcome of a decision.

use std::fmt;

use http::StatusCode;

use crate::response::Refusal;

/// The outcome of a decision; [`AuditEvent`](super::AuditEvent) has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuditOutcome {
    /// The request went on to the handler.
    Allowed,
    /// The caller is known and may not do this: 403, 404, or 401 for a step-up.
    Denied,
    /// The caller is not authenticated: 400 or 401.
    Refused,
    /// The decision is not possible now: 503.
    Unavailable,
    /// A mistake in the set-up of the service: 500.
    Error,
}

impl AuditOutcome {
    /// The name in events: one lower-case word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            AuditOutcome::Allowed => "allowed",
            AuditOutcome::Denied => "denied",
            AuditOutcome::Refused => "refused",
            AuditOutcome::Unavailable => "unavailable",
            AuditOutcome::Error => "error",
        }
    }

    pub(super) fn of(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Denied(_) => AuditOutcome::Denied,
            refusal if refusal.status() == StatusCode::SERVICE_UNAVAILABLE => AuditOutcome::Unavailable,
            _ => AuditOutcome::Refused,
        }
    }
}

/// As [`name`](AuditOutcome::name).
impl fmt::Display for AuditOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
