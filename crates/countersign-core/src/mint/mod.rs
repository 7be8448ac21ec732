//! Minting of tokens: drafts, proofs of possession, and the private keys that sign them (feature `sign`).

mod certificate;
mod draft;
mod proof;
mod signer;

pub use certificate::CertificateThumbprint;
pub use draft::{Draft, SignError};
pub use proof::ProofDraft;
pub use signer::Signer;
