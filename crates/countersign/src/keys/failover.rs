//! Several sources of one issuer's keys, in order of preference.

use std::fmt;
use std::sync::Arc;

use countersign_core::clock::SourceClock;
use countersign_core::error::Fault;
use countersign_core::key::{
    KeyCell, KeyHealth, KeySource, KeySourceInfo, KeyStats, RefreshFuture, RefreshOutcome, RefreshReason,
    SettingsDigest, SourceContext,
};

/// Keys of the first source that has fresh ones, else of the first that has usable ones.
///
/// A later source is refreshed only if the earlier ones are unavailable. If the preferred source was refreshed and lacks a
/// key, the key counts as unknown; if only a later one was, the answer is 503. If a source states that the issuer has no
/// keys, later sources are not used; keys of an earlier source stay in use for as long as they are usable. All sources must
/// belong to the same issuer, because each can make a token valid.
///
/// ```
/// use std::sync::Arc;
/// use countersign::keys::{FailoverKeys, RemoteKeys};
///
/// let mirror = RemoteKeys::from_url("https://keys.internal.example/id.example.com.json");
/// let keys = FailoverKeys::new([Arc::new(RemoteKeys::from_issuer("https://id.example.com")) as _, Arc::new(mirror) as _]);
/// # let _ = keys;
/// ```
pub struct FailoverKeys {
    sources: Vec<Arc<dyn KeySource>>,
    clock: SourceClock,
    none: KeyCell,
}

impl FailoverKeys {
    /// These sources, the preferred one first.
    pub fn new(sources: impl IntoIterator<Item = Arc<dyn KeySource>>) -> Self {
        FailoverKeys { sources: sources.into_iter().collect(), clock: SourceClock::new(), none: KeyCell::new() }
    }
}

impl KeySource for FailoverKeys {
    fn cell(&self) -> &KeyCell {
        let elapsed = self.clock.get().elapsed();
        // A source that states that there are no keys overrules those behind it, and none before it.
        let withdrawn = self.sources.iter().position(|source| source.cell().is_withdrawn());
        let preferred = withdrawn.unwrap_or(self.sources.len());
        let cells = || self.sources.iter().take(preferred).map(|source| source.cell());
        let fresh = cells().find(|cell| cell.is_fresh(elapsed));
        let usable = || cells().find(|cell| cell.is_usable(elapsed));
        let withdrawn = || withdrawn.and_then(|index| self.sources.get(index)).map(|source| source.cell());
        fresh.or_else(usable).or_else(withdrawn).unwrap_or(&self.none)
    }

    fn refresh(&self, reason: RefreshReason) -> RefreshFuture<'_> {
        self.refresh_by(move |source| source.refresh(reason))
    }

    fn refresh_for_key<'a>(&'a self, key_id: Option<&'a str>) -> RefreshFuture<'a> {
        self.refresh_by(move |source| source.refresh_for_key(key_id))
    }

    fn record_use(&self) {
        self.sources.iter().for_each(|source| source.record_use());
    }

    /// The health of the preferred source; degraded if another one replaces it. Counts are the sum of all sources.
    fn describe(&self) -> KeySourceInfo {
        let sources: Vec<KeySourceInfo> = self.sources.iter().map(|source| source.describe()).collect();
        let mut info = KeySourceInfo::new(self.health(&sources)).stats(self.stats(&sources));
        info.weakenings = sources.iter().flat_map(|source| source.weakenings.iter().copied()).collect();
        info.settings = SettingsDigest::of(&sources.iter().map(|source| source.settings).collect::<Vec<_>>());
        let origins: Option<Vec<&str>> = sources.iter().map(|source| source.origin.as_deref()).collect();
        match origins {
            Some(origins) => info.origin(origins.join(", else ")),
            None => info,
        }
    }

    fn attach(&self, context: &SourceContext) -> Vec<Fault> {
        let mut faults: Vec<Fault> = self.sources.iter().flat_map(|source| source.attach(context)).collect();
        faults.extend(self.clock.attach(context.clock()));
        if self.sources.is_empty() {
            faults.push(Fault::new("keys", "failover has no source; add at least one"));
        }
        faults
    }

    fn detach(&self) {
        self.sources.iter().for_each(|source| source.detach());
    }
}

