//! Events of the receivers of revocations.

use std::time::Duration;

use countersign_core::error::VerifyErrorKind;

use super::samples::{Event, Samples};

pub(crate) fn security_event_taken(receiver: &'static str, issuer: &str) {
    tracing::info!(target: "countersign::receivers", receiver, issuer, "security event taken");
}

pub(crate) fn security_event_refused(
    receiver: &'static str,
    kind: VerifyErrorKind,
    detail: &str,
    samples: &Samples,
    elapsed: Duration,
) {
    if let Some(unlogged) = samples.admit(Event::Refused(kind), elapsed) {
        let code = kind.code();
        tracing::info!(target: "countersign::receivers", receiver, code, detail, unlogged, "security event refused");
    }
}

pub(crate) fn security_event_not_taken(receiver: &'static str, detail: &str, samples: &Samples, elapsed: Duration) {
    if let Some(unlogged) = samples.admit(Event::Refused(VerifyErrorKind::KeysUnavailable), elapsed) {
        tracing::warn!(
            target: "countersign::receivers", receiver, detail, unlogged,
            "security event not taken: keys or the sink are unavailable"
        );
    }
}

#[cfg(feature = "outbound")]
pub(crate) fn signals_not_polled(url: &str, problem: &str) {
    tracing::warn!(target: "countersign::receivers", url, problem, "security events not polled; they are asked for again");
}

#[cfg(feature = "outbound")]
pub(crate) fn signals_polled(url: &str) {
    tracing::info!(target: "countersign::receivers", url, "security events polled again");
}
