//! The numbers at one moment.

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "metrics")]
use countersign_core::integration::Publisher;
#[cfg(feature = "txn")]
use countersign_core::integration::issuer_of_transactions;
use countersign_core::integration::{Metric, MetricValue, Sample};
#[cfg(feature = "txn")]
use countersign_core::verify::TransactionVerifier;
use countersign_core::verify::Verifier;

use super::names::{
    AUTHENTICATED, CACHED, KEY_AGE, KEY_FETCHES, KEY_REFRESHES_SUPPRESSED, KEYS_READY, KEYS_STALE, REPLAY_ENTRIES,
    REPLAY_REFUSALS, REQUESTS, REVOCATIONS, REVOCATIONS_AGE, REVOCATIONS_COMPLETE, REVOCATIONS_REFUSED, SHADOW,
    VERIFICATIONS,
};
#[cfg(feature = "outbound")]
use super::names::{CALLER_BYTES, CALLERS, TOKEN_FETCHES, TOKEN_RENEWALS};
#[cfg(feature = "introspection")]
use super::names::{INTROSPECTIONS, INTROSPECTIONS_WAITING};
#[cfg(feature = "status-list")]
use super::names::{STATUS_LIST_AGE, STATUS_LIST_FETCHES, STATUS_LISTS};
use crate::authenticate::AuthenticateLayer;
#[cfg(feature = "outbound")]
use crate::outbound::Outbound;
use crate::revocation::RevocationList;
#[cfg(feature = "status-list")]
use crate::status::StatusLists;
use crate::telemetry::counts;

/// The numbers of a service: its verifier, its outbound client, and all layers of the process.
///
/// The [module](crate::metrics) has an example. A process needs one.
#[derive(Clone)]
pub struct Metrics(Arc<Sources>);

#[derive(Clone)]
struct Sources {
    verifier: Verifier,
    #[cfg(feature = "outbound")]
    outbound: Option<Outbound>,
    #[cfg(feature = "introspection")]
    introspection: Option<AuthenticateLayer>,
    replays: Option<AuthenticateLayer>,
    revocations: Option<Arc<RevocationList>>,
    #[cfg(feature = "status-list")]
    status_lists: Option<Arc<StatusLists>>,
    #[cfg(feature = "txn")]
    transactions: Option<TransactionVerifier>,
    #[cfg(feature = "metrics")]
    publisher: Arc<Publisher>,
}

impl Metrics {
    /// The numbers of this verifier, its issuers' keys, and the requests of all layers.
    #[must_use]
    pub fn new(verifier: &Verifier) -> Self {
        Metrics(Arc::new(Sources {
            verifier: verifier.clone(),
            #[cfg(feature = "outbound")]
            outbound: None,
            #[cfg(feature = "introspection")]
            introspection: None,
            replays: None,
            revocations: None,
            #[cfg(feature = "status-list")]
            status_lists: None,
            #[cfg(feature = "txn")]
            transactions: None,
            #[cfg(feature = "metrics")]
            publisher: Arc::default(),
        }))
    }

    /// Adds the tokens of this client.
    #[cfg(feature = "outbound")]
    #[must_use]
    pub fn outbound(self, outbound: &Outbound) -> Self {
        Metrics(Arc::new(Sources { outbound: Some(outbound.clone()), ..Sources::clone(&self.0) }))
    }

    /// Adds the introspection of this layer.
    ///
    /// ```
    /// use countersign::metrics::Metrics;
    /// use countersign::prelude::*;
    ///
    /// fn metrics(verifier: &Verifier, layer: &AuthenticateLayer) -> Metrics {
    ///     Metrics::new(verifier).introspection(layer)
    /// }
    /// # let _ = metrics;
    /// ```
    #[cfg(feature = "introspection")]
    #[must_use]
    pub fn introspection(self, layer: &AuthenticateLayer) -> Self {
        Metrics(Arc::new(Sources { introspection: Some(layer.clone()), ..Sources::clone(&self.0) }))
    }

