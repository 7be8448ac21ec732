//! Policies that are read again while a service runs.
//!
//! [`PolicyFile`] watches a file. `PolicyBundle` (feature `bundle`) pulls signed policies, the same for many services, from an
//! address, a file or a `BundleSource`. Other
//! sources, such as a configuration service, call
//! [`PolicyReplacer::replace`](countersign_core::verify::PolicyReplacer::replace). A [`ShadowPolicy`] is the next policy, compared with
//! the one in force before it decides anything.

#[cfg(feature = "bundle")]
mod bundle;
mod content;
mod file;
mod in_force;
mod known_keys;
mod shadow;
#[cfg(feature = "txn")]
mod transactions;
mod watched;

#[cfg(feature = "bundle")]
pub use bundle::{
    BundleFuture, BundleReport, BundleRequest, BundleSource, BundleSourceError, BundleSourceErrorKind, BundledPolicy,
    HintFuture, PolicyBundle, PulledBundle,
};
pub use file::PolicyFile;
pub use shadow::{ShadowPolicy, ShadowReport};
pub use watched::WatchedPolicy;
