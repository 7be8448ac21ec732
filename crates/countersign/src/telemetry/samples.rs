//! Sampling of events that untrusted clients can cause.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_core::authz::Denial;
use countersign_core::error::VerifyErrorKind;
use countersign_core::proof::ProofErrorKind;

/// Events logged per second and code, so that untrusted clients cannot fill a disk. The verifier's counts stay exact.
const LOGGED_PER_SECOND: u64 = 10;

/// A sampled event: untrusted clients decide how often it happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    Refused(VerifyErrorKind),
    RefusedProof(ProofErrorKind),
    RefusedTransaction,
    NoTransaction,
    TransactionUnverified,
    BadCredential,
    OtherScheme,
    SecondLayer,
    TokenIgnored,
    InsufficientScope,
    StepUp,
    UnboundToken,
    Forbidden,
    NotFound,
    DeniedInShadow,
    NoSuchParameter,
    ClaimsSchema,
    RevocationUnknown,
    UnknownPart,
    TokenEnded,
    RequestNotAvailable,
    #[cfg_attr(not(feature = "axum"), allow(dead_code, reason = "only extractors check in handlers"))]
    DeniedByHandler,
}

impl Event {
    const COUNT: usize = VerifyErrorKind::ALL.len() + 20 + ProofErrorKind::ALL.len();

    pub(super) fn denied(denial: &Denial) -> Self {
        match denial {
            Denial::Scopes(_) => Event::InsufficientScope,
            Denial::StepUp { .. } => Event::StepUp,
            Denial::ProofRequired => Event::UnboundToken,
            Denial::NotFound => Event::NotFound,
            Denial::ClaimsSchema => Event::ClaimsSchema,
            _ => Event::Forbidden,
        }
    }

    fn index(self) -> usize {
        let after_kinds = match self {
            Event::Refused(kind) => return kind as usize,
            Event::RefusedProof(kind) => 20 + kind as usize,
            Event::BadCredential => 0,
            Event::InsufficientScope => 1,
            Event::StepUp => 2,
            Event::Forbidden => 3,
            Event::NotFound => 4,
            Event::DeniedInShadow => 5,
            Event::NoSuchParameter => 6,
            Event::ClaimsSchema => 7,
            Event::RevocationUnknown => 8,
            Event::UnknownPart => 9,
            Event::TokenEnded => 10,
            Event::RequestNotAvailable => 11,
            Event::OtherScheme => 12,
            Event::SecondLayer => 13,
            Event::TokenIgnored => 14,
            Event::DeniedByHandler => 15,
            Event::UnboundToken => 16,
            Event::RefusedTransaction => 17,
            Event::NoTransaction => 18,
            Event::TransactionUnverified => 19,
        };
        VerifyErrorKind::ALL.len() + after_kinds
    }
}

/// One sampler per code, so that a flood of one does not hide another. Each layer has its own set.
#[derive(Debug)]
pub(crate) struct Samples([Sampler; Event::COUNT]);

impl Default for Samples {
    fn default() -> Self {
        Samples([const { Sampler::new() }; Event::COUNT])
    }
}

impl Samples {
    pub(super) fn admit(&self, event: Event, elapsed: Duration) -> Option<u64> {
        self.0.get(event.index())?.admit(elapsed)
    }
}

/// Admits ten events per second, and counts the others.
///
/// ```
/// use std::time::Duration;
/// use countersign::integration::Sampler;
///
/// let sampler = Sampler::new();
/// let logged = (0..100).filter_map(|_| sampler.admit(Duration::ZERO)).count();
/// assert_eq!((logged, sampler.admit(Duration::from_secs(1))), (10, Some(90)));
/// ```
#[derive(Debug, Default)]
pub struct Sampler {
    second: AtomicU64,
    seen: AtomicU64,
    unlogged: AtomicU64,
}

impl Sampler {
    /// A sampler that has admitted nothing.
    #[must_use]
    pub const fn new() -> Self {
        Sampler { second: AtomicU64::new(0), seen: AtomicU64::new(0), unlogged: AtomicU64::new(0) }
    }

    /// The number of events not logged since the last one, if this event is to be logged. `elapsed` is the time of a clock.
    pub fn admit(&self, elapsed: Duration) -> Option<u64> {
        let second = elapsed.as_secs();
        // Threads may read the clock in one order and arrive in another: an earlier second starts no new count.
        if self.second.fetch_max(second, Ordering::Relaxed) < second {
            self.seen.store(0, Ordering::Relaxed);
        }
        if self.seen.fetch_add(1, Ordering::Relaxed) < LOGGED_PER_SECOND {
            return Some(self.unlogged.swap(0, Ordering::Relaxed));
        }
        self.unlogged.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s10_09_each_code_has_its_own_ten_per_second_and_reports_what_was_not_logged() {
        let samples = Samples::default();
        let forbidden = Event::denied(&Denial::Forbidden);
        let logged = |event, second| {
            (0..1000).filter_map(|_| samples.admit(event, Duration::from_secs(second))).collect::<Vec<u64>>()
        };
        assert_eq!(logged(forbidden, 0), [0; 10]);
        assert!(logged(forbidden, 0).is_empty(), "the same second");
        assert_eq!(logged(Event::denied(&Denial::NotFound), 0), [0; 10], "another code");
        assert_eq!(logged(forbidden, 1), [1990, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn every_event_has_its_own_index() {
        let mut indexes: Vec<usize> = VerifyErrorKind::ALL.iter().map(|kind| Event::Refused(*kind).index()).collect();
        indexes.extend(
            [Event::BadCredential, Event::InsufficientScope, Event::StepUp, Event::Forbidden].map(Event::index),
        );
        indexes.extend([Event::NotFound, Event::DeniedInShadow, Event::NoSuchParameter].map(Event::index));
        indexes.extend([Event::ClaimsSchema, Event::RevocationUnknown, Event::UnknownPart].map(Event::index));
        indexes.extend([Event::TokenEnded, Event::RequestNotAvailable, Event::OtherScheme].map(Event::index));
        indexes.extend([Event::SecondLayer, Event::TokenIgnored, Event::DeniedByHandler].map(Event::index));
        indexes.push(Event::UnboundToken.index());
        indexes
            .extend([Event::RefusedTransaction, Event::NoTransaction, Event::TransactionUnverified].map(Event::index));
        indexes.extend(ProofErrorKind::ALL.iter().map(|kind| Event::RefusedProof(*kind).index()));
        assert_eq!(indexes, (0..Event::COUNT).collect::<Vec<usize>>());
    }
}
