//! Forgeries: all known attacks on tokens, on requests with bound tokens, with transaction tokens, and by answers about opaque
//! tokens.

mod attack;
mod forge;
mod introspection_attack;
mod introspection_forge;
mod proof_attack;
mod proof_forge;
mod public_key;
mod transaction_attack;
mod transaction_forge;

pub use attack::Attack;
pub use introspection_attack::IntrospectionAttack;
pub(crate) use introspection_forge::HostileAnswer;
pub use proof_attack::ProofAttack;
pub use proof_forge::HostileRequest;
pub use transaction_attack::TransactionAttack;
pub use transaction_forge::HostileTransaction;
