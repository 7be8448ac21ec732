//! Proofs of possession: the sender of a token shows that it has the key that the token is bound to (RFC 9449).
//!
//! A stolen token that is bound to a key is worthless without that key. The layer of the crate `countersign` checks the proof of
//! each request; applications meet [`Nonces`] and [`ExternalUrl`] in its settings.

mod certificate;
mod dpop;
mod error;
pub(crate) mod explain;
mod header;
mod keys;
mod nonce;
mod target;

pub use certificate::{PeerCertificate, VerifiedCertificate};
pub use dpop::{DpopProof, ProofRequest, ProofRules};
pub use error::{ProofError, ProofErrorKind};
pub use header::only_proof;
pub use keys::ProofKeys;
pub use nonce::Nonces;
pub use target::ExternalUrl;
