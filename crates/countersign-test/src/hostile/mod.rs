//! Forgeries: all known attacks on tokens, on requests with bound tokens, and by answers about opaque tokens.

mod attack;
mod forge;
mod introspection_attack;
mod introspection_forge;
mod proof_attack;
mod proof_forge;
mod public_key;

pub use attack::Attack;
pub use introspection_attack::IntrospectionAttack;
pub(crate) use introspection_forge::HostileAnswer;
pub use proof_attack::ProofAttack;
pub use proof_forge::HostileRequest;
