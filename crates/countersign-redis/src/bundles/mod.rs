//! Policy bundles: one key for each fleet, which publishers replace and services pull.
//!
//! The value is one string, so that a read is bounded and sees one publication: a head with the revision and the digest of the
//! document, and the document. A service that has the document reads the head alone. A stream with one entry says that there may be
//! another document; nothing else in it is used.

mod head;
mod hints;
mod keys;
mod publish;
mod publish_error;
mod redis_bundles;

pub use publish_error::{BundlePublishError, BundlePublishErrorKind};
pub use redis_bundles::RedisBundles;
