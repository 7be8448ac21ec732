//! Policies from signed bundles.

mod bundled;
mod last_good;
mod report;
mod settings;
mod source;

pub use bundled::BundledPolicy;
pub use report::BundleReport;
pub use settings::PolicyBundle;
pub(super) use source::Source;
