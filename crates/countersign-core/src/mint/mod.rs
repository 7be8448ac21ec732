//! Minting of tokens: drafts, and the private keys that sign them (feature `sign`).

mod certificate;
mod draft;
mod signer;

pub use certificate::CertificateThumbprint;
pub use draft::{Draft, SignError};
pub use signer::Signer;
