//! A gateway: rules that can be replaced while it runs.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::counts::{DecisionCounts, DecisionTimer};
use crate::decision::EdgeDecision;
use crate::request::ClientRequest;
use crate::rules::{ForeignHeaders, Rules};

/// Decides about requests by the rules in force. Clones share them.
///
/// ```
/// use countersign::app::RouteTable;
/// use countersign::prelude::*;
/// use countersign_gateway::{Gateway, ReservedHeaders, Rules};
/// use countersign_test::TestIssuer;
///
/// let verifier = TestIssuer::new().verifier_for("orders");
/// let rules = |json: &str| {
///     Rules::new(&RouteTable::from_json(json)?, AuthenticateLayer::new(verifier.clone()), ReservedHeaders::new().build()?)
/// };
/// let gateway = Gateway::new(rules("[]")?);
/// gateway.replace(rules(r#"[{ "method": "GET", "path": "/orders", "access": "authenticated" }]"#)?);
/// assert_eq!(gateway.rules().table().iter().count(), 1);
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Gateway {
    rules: Arc<ArcSwap<Rules>>,
    counts: Arc<DecisionCounts>,
}

impl Gateway {
    /// A gateway with these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Gateway { rules: Arc::new(ArcSwap::from_pointee(rules)), counts: Arc::default() }
    }

    /// Puts other rules in force, in all clones at once. A request is decided about by one set of rules from beginning to end.
    pub fn replace(&self, rules: Rules) {
        self.rules.store(Arc::new(rules));
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// Decides about a request; see [`Rules::decide`].
    pub async fn decide(&self, request: ClientRequest, foreign: ForeignHeaders) -> EdgeDecision {
        let timer = DecisionTimer::start();
        let decision = self.rules().decide(request, foreign).await;
        timer.stop();
        self.counts.count(&decision);
        decision
    }

    #[cfg(any(feature = "metrics", feature = "otel"))]
    pub(crate) fn counts(&self) -> &DecisionCounts {
        &self.counts
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gateway").field(&self.rules.load()).finish()
    }
}
