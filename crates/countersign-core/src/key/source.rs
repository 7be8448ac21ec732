//! Where keys come from, seen from the verifier.

use std::borrow::Cow;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::cell::KeyCell;
use super::material::VerifyingKey;
use super::set::KeySet;
use crate::clock::UnixTime;

/// The future of [`KeySource::refresh`]; boxed, since it is on the cold path only.
pub type RefreshFuture<'a> = Pin<Box<dyn Future<Output = RefreshOutcome> + Send + 'a>>;

/// The outcome of a refresh request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub enum RefreshOutcome {
    /// The cell holds a set that was fetched just now or within the cool-down: a key missing from it does not exist.
    Refreshed,
    /// The source could not be reached; a missing key may or may not exist.
    Unavailable {
        /// When to ask again.
        retry_after: Duration,
    },
}

/// The reason why a verifier asks its key source for newer keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefreshReason {
    /// The cell holds no usable set. The first usable one will do, even if it arrived in the meantime.
    NoUsableKeys,
    /// The usable set lacks a key: only a newer set can help.
    MissingKey,
}

/// How a source fares.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyHealth {
    /// It has keys, and its last fetch went well.
    Ready,
    /// It has keys that serve, but cannot get newer ones.
    Degraded {
        /// When the first of the failures since the last success was.
        since: UnixTime,
        /// What the last failure was; holds no text of the other side.
        reason: Cow<'static, str>,
    },
    /// It has no keys that may be used: tokens of its issuer cannot be judged.
    NotReady {
        /// What the last failure was, or that nothing was tried yet.
        reason: Cow<'static, str>,
    },
}

impl KeyHealth {
    /// Whether tokens can be judged.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        !matches!(self, KeyHealth::NotReady { .. })
    }
}

/// What a source has done since it was made, for counters and gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyStats {
    /// Fetches that brought a usable set, changed or not.
    pub fetched: u64,
    /// Fetches that did not.
    pub failed: u64,
    /// Fetches, good and bad, that a missing key or set was the reason for.
    pub forced: u64,
    /// Refresh requests suppressed by the cool-down or by retry back-off.
    pub suppressed: u64,
    /// How long ago the keys in service were fetched.
    pub age: Option<Duration>,
    /// Whether they serve past their life, because newer ones cannot be had.
    pub is_stale: bool,
}

/// A supplier of keys. It writes into its [`KeyCell`]; the verifier reads the cell and asks to refresh when a key is
/// missing.
///
/// An implementation bounds its own work: [`refresh`](Self::refresh) is called for every token whose key is not
/// there, so that single flight and a cool-down belong in it.
pub trait KeySource: Send + Sync + Debug + 'static {
    /// The cell that holds the keys.
    fn cell(&self) -> &KeyCell;

    /// Looks for the keys that are wanted, at most once per cool-down whoever asks.
    fn refresh(&self, reason: RefreshReason) -> RefreshFuture<'_>;

    /// Whether it has keys, and how its fetches fare: for a readiness endpoint, never for judging a token.
    fn health(&self) -> KeyHealth {
        match self.cell().current() {
            Some(_) => KeyHealth::Ready,
            None => KeyHealth::NotReady { reason: "it holds no keys".into() },
        }
    }

    /// What it has done so far; all zero where there is nothing to fetch.
    fn stats(&self) -> KeyStats {
        KeyStats::default()
    }

    /// What it weakens, in words: logged when a verifier is built, and forbidden by `deny_danger`.
    fn weakenings(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// The place that its keys come from, as text that tells places apart; `None` where its keys are its own.
    fn origin(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// Told where its issuer was found by a token's name instead of written down by the operator: from then on it calls
    /// public addresses alone, unless `private_addresses_allowed`, and fetches only as long as its keys are asked for.
    ///
    /// A source that calls nobody has nothing to do; one that wraps others passes it on.
    fn serve_resolved(&self, private_addresses_allowed: bool) {
        let _ = private_addresses_allowed;
    }

    /// Faults of this source's configuration, as (field, problem); asked once when a verifier is built.
    fn faults(&self) -> Vec<crate::error::Fault> {
        Vec::new()
    }
}

/// Keys that never change.
#[derive(Debug)]
pub struct StaticKeys(KeyCell);

impl StaticKeys {
    /// A source of exactly these keys.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Self {
        Self::from_set(KeySet::new(keys))
    }

    /// A source of this set.
    #[must_use]
    pub fn from_set(set: KeySet) -> Self {
        let cell = KeyCell::new();
        cell.store(Arc::new(set), None);
        StaticKeys(cell)
    }
}

impl KeySource for StaticKeys {
    fn cell(&self) -> &KeyCell {
        &self.0
    }

    fn refresh(&self, _reason: RefreshReason) -> RefreshFuture<'_> {
        Box::pin(std::future::ready(RefreshOutcome::Refreshed))
    }
}
