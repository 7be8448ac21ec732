//! The trait of key sources, and keys that never change.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::cell::KeyCell;
use super::context::SourceContext;
use super::info::{KeyHealth, KeySourceInfo};
use super::material::VerifyingKey;
use super::set::KeySet;
use crate::error::Fault;

/// The future of [`KeySource::refresh`]. Boxed, because it is on the cold path only.
pub type RefreshFuture<'a> = Pin<Box<dyn Future<Output = RefreshOutcome> + Send + 'a>>;

/// The outcome of a refresh request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub enum RefreshOutcome {
    /// The cell has a set whose fetch began after the request: a key missing from it does not exist.
    Refreshed,
    /// The cell has a usable set, but an older one, and the source may not be asked again yet. A missing key may be a new one.
    Deferred {
        /// When to ask again.
        retry_after: Duration,
    },
    /// The source could not be reached; a missing key may or may not exist.
    Unavailable {
        /// When to ask again.
        retry_after: Duration,
    },
    /// The source is being asked, longer than the caller waits; a missing key may or may not exist.
    InProgress {
        /// When to ask again.
        retry_after: Duration,
    },
}

/// The reason why a verifier asks its key source for newer keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefreshReason {
    /// The cell has no usable set. Any usable set helps, even one that arrived in the meantime.
    NoUsableKeys,
    /// The usable set lacks a key. Only a newer set helps.
    MissingKey,
}

/// A supplier of keys. It writes into its [`KeyCell`]; the verifier reads the cell and asks for a refresh if a key is
/// missing.
///
/// An implementation bounds its own work: a verifier calls [`refresh`](Self::refresh) for every token whose key is
/// missing, so the source needs single flight and a cool-down.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::key::{KeyCell, KeySet, KeySource, RefreshFuture, RefreshOutcome, RefreshReason};
///
/// /// Keys that another part of the process replaces.
/// #[derive(Debug, Default)]
/// struct PushedKeys(KeyCell);
///
/// impl PushedKeys {
///     fn push(&self, set: KeySet) {
///         self.0.store(Arc::new(set), None);
///     }
/// }
///
/// impl KeySource for PushedKeys {
///     fn cell(&self) -> &KeyCell {
///         &self.0
///     }
///
///     fn refresh(&self, _reason: RefreshReason) -> RefreshFuture<'_> {
///         Box::pin(std::future::ready(RefreshOutcome::Refreshed)) // the cell is always current
///     }
/// }
///
/// let keys = PushedKeys::default();
/// assert!(!keys.describe().health.is_ready());
/// keys.push(KeySet::new([]));
/// assert!(keys.describe().health.is_ready());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a key source",
    label = "a verifier needs keys from here",
    note = "wrap single keys in `StaticKeys`, or use a source of the crate `countersign`, such as `RemoteKeys`"
)]
pub trait KeySource: Send + Sync + Debug + 'static {
    /// The cell with the keys.
    fn cell(&self) -> &KeyCell;

    /// Refreshes the keys, at most once per cool-down however many callers ask. Callers that the cool-down suppresses get
    /// [`RefreshOutcome::Deferred`]: their key may have been published since the last fetch.
    fn refresh(&self, reason: RefreshReason) -> RefreshFuture<'_>;

    /// As [`refresh`](Self::refresh) with [`RefreshReason::MissingKey`], for a token that names this `kid`.
    ///
    /// A source may use it to tell a new key, which many requests ask for, from invented ones.
    fn refresh_for_key<'a>(&'a self, key_id: Option<&'a str>) -> RefreshFuture<'a> {
        let _ = key_id;
        self.refresh(RefreshReason::MissingKey)
    }

    /// Records that a token of an issuer that was resolved at run time was verified with these keys.
    ///
    /// A source may stop refreshing keys that no token needs. Tokens whose signature was not verified do not count: anyone
    /// can send them.
    fn record_use(&self) {}

    /// Health, counts, origin, settings and weakenings; for readiness endpoints and logs, never to decide on a token.
    fn describe(&self) -> KeySourceInfo {
        KeySourceInfo::new(match self.cell().current() {
            Some(_) => KeyHealth::Ready,
            None => KeyHealth::NotReady { reason: "it has no keys".into() },
        })
    }

    /// Hands down the verifier's clock, and whether the issuer was resolved at run time. Returns configuration faults.
    ///
    /// Called once for every verifier that is built with this source, and for every issuer that is resolved with it; before
    /// any other method. A source that measures time keeps a [`SourceClock`](crate::clock::SourceClock) and returns the fault of
    /// its [`attach`](crate::clock::SourceClock::attach). A source that wraps others calls theirs, as in [`detach`](Self::detach).
    fn attach(&self, context: &SourceContext) -> Vec<Fault> {
        let _ = context;
        Vec::new()
    }

    /// Undoes one [`attach`](Self::attach) for an issuer that was resolved at run time and is no longer cached.
    ///
    /// A source that fetches keys drops them once nobody is attached: verified tokens that are still cached keep the source
    /// itself in memory. Until the next `attach`, [`refresh`](Self::refresh) returns `Unavailable`.
    fn detach(&self) {}
}

/// Keys that never change.
///
/// ```
/// use countersign_core::key::{KeySource, StaticKeys, VerifyingKey};
///
/// let key = VerifyingKey::from_jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#)?;
/// assert!(StaticKeys::new([key]).describe().health.is_ready());
/// # Ok::<(), countersign_core::key::KeyRejected>(())
/// ```
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
