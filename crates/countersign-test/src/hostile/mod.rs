//! Forgeries: every known way to make a token that must be refused.

mod attack;
mod forge;
mod public_key;

pub use attack::Attack;
