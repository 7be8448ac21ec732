//! Revocation: asked at each request, of tokens found in the cache too.
//!
//! A token is named by what it says, never by a hash of its text, which has several spellings: by (issuer, `jti`), or by
//! (issuer, subject, issued before). [`MemoryRevocations`] is built in; others implement [`RevocationCheck`]. [`SingleUse`] is
//! such a check too: it takes a token for revoked once it was used.

mod check;
mod memory;
mod single_use;
mod unknown_policy;

pub use check::{RevocationCheck, RevocationFuture, RevocationQuery, RevocationStatus};
pub use memory::{MemoryRevocations, RevocationsFull};
pub use single_use::SingleUse;
pub(crate) use unknown_policy::Outcome;
pub use unknown_policy::{Revocation, UnknownPolicy};
