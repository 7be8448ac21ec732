//! Events of key sources.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign_core::integration::safe_text;
use countersign_core::key::{KeySet, SkippedKey};

use super::samples::Sampler;
use crate::fetch::FetchFailure;

/// The number of odd entries of one set that are logged, so that a hostile issuer does not fill the log.
const MAX_LISTED: usize = 8;

pub(crate) fn keys_fetched(source: &str, forced: bool, before: Option<&KeySet>, now: &KeySet) {
    let keys = now.len();
    if before.is_some_and(|before| before.has_same_keys(now)) {
        tracing::debug!(target: "countersign::keys", source, forced, keys, "keys fetched, unchanged");
        return;
    }
    let thumbprints = |set: &KeySet| set.keys().map(|key| key.thumbprint().to_owned()).collect::<BTreeSet<_>>();
    let (before, after) = (before.map(thumbprints).unwrap_or_default(), thumbprints(now));
    let listed = |some: Vec<&String>| some.into_iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    let added = listed(after.difference(&before).collect());
    let removed = listed(before.difference(&after).collect());
    tracing::info!(target: "countersign::keys", source, forced, keys, added, removed, "keys fetched");
    now.skipped().iter().take(MAX_LISTED).for_each(|skipped| key_skipped(source, skipped));
    for key in now.keys().filter(|key| !key.irregularities().is_empty()).take(MAX_LISTED) {
        let kid = key.key_id().map(safe_text);
        for problem in key.irregularities() {
            tracing::info!(target: "countersign::keys", source, kid, problem, "key is written irregularly");
        }
    }
}

pub(crate) fn key_fetch_failed(source: &str, forced: bool, error: &FetchFailure, age: Option<Duration>) {
    let age = age.map(|age| age.as_secs());
    tracing::warn!(target: "countersign::keys", source, forced, %error, age, "key fetch failed");
}

pub(crate) fn keys_withdrawn(source: &str, used_for: Duration) {
    let used_for = used_for.as_secs();
    tracing::error!(target: "countersign::keys", source, used_for, "issuer withdrew all its keys: tokens will be refused");
}

pub(crate) fn key_refresh_skipped(source: &str, elapsed: Duration) {
    static SAMPLE: Sampler = Sampler::new();
    if SAMPLE.admit(elapsed).is_some() {
        tracing::debug!(target: "countersign::keys", source, "key refresh skipped: cool-down active");
    }
}

#[cfg(unix)]
pub(crate) fn key_file_permissions(source: &str, problem: &'static str) {
    tracing::warn!(target: "countersign::keys", source, problem, "key file has unsafe permissions");
}

fn key_skipped(source: &str, skipped: &SkippedKey) {
    let (kid, reason) = (&skipped.key_id, &skipped.reason);
    if skipped.is_private_key {
        tracing::error!(target: "countersign::keys", source, kid, %reason, "published key is private: replace it now");
    } else {
        tracing::warn!(target: "countersign::keys", source, kid, %reason, "key set entry not used");
    }
}