impl FailoverKeys {
    /// Asks one source after the other until one is available.
    fn refresh_by<'a>(
        &'a self,
        refresh: impl Fn(&'a dyn KeySource) -> RefreshFuture<'a> + Send + 'a,
    ) -> RefreshFuture<'a> {
        Box::pin(async move {
            let (mut soonest, mut is_in_progress) = (None, false);
            for source in &self.sources {
                let outcome = refresh(&**source).await;
                is_in_progress |= matches!(outcome, RefreshOutcome::InProgress { .. });
                match outcome {
                    RefreshOutcome::Unavailable { retry_after } | RefreshOutcome::InProgress { retry_after } => {
                        soonest = Some(soonest.map_or(retry_after, |soonest| retry_after.min(soonest)));
                    }
                    // A key that this one lacks may be new at the one that did not answer.
                    RefreshOutcome::Refreshed => {
                        let deferred = |retry_after| RefreshOutcome::Deferred { retry_after };
                        return soonest.map_or(RefreshOutcome::Refreshed, deferred);
                    }
                    deferred => return deferred,
                }
                if source.cell().is_withdrawn() {
                    break;
                }
            }
            let retry_after = soonest.unwrap_or_default();
            match is_in_progress {
                true => RefreshOutcome::InProgress { retry_after },
                false => RefreshOutcome::Unavailable { retry_after },
            }
        })
    }

    fn health(&self, sources: &[KeySourceInfo]) -> KeyHealth {
        let mut states = sources.iter().map(|source| &source.health);
        let serving = states.clone().find(|state| **state == KeyHealth::Ready);
        let serving = serving.or_else(|| states.clone().find(|state| state.is_ready()));
        match (states.next(), serving) {
            (Some(KeyHealth::NotReady { reason }), Some(KeyHealth::Ready)) => KeyHealth::Degraded {
                since: self.clock.get().now(),
                reason: format!("preferred source: {reason}").into(),
            },
            (Some(first), Some(_)) if first.is_ready() => first.clone(),
            (_, Some(serving)) => serving.clone(),
            (Some(first), None) => first.clone(),
            (None, None) => KeyHealth::NotReady { reason: "there is no source".into() },
        }
    }

    /// The counts of all sources together, and the age of the keys in use.
    fn stats(&self, sources: &[KeySourceInfo]) -> KeyStats {
        let serving = self.cell();
        let mut sum = KeyStats::default();
        for (source, KeySourceInfo { stats, .. }) in self.sources.iter().zip(sources) {
            sum.fetched += stats.fetched;
            sum.failed += stats.failed;
            sum.forced += stats.forced;
            sum.suppressed += stats.suppressed;
            if std::ptr::eq(source.cell(), serving) {
                (sum.age, sum.is_stale) = (stats.age, stats.is_stale);
            }
        }
        sum
    }
}

