//! Making tokens: signing keys, and drafts of what they sign.

mod draft;
mod signer;

pub use draft::{Draft, SignError};
pub use signer::Signer;
