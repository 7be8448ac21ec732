//! Minting of tokens: drafts, and the private keys that sign them.

mod draft;
mod signer;

pub use draft::{Draft, SignError};
pub use signer::Signer;