    /// Adds the store of used proofs of this layer.
    ///
    /// ```
    /// use countersign::metrics::Metrics;
    /// use countersign::prelude::*;
    ///
    /// fn metrics(verifier: &Verifier, layer: &AuthenticateLayer) -> Metrics {
    ///     Metrics::new(verifier).replays(layer)
    /// }
    /// # let _ = metrics;
    /// ```
    #[must_use]
    pub fn replays(self, layer: &AuthenticateLayer) -> Self {
        Metrics(Arc::new(Sources { replays: Some(layer.clone()), ..Sources::clone(&self.0) }))
    }

    /// Adds this list of revocations.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use countersign::metrics::Metrics;
    /// use countersign::revocation::RevocationList;
    /// use countersign::verify::Verifier;
    ///
    /// fn metrics(verifier: &Verifier, list: &Arc<RevocationList>) -> Metrics {
    ///     Metrics::new(verifier).revocations(list)
    /// }
    /// # let _ = metrics;
    /// ```
    #[must_use]
    pub fn revocations(self, list: &Arc<RevocationList>) -> Self {
        Metrics(Arc::new(Sources { revocations: Some(Arc::clone(list)), ..Sources::clone(&self.0) }))
    }

    /// Adds these status lists.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use countersign::metrics::Metrics;
    /// use countersign::status::StatusLists;
    /// use countersign::verify::Verifier;
    ///
    /// fn metrics(verifier: &Verifier, lists: &Arc<StatusLists>) -> Metrics {
    ///     Metrics::new(verifier).status_lists(lists)
    /// }
    /// # let _ = metrics;
    /// ```
    #[cfg(feature = "status-list")]
    #[must_use]
    pub fn status_lists(self, lists: &Arc<StatusLists>) -> Self {
        Metrics(Arc::new(Sources { status_lists: Some(Arc::clone(lists)), ..Sources::clone(&self.0) }))
    }

    /// Adds the keys of transaction tokens, whose service is named by its trust domain in the label `issuer`.
    ///
    /// ```
    /// use countersign::metrics::Metrics;
    /// use countersign::verify::{TransactionVerifier, Verifier};
    ///
    /// fn metrics(verifier: &Verifier, transactions: &TransactionVerifier) -> Metrics {
    ///     Metrics::new(verifier).transactions(transactions)
    /// }
    /// # let _ = metrics;
    /// ```
    #[cfg(feature = "txn")]
    #[must_use]
    pub fn transactions(self, transactions: &TransactionVerifier) -> Self {
        Metrics(Arc::new(Sources { transactions: Some(transactions.clone()), ..Sources::clone(&self.0) }))
    }

    #[cfg(feature = "metrics")]
    pub(super) fn publisher(&self) -> &Publisher {
        &self.0.publisher
    }

