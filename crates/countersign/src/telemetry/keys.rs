//! Events of key sources.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign_core::integration::word;
use countersign_core::key::{KeySet, SkippedKey, VerifyingKey};
use tracing::Span;
use tracing::field::Empty;

use super::samples::Sampler;
use crate::fetch::FetchFailure;

/// The number of entries that one record lists, so that a hostile issuer does not fill the log.
const MAX_LISTED: usize = 8;

/// The span of one fetch of keys. It has no parent: the fetch serves every caller that waits for it.
pub(crate) fn key_fetch_span(source: &str, forced: bool) -> Span {
    tracing::info_span!(
        target: "countersign::keys",
        parent: None,
        "fetch keys",
        "otel.kind" = "internal",
        source,
        forced,
        "error.type" = Empty,
        "otel.status_code" = Empty,
    )
}

/// The samplers of all sources with one clock: untrusted clients decide which resolved issuers are looked up, and how often.
#[derive(Default)]
pub(crate) struct KeySamples {
    fetched: Sampler,
    private: Sampler,
    skipped: Sampler,
    irregular: Sampler,
    failed: Sampler,
    awaited: Sampler,
    withdrawn: Sampler,
    suppressed: Sampler,
}

/// The events of fetches of one kind: those of the sources that an operator configured are few, and all are logged. Those of
/// resolved issuers are sampled over all of them.
#[derive(Clone, Copy)]
pub(crate) struct FetchEvents<'s> {
    pub(crate) is_resolved: bool,
    pub(crate) samples: &'s KeySamples,
    pub(crate) elapsed: Duration,
}

impl FetchEvents<'_> {
    /// The number of events not logged since the last one, if this one is to be logged.
    fn admit(self, sample: &Sampler) -> Option<u64> {
        if self.is_resolved { sample.admit(self.elapsed) } else { Some(0) }
    }
}

pub(crate) fn keys_fetched(source: &str, forced: bool, before: Option<&KeySet>, now: &KeySet, events: FetchEvents<'_>) {
    let keys = now.len();
    if before.is_some_and(|before| before.has_same_keys(now)) {
        tracing::debug!(target: "countersign::keys", source, forced, keys, "keys fetched, unchanged");
        return;
    }
    if let Some(unlogged) = events.admit(&events.samples.fetched) {
        let thumbprints = |set: &KeySet| set.keys().map(|key| key.thumbprint().to_owned()).collect::<BTreeSet<_>>();
        let (before, after) = (before.map(thumbprints).unwrap_or_default(), thumbprints(now));
        let added = listed(" ", after.difference(&before).cloned());
        let removed = listed(" ", before.difference(&after).cloned());
        tracing::info!(target: "countersign::keys", source, forced, keys, added, removed, unlogged, "keys fetched");
    }
    keys_skipped(source, now, events);
    keys_irregular(source, now, events);
}

/// One record for all entries that are not used, and one for those that are private.
fn keys_skipped(source: &str, set: &KeySet, FetchEvents { samples, elapsed, .. }: FetchEvents<'_>) {
    let skipped_keys = || set.skipped().iter().filter(|skipped| !skipped.is_for_encryption);
    let for_encryption = set.skipped().iter().filter(|skipped| skipped.is_for_encryption).count();
    if for_encryption > 0 {
        tracing::debug!(target: "countersign::keys", source, count = for_encryption, "keys for encryption not used");
    }
    for (is_private, sample) in [(true, &samples.private), (false, &samples.skipped)] {
        let skipped: Vec<&SkippedKey> = skipped_keys().filter(|skipped| skipped.is_private_key == is_private).collect();
        let Some(unlogged) = (!skipped.is_empty()).then(|| sample.admit(elapsed)).flatten() else { continue };
        let (count, entries) = (skipped.len(), listed("; ", skipped.iter().map(ToString::to_string)));
        if is_private {
            tracing::error!(target: "countersign::keys", source, count, entries, unlogged, "published keys are private: replace them now");
        } else {
            tracing::warn!(target: "countersign::keys", source, count, entries, unlogged, "key set entries not used");
        }
    }
}

fn keys_irregular(source: &str, set: &KeySet, FetchEvents { samples, elapsed, .. }: FetchEvents<'_>) {
    let name = |key: &VerifyingKey| key.key_id().map_or_else(|| "without kid".to_owned(), word);
    let irregular = || set.keys().filter(|key| !key.irregularities().is_empty());
    let count = irregular().count();
    let Some(unlogged) = (count > 0).then(|| samples.irregular.admit(elapsed)).flatten() else { return };
    let entries = listed("; ", irregular().map(|key| format!("{}: {}", name(key), key.irregularities().join(", "))));
    tracing::info!(target: "countersign::keys", source, count, entries, unlogged, "keys are written irregularly");
}

/// The first entries, and the number of the others.
fn listed(separator: &str, entries: impl Iterator<Item = String>) -> String {
    let entries: Vec<String> = entries.collect();
    let more = entries.len().saturating_sub(MAX_LISTED);
    let list = entries.into_iter().take(MAX_LISTED).collect::<Vec<_>>().join(separator);
    if more > 0 { format!("{list}{separator}and {more} more") } else { list }
}

pub(crate) fn key_fetch_failed(
    source: &str,
    forced: bool,
    error: &FetchFailure,
    age: Option<Duration>,
    events: FetchEvents<'_>,
) {
    let Some(unlogged) = events.admit(&events.samples.failed) else { return };
    let age = age.map(|age| age.as_secs());
    tracing::warn!(target: "countersign::keys", source, forced, %error, age, unlogged, "key fetch failed");
}

/// A request went without the keys before their fetch ended. Untrusted clients decide how often.
pub(crate) fn key_fetch_awaited(source: &str, samples: &KeySamples, elapsed: Duration) {
    if let Some(unlogged) = samples.awaited.admit(elapsed) {
        tracing::warn!(
            target: "countersign::keys", source, unlogged, "key fetch takes longer than requests wait; it goes on"
        );
    }
}

pub(crate) fn keys_withdrawn(source: &str, used_for: Duration, events: FetchEvents<'_>) {
    let Some(unlogged) = events.admit(&events.samples.withdrawn) else { return };
    let used_for = used_for.as_secs();
    tracing::error!(
        target: "countersign::keys", source, used_for, unlogged,
        "issuer withdrew all its keys: tokens will be refused"
    );
}

pub(crate) fn key_refresh_skipped(source: &str, samples: &KeySamples, elapsed: Duration) {
    if samples.suppressed.admit(elapsed).is_some() {
        tracing::debug!(target: "countersign::keys", source, "key refresh skipped: cool-down active");
    }
}

#[cfg(unix)]
pub(crate) fn key_file_permissions(source: &str, problem: &'static str) {
    tracing::warn!(target: "countersign::keys", source, problem, "key file has unsafe permissions");
}
