//! Secret hashes: Argon2id for chosen secrets, HMAC under a pepper for generated ones, bcrypt of older systems.

mod argon2id;
mod bcrypt_hash;
mod check;
mod generate;
mod hash;

pub(super) use argon2id::DUMMY;
pub(super) use bcrypt_hash::dummy as bcrypt_dummy;
pub(super) use check::{Checked, check_slowly};
pub(super) use generate::KEYED_PREFIX;
pub(crate) use generate::pepper_key;
pub use hash::SecretHash;

#[cfg(test)]
mod tests;
