//! The life of signing keys: pending (published, not signing), active (exactly one), retiring (published, not signing).
//!
//! Verifiers cache a key set for its `max-age`. So a key signs only after every cache has it, and stays published until
//! the last token that it signed has expired everywhere.

mod encoding;
mod error;
mod key;
mod maintenance;
mod published;
mod ring;
mod source;
mod states;
mod timing;

pub use error::RotationError;
pub use key::{KeyState, PublishedKey};
pub(crate) use maintenance::Maintenance;
pub(crate) use published::Published;
pub(crate) use ring::{KeyRing, RingSettings};
pub(crate) use source::RingKeys;
pub(crate) use timing::JWKS_MAX_AGE;

#[cfg(test)]
mod tests;
