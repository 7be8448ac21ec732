//! Keys of clients, and their proofs that they have them (DPoP, RFC 9449).

mod draft;
mod key;

pub use draft::TestProof;
pub use key::TestKey;
