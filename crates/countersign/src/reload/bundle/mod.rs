//! Policies from signed bundles.

mod bundle_source;
mod bundled;
mod last_good;
mod report;
mod settings;
mod source;
mod watch;

pub use bundle_source::{
    BundleFuture, BundleRequest, BundleSource, BundleSourceError, BundleSourceErrorKind, HintFuture, PulledBundle,
};
pub use bundled::BundledPolicy;
pub use report::BundleReport;
pub use settings::PolicyBundle;
pub(super) use source::Source;
