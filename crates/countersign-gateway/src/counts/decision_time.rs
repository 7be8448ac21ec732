//! The time of decisions.

/// The histogram of the time of decisions, as Prometheus names it.
#[cfg(any(feature = "metrics", feature = "otel"))]
pub(crate) const DURATION_NAME: &str = "countersign_gateway_decision_duration_seconds";

/// Measures one decision. Without the features for numbers it measures nothing.
pub(crate) struct DecisionTimer {
    #[cfg(any(feature = "metrics", feature = "otel"))]
    began: std::time::Instant,
}

impl DecisionTimer {
    pub(crate) fn start() -> Self {
        DecisionTimer {
            #[cfg(any(feature = "metrics", feature = "otel"))]
            began: std::time::Instant::now(),
        }
    }

    #[cfg_attr(
        not(any(feature = "metrics", feature = "otel")),
        allow(clippy::unused_self, reason = "with a feature for numbers it has state")
    )]
    pub(crate) fn stop(self) {
        #[cfg(any(feature = "metrics", feature = "otel"))]
        let seconds = self.began.elapsed().as_secs_f64();
        #[cfg(feature = "metrics")]
        ::metrics::histogram!(DURATION_NAME).record(seconds);
        #[cfg(feature = "otel")]
        if let Some(histogram) = HISTOGRAM.get() {
            histogram.record(seconds, &[]);
        }
    }
}

#[cfg(feature = "otel")]
static HISTOGRAM: std::sync::OnceLock<countersign_core::integration::DurationHistogram> = std::sync::OnceLock::new();

/// Sends the times to this histogram from now on.
#[cfg(feature = "otel")]
pub(crate) fn set_histogram(histogram: countersign_core::integration::DurationHistogram) {
    let _ = HISTOGRAM.set(histogram);
}
