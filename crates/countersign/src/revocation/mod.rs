//! Revocation checks: made for each request, for cached tokens too.
//!
//! A revocation identifies a token by its claims, (issuer, `jti`) or (issuer, subject, issued before), and never by a hash of
//! its text, which has several spellings. [`RevocationList`] and [`SingleUse`], which revokes a token by its first use,
//! are built in. Other checks implement [`RevocationCheck`].

mod changes;
mod check;
mod list;
mod name;
mod retention;
mod shares;
mod single_use;
mod unknown_policy;

pub use changes::{RevocationChanges, RevocationSignal};
pub use check::{RevocationCheck, RevocationFuture, RevocationQuery, RevocationStatus};
pub use countersign_core::revocation::{
    InvalidNotice, MAX_NOTICE_BYTES, RevocationNotice, RevocationSink, RevokedTokens, SinkError, SinkFuture,
};
pub use list::{RevocationFeed, RevocationList, RevocationProblem, RevocationStats, RevocationsFull};
pub use single_use::SingleUse;
pub(crate) use unknown_policy::RevocationOutcome;
pub use unknown_policy::{Revocation, UnknownPolicy};
