//! The settings of a shadow policy.

use std::fmt;
use std::path::PathBuf;
#[cfg(feature = "bundle")]
use std::sync::Arc;

use countersign_core::error::Fault;

#[cfg(feature = "bundle")]
use crate::fetch;
#[cfg(feature = "bundle")]
use crate::reload::bundle::BundleSource;

/// One of so many requests is compared.
const ONE_IN: u32 = 10;

/// The next policy, which is evaluated beside the one in force on real requests and decides nothing.
///
/// The differences are counted: tokens that would be refused newly, those that would be admitted newly, and those with other
/// authorities. [`WatchedPolicy::shadow`](super::super::WatchedPolicy::shadow) and `BundledPolicy::shadow` report them. The counts
/// begin again when either policy is replaced.
///
/// One of ten requests is compared, by the keys that are cached. Each cached token is compared once, so that later requests cost
/// nothing. Route requirements are part of the program, and thus the same under both policies. Transaction tokens, opaque tokens,
/// API keys and messages of queues are not compared.
///
/// ```no_run
/// use countersign::reload::{PolicyFile, ShadowPolicy};
///
/// # async fn example() -> Result<(), countersign::error::ConfigError> {
/// let next = ShadowPolicy::from_file("/etc/orders/next-policy.toml").one_in(1);
/// let policy = PolicyFile::new("/etc/orders/policy.toml").shadow(next).build()?;
/// if let Some(report) = policy.shadow() {
///     println!("{} of {} would be refused", report.newly_refused.values().sum::<u64>(), report.compared);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct ShadowPolicy {
    pub(super) place: Place,
    pub(super) one_in: u32,
}

#[derive(Clone)]
pub(super) enum Place {
    File(PathBuf),
    #[cfg(feature = "bundle")]
    Url(String),
    #[cfg(feature = "bundle")]
    Source(Arc<dyn BundleSource>),
}

impl ShadowPolicy {
    /// The policy in this file. Without the file, nothing is compared.
    ///
    /// Beside a [`PolicyFile`](super::super::PolicyFile) it is TOML or JSON. Beside a `PolicyBundle` it is a bundle that was signed
    /// as a shadow.
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        ShadowPolicy { place: Place::File(path.into()), one_in: ONE_IN }
    }

    /// The bundle at this address, which was signed as a shadow, for a [`PolicyBundle`](super::super::PolicyBundle). While the
    /// server answers 404, nothing is compared.
    #[cfg(feature = "bundle")]
    pub fn from_url(url: impl Into<String>) -> Self {
        ShadowPolicy { place: Place::Url(url.into()), one_in: ONE_IN }
    }

    /// The bundle of this source, which was signed as a shadow, for a [`PolicyBundle`](super::super::PolicyBundle). While the source
    /// has none, nothing is compared.
    #[cfg(feature = "bundle")]
    pub fn from_source(source: impl BundleSource) -> Self {
        ShadowPolicy { place: Place::Source(Arc::new(source)), one_in: ONE_IN }
    }

    /// Compares one of so many requests. Default: 10. With 1, a token that is not cached costs up to twice the time.
    pub fn one_in(self, requests: u32) -> Self {
        ShadowPolicy { one_in: requests, ..self }
    }

    /// The settings that are not sound.
    pub(in crate::reload) fn faults(&self) -> Vec<Fault> {
        let zero = (self.one_in == 0).then(|| Fault::new("one_in", "zero; 1 compares each request, 10 each tenth"));
        #[cfg(feature = "bundle")]
        if let Place::Url(url) = &self.place {
            return zero.into_iter().chain(fetch::checked_url(url, "shadow").err()).collect();
        }
        zero.into_iter().collect()
    }
}

/// An address without its query, which may hold a secret.
impl fmt::Debug for ShadowPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ShadowPolicy");
        match &self.place {
            Place::File(path) => shown.field("file", path),
            #[cfg(feature = "bundle")]
            Place::Url(url) => shown.field("url", &url.split(['?', '#']).next()),
            #[cfg(feature = "bundle")]
            Place::Source(source) => shown.field("source", source),
        };
        shown.field("one_in", &self.one_in).finish()
    }
}
