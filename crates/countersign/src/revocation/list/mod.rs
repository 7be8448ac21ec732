//! The list of revocations in memory.
//!
//! Identifiers of tokens and sessions, of which there may be a million, are in a flat table of digests. Subjects, clients and
//! issuers whose tokens are revoked up to a time are few, and in a map.

mod adding;
mod feed;
mod full;
mod identifiers;
mod names;
mod revocation_list;
mod source;
mod stats;
mod table;
mod writer;

pub use feed::RevocationFeed;
pub use full::RevocationsFull;
pub use revocation_list::RevocationList;
pub use stats::{RevocationProblem, RevocationStats};
