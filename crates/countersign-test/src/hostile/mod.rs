//! Forgeries: all known attacks on tokens.

mod attack;
mod forge;
mod public_key;

pub use attack::Attack;
