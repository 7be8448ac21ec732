//! The numbers of an issuer at one moment.

#[cfg(feature = "metrics")]
use std::sync::Arc;

#[cfg(feature = "metrics")]
use countersign_core::integration::Publisher;
use countersign_core::integration::{Metric, MetricValue, Sample};

use super::names::{INTROSPECTIONS, KEY_AGE, KEY_MAINTENANCE, KEYS, REVOCATIONS, TOKEN_REQUESTS};
use crate::rotation::KeyState;
use crate::service::Issuer;

/// The numbers of one issuer, for the crate `metrics` (`publish_every`) or OpenTelemetry (`observe`).
///
/// ```
/// use countersign_issuer::{Issuer, IssuerMetrics};
///
/// let issuer = Issuer::builder("http://127.0.0.1:4000").build()?;
/// let metrics = IssuerMetrics::new(&issuer);
/// # let _ = metrics;
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct IssuerMetrics {
    issuer: Issuer,
    #[cfg(feature = "metrics")]
    pub(super) publisher: Arc<Publisher>,
}

impl IssuerMetrics {
    /// The numbers of this issuer. Times of store calls are those of all issuers of the process.
    #[must_use]
    pub fn new(issuer: &Issuer) -> Self {
        IssuerMetrics {
            issuer: issuer.clone(),
            #[cfg(feature = "metrics")]
            publisher: Arc::default(),
        }
    }

    /// Calls `add` with each number of now.
    pub(super) fn collect(&self, mut add: impl FnMut(Sample)) {
        let issuer = &self.issuer;
        let mut sample = |metric: &'static Metric, labels: &[(&'static str, &str)], value: MetricValue| {
            let named = std::iter::once(("issuer", issuer.name()));
            let labels = named.chain(labels.iter().copied()).map(|(name, value)| (name, value.to_owned())).collect();
            add(Sample { metric, labels, value });
        };
        for (grant, outcome, count) in issuer.counts().token_requests() {
            let (outcome, code) = outcome.labels();
            let labels = [("grant", grant.label()), ("outcome", outcome), ("code", code)];
            sample(&TOKEN_REQUESTS, &labels, MetricValue::Count(count));
        }
        for (outcome, count) in issuer.counts().introspections() {
            let (outcome, code) = outcome.labels();
            sample(&INTROSPECTIONS, &[("outcome", outcome), ("code", code)], MetricValue::Count(count));
        }
        for (outcome, count) in issuer.counts().revocations() {
            let (outcome, code) = outcome.labels();
            sample(&REVOCATIONS, &[("outcome", outcome), ("code", code)], MetricValue::Count(count));
        }
        let keys = issuer.keys();
        let mut states = [("pending", 0_u32), ("active", 0), ("retiring", 0)];
        for key in &keys {
            let index = match key.state {
                KeyState::Pending { .. } => 0,
                KeyState::Active => 1,
                KeyState::Retiring { .. } => 2,
            };
            if let Some((_, count)) = states.get_mut(index) {
                *count += 1;
            }
        }
        for (state, count) in states {
            sample(&KEYS, &[("state", state)], MetricValue::Level(f64::from(count)));
        }
        let age = issuer.clock().now().saturating_since(issuer.active_key_since());
        sample(&KEY_AGE, &[], MetricValue::Level(age.as_secs_f64()));
        for (result, count) in ["ok", "failed"].into_iter().zip(issuer.counts().maintenances()) {
            sample(&KEY_MAINTENANCE, &[("result", result)], MetricValue::Count(count));
        }
    }
}
