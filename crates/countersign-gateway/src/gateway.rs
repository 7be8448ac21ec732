//! A gateway: rules that can be replaced while it runs.

use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use crate::counts::{DecisionCounts, DecisionTimer};
use crate::decision::EdgeDecision;
use crate::request::ClientRequest;
use crate::rules::{ForeignHeaders, Rules, WaitingDecision};

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
        match self.decide_now(request, foreign) {
            Ok(decision) => decision,
            Err(waiting) => waiting.decision().await,
        }
    }

    /// The decision, or the request if it has to wait.
    pub(crate) fn decide_now(
        &self,
        request: ClientRequest,
        foreign: ForeignHeaders,
    ) -> Result<EdgeDecision, Box<WaitingRequest>> {
        let timer = DecisionTimer::start();
        let rules = self.rules.load();
        match rules.decide_now(request, foreign) {
            Ok(decision) => {
                timer.stop();
                self.counts.count(&decision);
                Ok(decision)
            }
            Err(waiting) => {
                let (rules, counts) = (Guard::into_inner(rules), Arc::clone(&self.counts));
                Err(Box::new(WaitingRequest { waiting, rules, counts, timer }))
            }
        }
    }

    #[cfg(any(feature = "metrics", feature = "otel"))]
    pub(crate) fn counts(&self) -> &DecisionCounts {
        &self.counts
    }
}

/// A request that waits, with the rules that decide about it.
pub(crate) struct WaitingRequest {
    waiting: WaitingDecision,
    rules: Arc<Rules>,
    counts: Arc<DecisionCounts>,
    timer: DecisionTimer,
}

impl WaitingRequest {
    pub(crate) async fn decision(self: Box<Self>) -> EdgeDecision {
        let WaitingRequest { waiting, rules, counts, timer } = *self;
        let decision = rules.decide_after(waiting).await;
        timer.stop();
        counts.count(&decision);
        decision
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gateway").field(&self.rules.load()).finish()
    }
}
