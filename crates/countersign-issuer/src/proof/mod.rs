//! Proofs of possession with token requests (DPoP, RFC 9449 §5).

mod check;

pub(crate) use check::{DPOP, ProofCheck};
