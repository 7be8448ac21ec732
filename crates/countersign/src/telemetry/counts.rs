//! Counts of requests and times of verifications, of all layers of the process. Without the features `metrics` and `otel`,
//! nothing is counted.

#[cfg(any(feature = "metrics", feature = "otel"))]
mod enabled;

#[cfg(any(feature = "metrics", feature = "otel"))]
pub(crate) use enabled::{DURATION_NAME, VerificationTimer, authenticated, callers, refused, requests};

#[cfg(feature = "otel")]
pub(crate) use enabled::set_duration_histogram;

#[cfg(not(any(feature = "metrics", feature = "otel")))]
pub(crate) use disabled::{VerificationTimer, authenticated, refused};

#[cfg(not(any(feature = "metrics", feature = "otel")))]
mod disabled {
    use countersign_core::token::CredentialKind;

    /// Measures nothing.
    pub(crate) struct VerificationTimer;

    impl VerificationTimer {
        pub(crate) fn start() -> Self {
            VerificationTimer
        }

        #[allow(clippy::unused_self, reason = "the other form has state")]
        pub(crate) fn stop(self) {}
    }

    pub(crate) fn authenticated(_: CredentialKind) {}

    pub(crate) fn refused(_: &'static str) {}
}
