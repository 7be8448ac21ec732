//! Making tokens: signing keys, and drafts of what they sign.

mod draft;
mod signer;

pub use draft::{Draft, MintError};
pub use signer::Signer;