impl fmt::Debug for FailoverKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailoverKeys").field("sources", &self.sources).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use countersign_core::key::{KeySet, VerifyingKey};

    use super::*;

    const fn unavailable(seconds: u64) -> RefreshOutcome {
        RefreshOutcome::Unavailable { retry_after: Duration::from_secs(seconds) }
    }

    const fn in_progress(seconds: u64) -> RefreshOutcome {
        RefreshOutcome::InProgress { retry_after: Duration::from_secs(seconds) }
    }

    /// The keys in a cell.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Keys {
        None,
        Fresh,
        Stale,
        Withdrawn,
    }
    use Keys::{Fresh, Stale, Withdrawn};

    #[derive(Debug)]
    struct Source {
        cell: KeyCell,
        outcome: RefreshOutcome,
        asked: AtomicUsize,
    }

    impl Source {
        fn new(keys: Keys, outcome: RefreshOutcome) -> Arc<Self> {
            let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
            let cell = KeyCell::new();
            if keys != Keys::None {
                cell.store(Arc::new(KeySet::new([VerifyingKey::from_jwk(jwk).expect("a key")])), None);
            }
            match keys {
                Stale => cell.serve_stale(Duration::MAX),
                Withdrawn => cell.withdraw(Duration::ZERO),
                Keys::None | Fresh => {}
            }
            Arc::new(Source { cell, outcome, asked: AtomicUsize::new(0) })
        }
    }

    impl KeySource for Source {
        fn cell(&self) -> &KeyCell {
            &self.cell
        }

        fn refresh(&self, _: RefreshReason) -> RefreshFuture<'_> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            Box::pin(std::future::ready(self.outcome.clone()))
        }
    }

    fn failover(sources: &[Arc<Source>]) -> FailoverKeys {
        FailoverKeys::new(sources.iter().map(|source| Arc::clone(source) as Arc<dyn KeySource>))
    }

    #[test]
    fn s4_07_fresh_keys_go_before_stale_ones_and_never_before_a_withdrawal() {
        for (states, used) in [
            (vec![Stale, Fresh], Some(1)),
            (vec![Fresh, Fresh], Some(0)),
            (vec![Keys::None, Stale], Some(1)),
            (vec![Stale, Stale], Some(0)),
            (vec![Withdrawn, Fresh], Some(0)),
            (vec![Stale, Withdrawn, Fresh], Some(0)),
            (vec![Keys::None, Withdrawn, Fresh], Some(1)),
            (vec![Keys::None, Keys::None], None),
        ] {
            let sources: Vec<_> = states.iter().map(|keys| Source::new(*keys, RefreshOutcome::Refreshed)).collect();
            let keys = failover(&sources);
            let cell = keys.cell();
            let found = sources.iter().position(|source| std::ptr::eq(&source.cell, cell));
            assert_eq!(found, used, "{states:?}");
        }
    }

    #[tokio::test]
    async fn s4_07_later_sources_are_asked_only_if_the_earlier_ones_are_unavailable_and_withdraw_nothing() {
        let refreshed = RefreshOutcome::Refreshed;
        let deferred = |seconds| RefreshOutcome::Deferred { retry_after: Duration::from_secs(seconds) };
        for (outcomes, expected, asked) in [
            (vec![(Fresh, refreshed.clone()), (Fresh, unavailable(3))], refreshed.clone(), vec![1, 0]),
            (vec![(Fresh, deferred(7)), (Fresh, unavailable(3))], deferred(7), vec![1, 0]),
            (vec![(Stale, unavailable(5)), (Fresh, refreshed.clone())], deferred(5), vec![1, 1]),
            (vec![(Stale, unavailable(5)), (Stale, unavailable(3))], unavailable(3), vec![1, 1]),
            (vec![(Stale, unavailable(3)), (Stale, unavailable(5))], unavailable(3), vec![1, 1]),
            (vec![(Withdrawn, unavailable(5)), (Fresh, refreshed.clone())], unavailable(5), vec![1, 0]),
            (vec![(Stale, in_progress(5)), (Fresh, refreshed)], deferred(5), vec![1, 1]),
            (vec![(Stale, in_progress(5)), (Stale, unavailable(3))], in_progress(3), vec![1, 1]),
        ] {
            let sources: Vec<_> = outcomes.iter().map(|(keys, outcome)| Source::new(*keys, outcome.clone())).collect();
            let outcome = failover(&sources).refresh(RefreshReason::MissingKey).await;
            assert_eq!(outcome, expected, "{outcomes:?}");
            let counts: Vec<usize> = sources.iter().map(|source| source.asked.load(Ordering::SeqCst)).collect();
            assert_eq!(counts, asked, "{outcomes:?}");
        }
    }
}
