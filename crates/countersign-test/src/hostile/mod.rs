//! Forgeries: all known attacks on tokens, and on requests with bound tokens.

mod attack;
mod forge;
mod proof_attack;
mod proof_forge;
mod public_key;

pub use attack::Attack;
pub use proof_attack::ProofAttack;
pub use proof_forge::HostileRequest;
