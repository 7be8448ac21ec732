//! Policies that are read again while a service runs.
//!
//! [`PolicyFile`] watches a file. Other sources, such as a configuration service, call
//! [`PolicyReplacer::replace`](countersign_core::verify::PolicyReplacer::replace).

mod content;
mod file;
mod in_force;
mod known_keys;
#[cfg(feature = "txn")]
mod transactions;
mod watched;

pub use file::PolicyFile;
pub use watched::WatchedPolicy;
