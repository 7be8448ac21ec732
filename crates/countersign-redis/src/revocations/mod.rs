//! Revocations: a stream from those that store them to all instances of all services.
//!
//! The entries of one issuer lie in a stream of their own, which has an epoch. A publisher writes a beat about once a second: the
//! number of entries, and the last of them. Whoever has read as many from the beginning of the epoch has all of them. When the
//! server has lost something, or may have, the publisher fills a new stream from the durable list and begins another epoch.

mod base;
mod durable;
mod entry;
mod fill;
mod follow;
mod keys;
mod publish;
mod reader;
mod record;
mod script;
mod shared;
mod stream;

#[cfg(feature = "bundle")]
pub(crate) use entry::{EntryId, entries_of};
pub use follow::RevocationFollower;
pub use publish::RevocationPublisher;
pub use stream::RevocationStream;
