//! The time of calls of the store.

#[cfg(any(feature = "metrics", feature = "otel"))]
pub(crate) use enabled::{STORE_TIME_NAME, StoreTimer};

#[cfg(feature = "otel")]
pub(crate) use enabled::set_store_histogram;

#[cfg(not(any(feature = "metrics", feature = "otel")))]
pub(crate) use disabled::StoreTimer;

#[cfg(not(any(feature = "metrics", feature = "otel")))]
mod disabled {
    /// Measures nothing.
    pub(crate) struct StoreTimer;

    impl StoreTimer {
        pub(crate) fn start() -> Self {
            StoreTimer
        }

        #[allow(clippy::unused_self, reason = "the other form has state")]
        pub(crate) fn stop(self, _has_failed: bool) {}
    }
}

#[cfg(any(feature = "metrics", feature = "otel"))]
mod enabled {
    use std::time::Instant;

    /// The histogram, as Prometheus names it.
    pub(crate) const STORE_TIME_NAME: &str = "countersign_issuer_store_duration_seconds";

    /// Measures one call, with the wait for a thread.
    pub(crate) struct StoreTimer(Instant);

    impl StoreTimer {
        pub(crate) fn start() -> Self {
            StoreTimer(Instant::now())
        }

        pub(crate) fn stop(self, has_failed: bool) {
            let seconds = self.0.elapsed().as_secs_f64();
            let result = if has_failed { "failed" } else { "ok" };
            #[cfg(feature = "metrics")]
            ::metrics::histogram!(STORE_TIME_NAME, "result" => result).record(seconds);
            #[cfg(feature = "otel")]
            if let Some(histogram) = HISTOGRAM.get() {
                histogram.record(seconds, &[("result", result)]);
            }
        }
    }

    #[cfg(feature = "otel")]
    static HISTOGRAM: std::sync::OnceLock<countersign_core::integration::DurationHistogram> =
        std::sync::OnceLock::new();

    /// Sends the times to this histogram from now on.
    #[cfg(feature = "otel")]
    pub(crate) fn set_store_histogram(histogram: countersign_core::integration::DurationHistogram) {
        let _ = HISTOGRAM.set(histogram);
    }
}
