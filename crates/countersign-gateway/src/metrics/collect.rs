//! The numbers of a gateway at one moment.

#[cfg(feature = "metrics")]
use std::sync::Arc;

#[cfg(feature = "metrics")]
use countersign_core::integration::Publisher;
use countersign_core::integration::{Metric, MetricValue, Sample};

use super::names::{DECISIONS, EXCHANGES, SWAPS, TOKENS};
use crate::gateway::Gateway;

/// The numbers of one gateway, for the crate `metrics` (`publish_every`) or OpenTelemetry (`observe`).
///
/// ```
/// use countersign_gateway::{Gateway, GatewayMetrics};
///
/// fn metrics(gateway: &Gateway) -> GatewayMetrics {
///     GatewayMetrics::new(gateway, "nginx")
/// }
/// # let _ = metrics;
/// ```
#[derive(Clone, Debug)]
pub struct GatewayMetrics {
    gateway: Gateway,
    edge: String,
    #[cfg(feature = "metrics")]
    pub(super) publisher: Arc<Publisher>,
}

impl GatewayMetrics {
    /// The numbers of this gateway, with the name of the edge that asks it. Times of decisions are those of all gateways of the
    /// process.
    pub fn new(gateway: &Gateway, edge: impl Into<String>) -> Self {
        GatewayMetrics {
            gateway: gateway.clone(),
            edge: edge.into(),
            #[cfg(feature = "metrics")]
            publisher: Arc::default(),
        }
    }

    /// Calls `add` with each number of now.
    pub(super) fn collect(&self, mut add: impl FnMut(Sample)) {
        let mut sample = |metric: &'static Metric, labels: &[(&'static str, &str)], value: MetricValue| {
            let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            add(Sample { metric, labels, value });
        };
        for (outcome, count) in self.gateway.counts().sums() {
            sample(&DECISIONS, &[("edge", &self.edge), ("outcome", outcome)], MetricValue::Count(count));
        }
        for swap in self.gateway.rules().all_swaps() {
            let prefix = ("swap", swap.prefix());
            for (outcome, count) in swap.counts().sums() {
                sample(&SWAPS, &[prefix, ("outcome", outcome)], MetricValue::Count(count));
            }
            for (result, count) in swap.exchanges() {
                sample(&EXCHANGES, &[prefix, ("result", result)], MetricValue::Count(count));
            }
            let tokens = u32::try_from(swap.tokens()).unwrap_or(u32::MAX);
            sample(&TOKENS, &[prefix], MetricValue::Level(f64::from(tokens)));
        }
    }
}