    /// Calls `add` with each number of now.
    pub(super) fn collect(&self, mut add: impl FnMut(Sample)) {
        let verifier = &self.0.verifier;
        let mut count = |metric: &'static Metric, labels: &[(&'static str, &str)], value: MetricValue| {
            let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            add(Sample { metric, labels, value });
        };
        for (outcome, code, number) in counts::requests() {
            count(&REQUESTS, &[("outcome", outcome), ("code", code)], MetricValue::Count(number));
        }
        for (kind, number) in counts::callers() {
            count(&AUTHENTICATED, &[("kind", kind)], MetricValue::Count(number));
        }
        #[cfg(feature = "introspection")]
        for (issuer, stats) in self.0.introspection.iter().filter_map(AuthenticateLayer::introspection_numbers) {
            let name = ("issuer", issuer);
            for (result, number) in [
                ("cached", stats.from_cache),
                ("ok", stats.asked.saturating_sub(stats.failed)),
                ("failed", stats.failed),
                ("impossible", stats.impossible),
            ] {
                count(&INTROSPECTIONS, &[name, ("result", result)], MetricValue::Count(number));
            }
            count(&INTROSPECTIONS_WAITING, &[name], level(stats.waiting));
        }
        if let Some(stats) = self.0.replays.as_ref().and_then(AuthenticateLayer::replay_stats) {
            if let Some(entries) = stats.entries {
                count(&REPLAY_ENTRIES, &[], level(entries));
            }
            for (result, number) in [
                ("used", stats.used),
                ("forgotten", stats.forgotten),
                ("share_used_up", stats.share_used_up),
                ("unavailable", stats.unknown),
            ] {
                count(&REPLAY_REFUSALS, &[("result", result)], MetricValue::Count(number));
            }
        }
        if let Some(stats) = self.0.revocations.as_ref().map(|list| list.stats()) {
            count(&REVOCATIONS, &[], level(stats.entries));
            if let Some(age) = stats.age {
                count(&REVOCATIONS_AGE, &[], MetricValue::Level(age.as_secs_f64()));
            }
            count(&REVOCATIONS_COMPLETE, &[], level(usize::from(stats.is_complete)));
            count(&REVOCATIONS_REFUSED, &[], MetricValue::Count(stats.refused));
        }
        #[cfg(feature = "status-list")]
        if let Some(stats) = self.0.status_lists.as_ref().map(|lists| lists.stats()) {
            count(&STATUS_LISTS, &[("state", "usable")], level(stats.lists.saturating_sub(stats.unusable)));
            count(&STATUS_LISTS, &[("state", "unusable")], level(stats.unusable));
            count(&STATUS_LIST_AGE, &[], MetricValue::Level(stats.oldest.unwrap_or_default().as_secs_f64()));
            count(&STATUS_LIST_FETCHES, &[("result", "ok")], MetricValue::Count(stats.fetched));
            count(&STATUS_LIST_FETCHES, &[("result", "failed")], MetricValue::Count(stats.failed));
        }
        let stats = verifier.stats();
        for (result, number) in [
            ("verified", stats.verified),
            ("cached", stats.from_cache),
            ("refused", stats.refused),
            ("undecided", stats.undecided),
        ] {
            count(&VERIFICATIONS, &[("result", result)], MetricValue::Count(number));
        }
        count(&CACHED, &[], level(verifier.cached_tokens()));
        if let Some(shadow) = verifier.shadow() {
            let mut compared = |result: &str, code: &str, number: u64| {
                let number = usize::try_from(number).unwrap_or(usize::MAX);
                count(&SHADOW, &[("result", result), ("code", code)], level(number));
            };
            compared("same", "", shadow.same());
            compared("undecided", "", shadow.undecided);
            compared("other_authorities", "", shadow.other_authorities);
            shadow.newly_refused.iter().for_each(|(kind, number)| compared("newly_refused", kind.code(), *number));
            shadow.newly_admitted.iter().for_each(|(kind, number)| compared("newly_admitted", kind.code(), *number));
        }
        let issuers = verifier.issuers().map(|issuer| (issuer.issuer().to_owned(), issuer));
        #[cfg(feature = "txn")]
        let issuers = issuers.chain(self.0.transactions.iter().filter_map(|transactions| {
            Some((transactions.trust_domain().to_owned(), issuer_of_transactions(transactions)?))
        }));
        for (name, issuer) in issuers {
            let (info, name) = (issuer.key_source().describe(), ("issuer", name.as_str()));
            let stats = info.stats;
            count(&KEYS_READY, &[name], MetricValue::Level(f64::from(u8::from(info.health.is_ready()))));
            count(&KEYS_STALE, &[name], MetricValue::Level(f64::from(u8::from(stats.is_stale))));
            if let Some(age) = stats.age {
                count(&KEY_AGE, &[name], MetricValue::Level(age.as_secs_f64()));
            }
            count(&KEY_FETCHES, &[name, ("result", "ok")], MetricValue::Count(stats.fetched));
            count(&KEY_FETCHES, &[name, ("result", "failed")], MetricValue::Count(stats.failed));
            count(&KEY_REFRESHES_SUPPRESSED, &[name], MetricValue::Count(stats.suppressed));
        }
        #[cfg(feature = "outbound")]
        for (origin, stats) in self.0.outbound.iter().flat_map(Outbound::stats) {
            let name = ("origin", origin.as_str());
            let granted = stats.fetches.saturating_sub(stats.failures);
            count(&TOKEN_FETCHES, &[name, ("result", "ok")], MetricValue::Count(granted));
            count(&TOKEN_FETCHES, &[name, ("result", "failed")], MetricValue::Count(stats.failures));
            count(&TOKEN_RENEWALS, &[name], MetricValue::Count(stats.renewals));
            count(&CALLERS, &[name], level(stats.callers));
            count(&CALLER_BYTES, &[name], level(stats.caller_bytes));
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn level(number: usize) -> MetricValue {
    MetricValue::Level(number as f64)
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("verifier", &self.0.verifier).finish_non_exhaustive()
    }
}
