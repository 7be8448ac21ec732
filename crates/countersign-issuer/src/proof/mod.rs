//! Proofs of possession with token requests: DPoP (RFC 9449 §5), and certificates of connections (RFC 8705 §3).

mod check;
mod possession;

pub(crate) use check::{DPOP, ProofCheck};
pub(crate) use possession::Possession;
